"""Whether an error budget is kept on questions that nobody has seen, with and without labelled ones.

    python -m tests.bench.budget ../shared/data var/models [--draws 40] [--near 0.33] [--bases 3]

Knowledge bases of ten phrases an entry from BANKING77 (CC BY 4.0), CLINC150 (CC BY 3.0) and HINT3 (ODbL), three of each
with a fifth of the intents left out. Every fifth question is out of scope: a third of these (`--near`) is about intents
left out, the others come from elsewhere, CLINC150's out-of-scope part first; answering one is wrong.

The first row of each budget is the threshold that ships. Then as many labelled questions as named are drawn, and all
others asked: from the threshold that they prove, or the one that ships where they prove none; and from the estimate of
confidences recalibrated by them. The calibration that ships was fitted on other splits of BANKING77 and CLINC150
(`tests/bench/prior.py`), never on HINT3, and assumes the same share of questions out of scope.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.knowledge.entries import NONE
from tests.bench.text import Pairs, knowledge_of
from workers.model import text as texts
from workers.model.adapt import adapt
from workers.model.encodings import Remembered, encoded
from workers.model.heard import Said, hear
from workers.model.metrics import expected_error
from workers.model.ports import TextEncoder
from workers.model.recalibration import Recalibration, recalibrate
from workers.model.scoring import score_all
from workers.model.selective import estimated, interval, select

BUDGETS = (0.01, 0.02, 0.05)
LABELLED = (150, 500, 2000)
SHOTS = 10
OUTSIDE = 0.2
LEFT = 0.2  # of the intents
MOST = 5000  # questions of a knowledge base
FAR = 600  # sentences from another source

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """One knowledge base, asked: the confidence of what a threshold may answer, whether it would be wrong."""

    sure: Numbers
    wrong: Flags
    confidence: Numbers
    shipped: dict[float, float]

    def count(self, threshold: float, here: Flags) -> tuple[int, int]:
        """Answers from `threshold` on, and the wrong ones among them."""
        said = here & (self.sure >= threshold)
        return int(said.sum()), int((said & self.wrong).sum())

    def save(self, file: Path) -> None:
        """Keep it."""
        shipped = [self.shipped[budget] for budget in BUDGETS]
        np.savez(file, sure=self.sure, wrong=self.wrong, confidence=self.confidence, shipped=shipped)

    @classmethod
    def load(cls, file: Path) -> Asked:
        """What `save` kept."""
        with np.load(file) as kept:
            shipped = dict(zip(BUDGETS, kept["shipped"].tolist(), strict=True))
            return cls(kept["sure"], kept["wrong"], kept["confidence"], shipped)


Drawn = tuple[NDArray[np.int64], Recalibration]  # which questions are labelled, and what they make of confidences
Rule = Callable[[Asked, Drawn, float], tuple[float, bool]]


def sources(folder: Path) -> dict[str, tuple[Pairs, list[str]]]:
    """Sentences with intents, and sentences from elsewhere."""
    with (folder / "banking77/train.csv").open(encoding="utf-8") as file:
        banking = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    clinc = json.loads((folder / "clinc150/data_train_val.json").read_text(encoding="utf-8"))
    strange = [text for text, _ in clinc["oos_train"] + clinc["oos_val"]]
    spoken = [(text, intent) for text, intent in clinc["train"] + clinc["val"]]
    dice = random.Random(1)
    found = {
        "banking77": (banking, strange + [text for text, _ in dice.sample(spoken, FAR)]),
        "clinc150": (spoken, strange + [text for text, _ in dice.sample(banking, FAR)]),
    }
    for bot in ("curekart", "powerplay11", "sofmattress"):
        with (folder / f"hint3/v1/train/{bot}_train.csv").open(encoding="utf-8") as file:
            found[f"hint3 {bot}"] = ([(row["sentence"], row["label"]) for row in csv.DictReader(file)], strange)
    return found


def ask(pairs: Pairs, strange: Sequence[str], encoder: TextEncoder, cache: Remembered, near: float, seed: int) -> Asked:
    """Learn some intents, ask all else."""
    dice = random.Random(seed)
    intents: dict[str, list[str]] = {}
    for text, intent in dict(pairs).items():
        intents.setdefault(intent, []).append(text)
    for some in intents.values():
        dice.shuffle(some)
    left = set(dice.sample(sorted(intents), max(round(LEFT * len(intents)), 1)))
    # A third at least of an intent's sentences is asked
    learn = [(text, name) for name, some in intents.items() if name not in left for text in some[: _taught(some)]]
    inside = [(text, name) for name, some in intents.items() if name not in left for text in some[_taught(some) :]]
    close = [text for name in sorted(left) for text in intents[name]]
    far = list(strange)
    for some in (inside, close, far):
        dice.shuffle(some)
    shares = (1 - OUTSIDE, OUTSIDE * near, OUTSIDE * (1 - near))
    most = min(MOST, *(len(some) / share for some, share in zip((inside, close, far), shares, strict=True) if share))
    parts = [some[: round(most * share)] for some, share in zip((inside, close, far), shares, strict=True)]
    asked: Pairs = parts[0] + [(text, NONE) for text in parts[1] + parts[2]]
    knowledge = knowledge_of(learn)
    encoded(encoder, [text for text, _ in learn + asked], cache)
    shipped = {}
    for budget in BUDGETS:
        adapted = adapt(replace(knowledge, error_budget=budget), text=encoder, cache=cache)
        shipped[budget] = adapted.thresholds.answer_at
    sure, wrong, confidence = [], [], []
    for at in range(0, len(asked), 64):
        some = asked[at : at + 64]
        heard = hear([Said(text=text) for text, _ in some], encoder, adapted.spelling)
        for (_, expect), one in zip(some, score_all(adapted, heard, talk=False), strict=True):
            confidence.append(one.confidence)
            sure.append(0.0 if one.rivals else one.confidence)
            wrong.append(one.candidates[0].entry != expect)
    return Asked(np.array(sure), np.array(wrong), np.array(confidence), shipped)


def _taught(some: Sequence[str]) -> int:
    return min(SHOTS, max(len(some) * 2 // 3, 1))


def rows(name: str, worlds: Sequence[Asked], draws: int) -> Iterator[str]:
    """The table of one source."""
    least = min(len(world.sure) for world in worlds)
    error = np.mean([expected_error(world.confidence, ~world.wrong) for world in worlds])
    yield f"{name}: {least} questions a knowledge base, ECE {error:.3f}"
    nobody = [[(np.zeros(0, int), Recalibration())] for _ in worlds]
    known = {
        n: [_drawn(world, n, draws, seed) for seed, world in enumerate(worlds)] for n in LABELLED if n <= least / 2
    }
    for budget in BUDGETS:
        yield _row(f"{100 * budget:.0f} % shipped", worlds, nobody, budget, _shipped)
        for n, drawn in known.items():
            yield _row(f"    {n} labelled", worlds, drawn, budget, _proven)
            yield _row(f"    {n} recalibrated", worlds, drawn, budget, _mended)


def _drawn(world: Asked, labelled: int, draws: int, seed: int) -> list[Drawn]:
    dice = np.random.default_rng(seed)
    chosen = [dice.permutation(len(world.sure))[:labelled] for _ in range(draws)]
    return [(one, recalibrate(world.confidence[one], ~world.wrong[one]).correction) for one in chosen]


def _shipped(world: Asked, drawn: Drawn, budget: float) -> tuple[float, bool]:
    return world.shipped[budget], False


def _proven(world: Asked, drawn: Drawn, budget: float) -> tuple[float, bool]:
    """What the labelled questions prove, and whether they prove anything."""
    found = select(world.sure[drawn[0]].tolist(), world.wrong[drawn[0]].tolist(), budget)
    return (found.threshold if found.guaranteed else world.shipped[budget]), found.guaranteed


def _mended(world: Asked, drawn: Drawn, budget: float) -> tuple[float, bool]:
    """What the recalibrated confidences of the labelled questions promise."""
    known, correction = drawn
    sure = world.sure[known]
    mended = np.where(sure > 0, correction(sure), 0.0)
    return float(min(sure[mended >= estimated(mended.tolist(), budget)], default=1.0)), False


def _row(name: str, worlds: Sequence[Asked], known: Sequence[Sequence[Drawn]], budget: float, rule: Rule) -> str:
    """Means over all draws; the interval is of the first draw of each knowledge base, so that nothing counts twice."""
    at, answered, first, every = [], [], np.zeros(2, int), np.zeros(2, int)
    proven = over = both = 0
    for world, drawn in zip(worlds, known, strict=True):
        for number, one in enumerate(drawn):
            threshold, sound = rule(world, one, budget)
            rest = np.ones(len(world.sure), bool)
            rest[one[0]] = False
            counted = np.array(world.count(threshold, rest))
            at.append(threshold)
            answered.append(counted[0] / rest.sum())
            every += counted
            first += counted if number == 0 else 0
            # Whether the budget is broken, all questions of the knowledge base tell: the rest alone is a draw too.
            answers, wrong = world.count(threshold, np.ones_like(rest))
            broken = wrong > budget * answers
            proven, over, both = proven + sound, over + broken, both + (sound and broken)
    low, high = interval(int(first[1]), int(first[0]))
    note = f"proven in {proven}, of these over {both}" if rule is _proven else ""
    means = f"{np.mean(at):.3f} {100 * np.mean(answered):6.1f} {100 * every[1] / max(every[0], 1):6.2f}"
    sample = f"{first[1]:4d}/{first[0]:<5d} {100 * low:5.2f} .. {100 * high:5.2f}"
    return f"  {name:20s} {means}   {sample}   {over:3d} of {len(at):<3d} {note}".rstrip()


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("--draws", type=int, default=40)
    options.add_argument("--near", type=float, default=1 / 3)
    options.add_argument("--bases", type=int, default=3, help="How many knowledge bases of each source.")
    options.add_argument("--only", default="")
    options.add_argument("--keep", type=Path, help="A folder for what was asked, so that only the table is made anew.")
    chosen = options.parse_args()
    encoder, cache = texts.minilm(chosen.models / "text-en"), Remembered()
    print(f"  {'':20s} from    answ.  wrong   one draw a knowledge base  draws over the budget")
    print(f"  {'':20s}         %      %       wrong/answers 95 % interval")
    for name, (pairs, strange) in sources(chosen.data).items():
        if chosen.only in name:
            worlds = []
            for seed in range(chosen.bases):
                file = chosen.keep / f"{name}-{chosen.near:.2f}-{seed}.npz" if chosen.keep else None
                if file is None or not file.exists():
                    worlds.append(ask(pairs, strange, encoder, cache, chosen.near, seed))
                    if file is not None:
                        worlds[-1].save(file)
                else:
                    worlds.append(Asked.load(file))
            for line in rows(name, worlds, chosen.draws):
                print(line, flush=True)


if __name__ == "__main__":
    main()
