"""What the gate compares: how the candidate and the model in use did with the same questions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import PolydeskError
from core.knowledge.entries import NONE
from core.knowledge.history import Example
from core.policy import alone, kind
from workers.local import Local
from workers.train import results as told


@dataclass(frozen=True, slots=True)
class Tally:
    """How a model did with `asked` questions.

    Of those `inside` the scope `right` got the right entry first; of those `answered` automatically, `wrong` were.
    """

    asked: int = 0
    inside: int = 0
    right: int = 0
    answered: int = 0
    wrong: int = 0


def fair(examples: Sequence[Example]) -> tuple[Example, ...]:
    """The held-out turns that may judge.

    Left out are phrases of the knowledge base itself, which only the candidate went without, and turns that are
    labelled by silence, whose label is what the model in use once answered.
    """
    return tuple(one for one in examples if one.line > 0 and one.expect and one.by != "silence")


def asked(local: Local, examples: Sequence[Example], tell: Callable[[int], None]) -> Tally:
    """Ask them, telling after each how many were; what cannot be read counts as not answered."""
    inside = right = answered = wrong = 0
    for done, one in enumerate(examples, 1):
        inside += one.expect != NONE
        with suppress(PolydeskError):
            found = local.ask(
                one.text, [Path(name) for name in one.photos], [Path(name) for name in one.voices], one.history
            )
            hit = found.entry == one.expect
            right += hit and one.expect != NONE
            if kind(alone(found, local.knowledge)) == told.ANSWER:
                answered += 1
                wrong += not hit
        tell(done)
    return Tally(len(examples), inside, right, answered, wrong)


def of_cases(lines: Iterable[Mapping[str, Any]]) -> Tally:
    """The tally of what `workers.evaluation.evaluate` tells of each case."""
    told_of = list(lines)
    answers = [one for one in told_of if one["decision"] == told.ANSWER]
    return Tally(
        asked=len(told_of),
        inside=sum(one["expect"] != NONE for one in told_of),
        right=sum(one["expect"] != NONE and one["entry"] == one["expect"] for one in told_of),
        answered=len(answers),
        wrong=sum(one["entry"] != one["expect"] for one in answers),
    )


def checks(before: Tally, after: Tally, budget: float, where: str) -> list[told.Check]:
    """The conditions of the gate; none where nothing was asked.

    No fewer right; of what is answered by itself no larger share wrong, where nothing was answered before no more than
    the budget; and no fewer answers than chance explains, two standard deviations of the count, unless they were more
    often wrong than the budget allows. Who answers nothing any more is worse, whatever was wrong before.

    Args:
        before: the model in use.
        after: the candidate, of the same questions.
        budget: the share of automatic answers that may be wrong.
        where: what was asked, for people: "the cases".
    """
    found = []
    if before.inside:
        shares = before.right / before.inside, after.right / after.inside
        found.append(told.Check(f"the right entry in {where}", *shares, after.right >= before.right))
    if after.answered:
        kept = 1 - after.wrong / after.answered
        least = 1 - before.wrong / before.answered if before.answered else 1 - budget
        what = f"right among the answered in {where}"
        found.append(told.Check(what, least if before.answered else None, kept, kept >= least))
    if before.answered:
        spent = before.wrong > budget * before.answered
        least_many = 1 if spent else max(1.0, before.answered - 2 * math.sqrt(before.answered))
        found.append(
            told.Check(
                f"answered by itself in {where}",
                before.answered / before.asked,
                after.answered / after.asked,
                after.answered >= least_many,
            )
        )
    return found
