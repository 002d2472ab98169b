"""What is measured of a training: labelled questions against the ways of fusing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from core.knowledge.entries import NONE
from core.knowledge.history import Example
from workers.model import metrics
from workers.model.adapt import Adapted
from workers.model.channels import Texts, opinions
from workers.model.fusion.gate import arranged, shipped
from workers.model.fusion.opinions import CHANNELS, Opinion
from workers.model.heads import Floats
from workers.model.heard import Heard, Said, hear
from workers.model.ports import TextEncoder
from workers.train import results as told
from workers.train.compared import Rival

_SLACK = 1e-9
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A labelled question as it was heard, with what every channel thinks of it."""

    example: Example
    heard: Heard
    opinions: tuple[Opinion, ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """Those that have an opinion, in the usual order."""
        there = {opinion.channel for opinion in self.opinions}
        return tuple(channel for channel in CHANNELS if channel in there)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a way of fusing made of a question: its best entry, how sure it is."""

    entry: str
    sure: float


def choosing(labelled: Sequence[T]) -> Sequence[T]:
    """The labelled questions that choose and correct: every second one. Those that are left prove the thresholds."""
    return labelled[::2]


def proving(labelled: Sequence[T]) -> Sequence[T]:
    """The labelled questions that nothing was chosen by, nothing fitted to."""
    return labelled[1::2]


def labelled(
    examples: Sequence[Example], heard: Mapping[int, Said], adapted: Adapted, encoder: TextEncoder
) -> list[Asked]:
    """Examples that could be heard and of which some channel thinks something; `heard` maps lines to what they held."""
    there = [one for one in examples if one.line in heard]
    ready = hear([heard[one.line] for one in there], encoder, adapted.spelling)
    texts = Texts(adapted, ready)
    found = [Asked(one, said, tuple(opinions(adapted, said, texts))) for one, said in zip(there, ready, strict=True)]
    return [one for one in found if one.opinions]


def measured(way: Rival, adapted: Adapted, asked: Sequence[Asked]) -> list[Judged]:
    """What a way of fusing makes of each question."""
    found = []
    for scores in way.scores([one.heard for one in asked], [one.opinions for one in asked], len(adapted.entries)):
        best = int(scores.argmax())
        found.append(Judged(adapted.entries[best], float(np.clip(scores[best], 0, 1))))
    return found


def right(judged: Sequence[Judged], asked: Sequence[Asked]) -> list[bool]:
    """Whether each best entry was the expected one."""
    return [judge.entry == one.example.expect for judge, one in zip(judged, asked, strict=True)]


def compared(way: Rival, judged: Sequence[Judged], held: Sequence[Asked], budget: float) -> told.Compared:
    """The line of a way of fusing in the table."""
    inside = [place for place, one in enumerate(held) if one.example.expect != NONE]
    hits = right(judged, held)
    cases = [metrics.Case(one.example.expect, j.entry, j.sure, "", 0.0) for one, j in zip(held, judged, strict=True)]
    sure = [one.sure for one in judged]
    loss = float(metrics.logarithmic_loss(sure, hits).mean()) if held else None
    return told.Compared(
        way.name,
        accuracy=told.Share.of(sum(hits[place] for place in inside), len(inside)),
        loss=loss,
        auroc=metrics.auroc(cases),
        ece=metrics.expected_error(sure, hits) if held else None,
        automated=automated(sure, hits, budget) if held else None,
        seconds=way.seconds,
        milliseconds=1000 * way.took / way.asked if way.asked else None,
        baseline=way.baseline,
        note=way.note,
    )


def automated(sure: Sequence[float], hits: Sequence[bool], budget: float) -> float:
    """The share answered at the confidence from which on the wrong ones keep within the budget."""
    order = np.argsort(-np.asarray(sure), kind="stable")
    risk = np.cumsum(~np.asarray(hits, dtype=bool)[order]) / np.arange(1, len(order) + 1)
    within = np.flatnonzero(risk <= budget + _SLACK)
    return float(within[-1] + 1) / len(order) if len(within) else 0.0


def ablation(way: Rival, adapted: Adapted, held: Sequence[Asked], answer_at: float) -> tuple[told.Ablation, ...]:
    """What each channel is worth to the questions that have it."""
    found = []
    for channel in CHANNELS:
        some = [one for one in held if channel in one.channels]
        if not some:
            continue
        without = [replace(one, opinions=tuple(o for o in one.opinions if o.channel != channel)) for one in some]
        only = [replace(one, opinions=tuple(o for o in one.opinions if o.channel == channel)) for one in some]
        standings = [_standing(way, adapted, part, answer_at) for part in (some, without, only)]
        found.append(told.Ablation(channel, len(some), *standings))
    return tuple(found)


def _standing(way: Rival, adapted: Adapted, asked: Sequence[Asked], answer_at: float) -> told.Standing:
    left = [one for one in asked if one.opinions]
    judged = measured(way.pooled(), adapted, left)
    inside = sum(one.example.expect != NONE for one in asked)
    hits = sum(right(judged, left))
    answered = sum(one.sure >= answer_at for one in judged)
    return told.Standing(hits / inside if inside else None, answered / len(asked))


def weights(held: Sequence[Asked], entries: int) -> tuple[told.Weighed, ...]:
    """How far the learned gate believed each channel, by the channels that were there."""
    found: dict[tuple[str, ...], list[Floats]] = defaultdict(list)
    for one in held:
        if len(one.opinions) > 1:
            found[one.channels].append(shipped().weigh(*arranged(one.opinions, entries))[0])
    return tuple(
        told.Weighed(
            channels,
            len(some),
            {channel: float(np.mean([trust[CHANNELS.index(channel)] for trust in some])) for channel in channels},
        )
        for channels, some in sorted(found.items(), key=lambda item: -len(item[1]))
    )
