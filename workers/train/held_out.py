"""Held-out turns of the past, asked of the candidate and of the model in use: part of the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import PolydeskError
from core.knowledge.entries import NONE
from core.knowledge.history import Example
from core.policy import alone, kind
from workers.local import Local
from workers.train import results as told


@dataclass(frozen=True, slots=True)
class Tally:
    """How a model did: of the questions `inside` the scope `right` got the right entry first; `wrong` of `answered`."""

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


def asked(local: Local, examples: Sequence[Example]) -> Tally:
    """Ask them; what cannot be read counts as not answered."""
    inside = right = answered = wrong = 0
    for one in examples:
        try:
            found = local.ask(
                one.text, [Path(name) for name in one.photos], [Path(name) for name in one.voices], one.history
            )
        except PolydeskError:
            inside += one.expect != NONE
            continue
        hit = found.entry == one.expect
        inside += one.expect != NONE
        right += hit
        if kind(alone(found, local.knowledge)) == told.ANSWER:
            answered += 1
            wrong += not hit
    return Tally(inside, right, answered, wrong)


def checks(before: Tally, after: Tally) -> list[told.Check]:
    """The conditions of the gate: no fewer right, and what is answered is as often right."""
    found = []
    if before.inside:
        shares = before.right / before.inside, after.right / after.inside
        found.append(told.Check("the right entry in held-out conversations", *shares, after.right >= before.right))
    if before.answered and after.answered:
        kept = 1 - before.wrong / before.answered, 1 - after.wrong / after.answered
        found.append(told.Check("right among the answered in held-out conversations", *kept, kept[1] >= kept[0]))
    return found
