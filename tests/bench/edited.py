"""What a threshold is worth that labelled questions proved, once the knowledge base was edited.

    python -m tests.bench.edited ../shared/data var/models [--draws 20] [--bases 2] [--cache FILE]

Knowledge bases as in `tests/bench/budget.py`, ten phrases an entry, a fifth of the questions out of scope, training
and validation parts only. Labelled questions prove a threshold; then the knowledge base is edited, and all other
questions are asked of it: from the threshold as it was proven (`kept`), from the larger of it and the estimate of the
edited knowledge base (`larger`), and from that estimate alone (`estimate`). Only draws that prove something count.

    one variant     a phrase more for one entry
    some variants   a phrase more for every tenth entry
    more entries    a tenth of new ones, about what was out of scope
    fewer entries   every tenth is gone: its questions are out of scope now
    rewritten       every entry has other phrases
    replaced        every entry has three other phrases instead of ten
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.knowledge.entries import NONE
from tests.bench.budget import BUDGETS, LEFT, OUTSIDE, Asked, Kept, sources
from tests.bench.text import Pairs, knowledge_of
from workers.encodings import Encodings
from workers.model import text as texts
from workers.model.adapt import adapt
from workers.model.encodings import Remembered, encoded
from workers.model.heard import Said, hear
from workers.model.scoring import score_all
from workers.model.selective import interval, select

SOURCES = ("banking77", "clinc150", "hwu64")  # with entries and sentences enough
SHOTS, MORE = 10, 10  # phrases an entry begins with, and as many to be edited with; the rest is asked
MOST = 3000  # questions
LABELLED = (300, 1000)
RULES = ("kept", "larger", "estimate")
NEAR = 1 / 3

Row = tuple[str, float, int, str]  # edit, budget, labelled questions, rule
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """Phrases by entry, before and after each edit; questions with what they are about, in scope or not."""

    before: Mapping[str, Sequence[str]]
    after: Mapping[str, Mapping[str, Sequence[str]]]
    questions: Pairs


def world(pairs: Pairs, strange: Sequence[str], seed: int) -> World:
    """Draw one."""
    dice = random.Random(seed)
    intents: dict[str, list[str]] = {}
    for text, intent in dict(pairs).items():
        intents.setdefault(intent, []).append(text)
    intents = {name: some for name, some in intents.items() if len(some) >= SHOTS + MORE + 5}
    for some in intents.values():
        dice.shuffle(some)
    names = sorted(intents)
    left = dice.sample(names, max(round(LEFT * len(names)), 1))
    here = [name for name in names if name not in left]
    before = {name: intents[name][:SHOTS] for name in here}
    tenth = dice.sample(here, max(len(here) // 10, 1))
    one_more = {name: intents[name][: SHOTS + 1] for name in tenth}
    after: dict[str, Mapping[str, Sequence[str]]] = {
        "as it was": before,
        "one variant": before | {tenth[0]: one_more[tenth[0]]},
        "some variants": before | one_more,
        "more entries": before | {name: intents[name][:SHOTS] for name in left[: max(len(here) // 10, 1)]},
        "fewer entries": {name: some for name, some in before.items() if name not in tenth},
        "rewritten": {name: intents[name][SHOTS : SHOTS + MORE] for name in here},
        "replaced": {name: intents[name][SHOTS : SHOTS + 3] for name in here},
    }
    inside = [(text, name) for name in here for text in intents[name][SHOTS + MORE :]]
    close = [(text, name) for name in left for text in intents[name][SHOTS + MORE :]]
    far = [(text, NONE) for text in strange]
    shares = (1 - OUTSIDE, OUTSIDE * NEAR, OUTSIDE * (1 - NEAR))
    parts = (inside, close, far)
    for some_pairs in parts:
        dice.shuffle(some_pairs)
    most = min(MOST, *(len(some) / share for some, share in zip(parts, shares, strict=True)))
    return World(
        before, after, [one for some, share in zip(parts, shares, strict=True) for one in some[: round(most * share)]]
    )


def asked(phrases: Mapping[str, Sequence[str]], questions: Pairs, encoder: Kept) -> Asked:
    """Learn the phrases, ask the questions; what is about no entry is out of scope."""
    knowledge = knowledge_of([(text, name) for name, some in phrases.items() for text in some])
    shipped = {}
    for budget in BUDGETS:
        adapted = adapt(replace(knowledge, error_budget=budget), text=encoder, cache=encoder.cache)
        shipped[budget] = adapted.thresholds.answer_at
    sure, wrong = [], []
    for at in range(0, len(questions), 64):
        some = questions[at : at + 64]
        heard = hear([Said(text=text) for text, _ in some], encoder, adapted.spelling)
        for (_, about), one in zip(some, score_all(adapted, heard, talk=False), strict=True):
            sure.append(0.0 if one.rivals else one.confidence)
            wrong.append(one.candidates[0].entry != about)
    out = np.array([about not in phrases for _, about in questions])
    return Asked(np.array(sure), np.array(wrong), np.array(sure), out, shipped)


def counted(
    before: Asked, after: Mapping[str, Asked], labelled: int, draws: int, dice: np.random.Generator
) -> Iterator[tuple[Row, Counts]]:
    """What each rule comes to after each edit; the last two counts are of the first draw, so that none is twice."""
    begun = set()
    for _ in range(draws):
        known = dice.permutation(len(before.sure))[:labelled]
        rest = np.ones(len(before.sure), bool)
        rest[known] = False
        for budget in BUDGETS:
            found = select(before.sure[known].tolist(), before.wrong[known].tolist(), budget)
            for edit, one in after.items() if found.guaranteed else ():
                ours = one.shipped[budget]
                levels = (found.threshold, max(found.threshold, ours), ours)
                for rule, level in zip(RULES, levels, strict=True):
                    place = (edit, budget, labelled, rule)
                    answers, wrong = one.count(level, rest)
                    # Whether the budget is broken, all questions tell.
                    every, bad = one.count(level, np.ones_like(rest))
                    first = (0, 0) if place in begun else (answers, wrong)
                    begun.add(place)
                    yield place, np.array([1, bad > budget * every, answers, wrong, rest.sum(), *first])


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("--draws", type=int, default=20)
    options.add_argument("--bases", type=int, default=2, help="how many knowledge bases of each source")
    options.add_argument("--only", default="")
    options.add_argument("--cache", type=Path, help="an SQLite file that keeps encodings")
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    encoder = Kept(texts.minilm(chosen.models / "text-en"), Encodings(chosen.cache) if chosen.cache else Remembered())
    totals: dict[Row, Counts] = {}
    for name, (pairs, strange) in sources(chosen.data).items():
        for seed in range(chosen.bases) if name in SOURCES and chosen.only in name else ():
            drawn = world(pairs, strange, seed)
            encoded(encoder, [text for text, _ in drawn.questions], encoder.cache)
            before = asked(drawn.before, drawn.questions, encoder)
            print(f"{name} {seed}: {len(drawn.before)} entries, {len(drawn.questions)} questions", flush=True)
            after = {edit: asked(some, drawn.questions, encoder) for edit, some in drawn.after.items()}
            dice = np.random.default_rng(seed)
            for labelled in (many for many in LABELLED if many <= len(before.sure) / 2):
                for row, counts in counted(before, after, labelled, chosen.draws, dice):
                    totals[row] = totals.get(row, np.zeros(7, np.int64)) + counts
    print("edit            budget labelled rule      answered  wrong   one draw a base, 95 %        over the budget")
    for (edit, budget, labelled, rule), counts in totals.items():
        draws, over, answers, wrong, many, first, first_wrong = (int(one) for one in counts)
        low, high = interval(first_wrong, first)
        print(
            f"{edit:15s} {100 * budget:3.0f} % {labelled:8d}  {rule:8s} {100 * answers / many:7.1f} %"
            f" {100 * wrong / max(answers, 1):6.2f} %  {first_wrong}/{first} {100 * low:.2f} .. {100 * high:.2f} %"
            f"   {over} of {draws}"
        )


if __name__ == "__main__":
    main()
