"""Whether an error budget is kept on questions that nobody has seen, with and without labelled ones.

    python -m tests.bench.budget ../shared/data var/models [--shots 1 3 5 10] [--cache FILE]
    python -m tests.bench.budget ../shared/data var/models --labelled [--draws 40]

Knowledge bases from BANKING77 (CC BY 4.0), CLINC150 (CC BY 3.0), HWU64 (CC BY 4.0) and HINT3 (ODbL) of some phrases an
entry, three of each with a fifth of the intents left out. Every fifth question is out of scope: a third of these
(`--near`) is about intents left out, the others come from elsewhere, CLINC150's out-of-scope part first; answering one
is wrong. Without labels the threshold that ships is asked, where none, a fifth and a half of the questions is out of
scope. The prior that ships was fitted on other splits of the same data sets; what knowledge bases get whose kind it has
never seen is told by `tests/bench/prior.py`.

With `--labelled`, as many labelled questions as named are drawn, and all others asked: from the threshold that they
prove, or the one that ships where they prove none; and from the estimate of confidences recalibrated by them.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.knowledge.entries import NONE
from tests.bench.bases import sets
from tests.bench.text import Pairs, knowledge_of
from workers.encodings import Encodings
from workers.model import text as texts
from workers.model.adapt import adapt
from workers.model.encodings import EncodingCache, Remembered, encoded
from workers.model.heard import Said, hear
from workers.model.metrics import expected_error
from workers.model.ports import TextEncoder, Vectors
from workers.model.recalibration import Recalibration, recalibrate
from workers.model.scoring import score_all
from workers.model.selective import estimated, interval, select

BUDGETS = (0.01, 0.02, 0.05)
LABELLED = (150, 500, 2000)
SHOTS = (1, 3, 5, 10)
SHARES = (0.0, 0.2, 0.5)  # of the questions, out of scope
OUTSIDE = 0.2
LEFT = 0.2  # of the intents
MOST = 5000  # questions of a knowledge base
FAR = 600  # sentences from another source, one that shares no matters with it
ELSEWHERE = {"banking77": "hwu64", "clinc150": "hint3 curekart", "hwu64": "banking77"}

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """One knowledge base, asked: the confidence of what a threshold may answer, whether it would be wrong.

    `strange` says which questions are out of scope.
    """

    sure: Numbers
    wrong: Flags
    confidence: Numbers
    strange: Flags
    shipped: dict[float, float]

    def count(self, threshold: float, here: Flags) -> tuple[int, int]:
        """Answers from `threshold` on, and the wrong ones among them."""
        said = here & (self.sure >= threshold)
        return int(said.sum()), int((said & self.wrong).sum())

    def mixed(self, share: float) -> Flags:
        """The most questions of which a share is out of scope."""
        inside, outside = np.flatnonzero(~self.strange), np.flatnonzero(self.strange)
        most = min(len(inside) / (1 - share), len(outside) / share if share else np.inf)
        here = np.zeros(len(self.sure), dtype=bool)
        here[inside[: round(most * (1 - share))]] = True
        here[outside[: round(most * share)]] = True
        return here


class Kept:
    """A text encoder whose vectors are kept."""

    def __init__(self, encoder: TextEncoder, cache: EncodingCache) -> None:
        self._encoder = encoder
        self.cache = cache
        self.digest, self.dim, self.languages = encoder.digest, encoder.dim, encoder.languages

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors (len(texts), dim)."""
        return encoded(self._encoder, texts, self.cache)


@dataclass(frozen=True)
class Chosen:
    """Which knowledge base is drawn."""

    near: float
    seed: int
    shots: int


Drawn = tuple[NDArray[np.int64], Recalibration]  # which questions are labelled, and what they make of confidences
Rule = Callable[[Asked, Drawn, float], tuple[float, bool]]


def sources(folder: Path) -> dict[str, tuple[Pairs, list[str]]]:
    """Sentences with intents, and sentences from elsewhere."""
    found, strange = sets(folder)
    dice = random.Random(1)
    made = {}
    for name in ("banking77", "clinc150", "hwu64", "hint3 curekart", "hint3 powerplay11", "hint3 sofmattress"):
        pairs = [(text, intent) for intent, some in found[name].items() for text in some]
        other = found[ELSEWHERE[name]] if name in ELSEWHERE else {}
        more = [text for some in other.values() for text in some]
        made[name] = (pairs, strange + dice.sample(more, min(FAR, len(more))))
    return made


def ask(pairs: Pairs, strange: Sequence[str], encoder: TextEncoder, cache: EncodingCache, chosen: Chosen) -> Asked:
    """Learn some intents, ask all else."""
    near, seed, shots = chosen.near, chosen.seed, chosen.shots
    dice = random.Random(seed)
    intents: dict[str, list[str]] = {}
    for text, intent in dict(pairs).items():
        intents.setdefault(intent, []).append(text)
    for some in intents.values():
        dice.shuffle(some)
    left = set(dice.sample(sorted(intents), max(round(LEFT * len(intents)), 1)))
    # A third at least of an intent's sentences is asked
    learn = [
        (text, name) for name, some in intents.items() if name not in left for text in some[: _taught(some, shots)]
    ]
    inside = [
        (text, name) for name, some in intents.items() if name not in left for text in some[_taught(some, shots) :]
    ]
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
    out = np.array([expect == NONE for _, expect in asked])
    return Asked(np.array(sure), np.array(wrong), np.array(confidence), out, shipped)


def _taught(some: Sequence[str], shots: int) -> int:
    return min(shots, max(len(some) * 2 // 3, 1))


def unlabelled(name: str, worlds: Sequence[Asked]) -> Iterator[str]:
    """What the threshold that ships does: wrong / answers, error with its 95 % interval, share answered."""
    for share in SHARES:
        cells = []
        for budget in BUDGETS:
            here = [world.mixed(share) for world in worlds]
            counts = np.array([w.count(w.shipped[budget], some) for w, some in zip(worlds, here, strict=True)])
            answers, wrong = (int(one) for one in counts.sum(axis=0))
            low, high = interval(wrong, answers)
            asked = sum(int(some.sum()) for some in here)
            cells.append(
                f"{wrong:3d}/{answers:<5d}{100 * wrong / max(answers, 1):5.2f} [{100 * low:4.1f},{100 * high:5.1f}]"
                f" of {100 * answers / asked:3.0f} %"
            )
        yield f"  {name:28s} {100 * share:2.0f} % out  " + "   ".join(cells)


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


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("--labelled", action="store_true", help="what labelled questions prove, at ten phrases")
    options.add_argument("--draws", type=int, default=40)
    options.add_argument("--near", type=float, default=1 / 3)
    options.add_argument("--shots", type=int, nargs="*", default=SHOTS, help="phrases an entry")
    options.add_argument("--bases", type=int, default=3, help="how many knowledge bases of each source")
    options.add_argument("--only", default="")
    options.add_argument("--cache", type=Path, help="an SQLite file that keeps encodings")
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    encoder = Kept(texts.minilm(chosen.models / "text-en"), Encodings(chosen.cache) if chosen.cache else Remembered())
    if chosen.labelled:
        print(f"  {'':20s} from    answ.  wrong   one draw a knowledge base  draws over the budget")
        print(f"  {'':20s}         %      %       wrong/answers 95 % interval")
    else:
        told = "".join(f"{100 * budget:.0f} %: wrong/answers, error, answered      " for budget in BUDGETS)
        print(f"  {'':28s}           {told}")
    for name, (pairs, strange) in sources(chosen.data).items():
        if chosen.only not in name:
            continue
        for shots in chosen.shots if not chosen.labelled else (10,):
            drawn = [Chosen(chosen.near, seed, shots) for seed in range(chosen.bases)]
            worlds = [ask(pairs, strange, encoder, encoder.cache, one) for one in drawn]
            for line in rows(name, worlds, chosen.draws) if chosen.labelled else unlabelled(f"{name} {shots}", worlds):
                print(line, flush=True)


if __name__ == "__main__":
    main()
