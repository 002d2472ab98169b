"""The learned gate beside fixed rules, on knowledge bases, sentences, photos and voices it never saw.

    python -m tests.bench.gate ../shared/data var/models WORK [--worlds 80]

WORK is where `workers.train.gate` keeps what it read. Accuracy is of questions that have a right entry; AUROC tells how
well confidence parts them from the others; `automated` is the share of all questions answered at the confidence from
which on at most 5 % of the answers are wrong. Intervals are 95 %, by bootstrap over knowledge bases.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from workers.model.fusion.gate import Gate, evidence, shipped
from workers.model.fusion.opinions import CHANNELS, OCR, PHOTO, WORDS, Opinion, beforehand
from workers.model.fusion.pool import LogPool
from workers.model.heads import Floats
from workers.model.shelf import Shelf
from workers.train.composed import PATTERNS
from workers.train.gate import Asked, drawn
from workers.train.material import material
from workers.train.measuring import automated

BUDGET = 0.05
DRAWS = 1000
Rule = Callable[[Sequence[Opinion], int], Floats]


@dataclass(frozen=True)
class Judged:
    """Of each question: whether the best entry was right (False where none is), and how sure the rule was."""

    right: NDArray[np.bool_]
    sure: NDArray[np.float64]


def surest(opinions: Sequence[Opinion], entries: int) -> Floats:
    """The channel that is surest, alone."""
    return max(opinions, key=lambda opinion: opinion.confidence).scores


def votes(opinions: Sequence[Opinion], entries: int) -> Floats:
    """The entry that most channels find best; among equals the sum of confidences decides."""
    found = np.zeros(entries, dtype=np.float32)
    for opinion in opinions:
        found[int(opinion.scores.argmax())] += 1 + opinion.confidence / 10
    return found / (1.1 * len(opinions))


def average(opinions: Sequence[Opinion], entries: int) -> Floats:
    """The mean of the probabilities."""
    return np.asarray(np.mean([opinion.scores for opinion in opinions], axis=0), dtype=np.float32)


def product(opinions: Sequence[Opinion], entries: int) -> Floats:
    """Every channel believed in full."""
    start = beforehand(entries)
    lifts, none = evidence(opinions, entries)
    logs = np.append(
        np.log(start) + np.log(np.maximum(lifts, 1e-4)).sum(axis=0),
        np.log1p(-entries * start) + np.log(none).sum(),
    )
    logs = np.exp(logs - logs.max())
    return np.asarray(logs[:-1] / logs.sum(), dtype=np.float32)


def beside_words(gate: Gate, opinions: Sequence[Opinion], entries: int) -> Floats:
    """The gate where something was said; fixed weights over the channels of a picture that comes without a word."""
    alone = all(opinion.channel in (PHOTO, OCR, WORDS) for opinion in opinions)
    return (LogPool() if alone else gate).fuse(opinions, entries)


def judged(rule: Rule, asked: Sequence[Asked]) -> Judged:
    """What a rule makes of all questions."""
    fused = [rule(one.opinions, one.entries) for one in asked]
    right = np.array([int(scores.argmax()) == one.truth for scores, one in zip(fused, asked, strict=True)])
    return Judged(right, np.array([float(scores.max()) for scores in fused]))


def answered(one: Judged, some: NDArray[np.int64]) -> float:
    """The share of some questions that is answered where at most `BUDGET` of the answers are wrong."""
    return automated(one.sure[some].tolist(), one.right[some].tolist(), BUDGET)


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    options.add_argument("--worlds", type=int, default=80)
    options.add_argument("--gate", type=Path, help="another gate than the shipped one")
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    shelf = Shelf(chosen.models)
    asked = drawn(
        material(chosen.data, shelf, chosen.work, unseen=True), shelf.text("en"), chosen.worlds, 2, unseen=True
    )
    gate = Gate.from_bytes(chosen.gate.read_bytes()) if chosen.gate else shipped()
    rules: dict[str, Rule] = {
        "surest channel": surest, "votes": votes, "average": average, "product": product,
        "fixed weights": LogPool().fuse, "gate": gate.fuse, "gate, words": partial(beside_words, gate),
    }  # fmt: skip
    results = {name: judged(rule, asked) for name, rule in rules.items()}
    worlds = np.array([one.world for one in asked])
    inside = np.array([one.truth < one.entries for one in asked])
    patterns = np.array([one.pattern for one in asked])
    dice = np.random.default_rng(5)
    members = {world: np.flatnonzero(worlds == world) for world in np.unique(worlds)}
    drawings = (dice.choice(list(members), len(members)) for _ in range(DRAWS))
    draws = [np.concatenate([members[world] for world in some]) for some in drawings]

    def spread(figure: Callable[[NDArray[np.int64]], float]) -> str:
        low, high = np.quantile([figure(some) for some in draws], (0.025, 0.975))
        return f"{100 * figure(np.arange(len(asked))):5.1f} [{100 * low:.1f}, {100 * high:.1f}]"

    def accuracy(one: Judged, some: NDArray[np.int64]) -> float:
        return float(one.right[some][inside[some]].mean())

    shown = [pattern for pattern in PATTERNS if pattern != "none"]
    print(f"{len(asked)} questions about {len(members)} knowledge bases, {int((~inside).sum())} with no right entry")
    print("| rule | " + " | ".join(shown) + " | accuracy | AUROC | automated at 5 % wrong |")
    print("| --- " * (len(shown) + 4) + "|")
    for name, one in results.items():
        cells = [f"{100 * one.right[(patterns == pattern) & inside].mean():.1f}" for pattern in shown]
        right = spread(partial(accuracy, one))
        auroc = 100 * roc_auc_score(inside, one.sure)
        share = spread(partial(answered, one))
        print(f"| {name} | " + " | ".join(cells) + f" | {right} | {auroc:.1f} | {share} |")
    alone = {channel: channel_alone(asked, channel) for channel in CHANNELS}
    best = {p: max(alone, key=lambda c: alone[c][(patterns == p) & inside].mean()) for p in shown}
    cells = [f"{100 * alone[best[p]][(patterns == p) & inside].mean():.1f} ({best[p]})" for p in shown]
    print("| best single channel, chosen per pattern afterwards | " + " | ".join(cells) + " | | | |")
    gated = results["gate"]
    for name in ("surest channel", "fixed weights"):
        theirs = results[name]
        gain = spread(partial(lambda other, some: accuracy(gated, some) - accuracy(other, some), theirs))
        more = spread(partial(lambda other, some: answered(gated, some) - answered(other, some), theirs))
        print(f"gate less {name}: accuracy {gain}, automated {more}")


def channel_alone(asked: Sequence[Asked], channel: str) -> NDArray[np.bool_]:
    """Whether this channel alone finds the right entry; False where it is absent."""
    found = []
    for one in asked:
        mine = [opinion for opinion in one.opinions if opinion.channel == channel]
        found.append(bool(mine) and int(mine[-1].scores.argmax()) == one.truth)
    return np.array(found)


if __name__ == "__main__":
    main()
