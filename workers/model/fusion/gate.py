"""The learned gate: how far each channel is believed, judged by what all of them say about this very question.

A mixture-of-experts gate (Jacobs et al. 1991, https://doi.org/10.1162/neco.1991.3.1.79) over a logarithmic pool. It
sees how sure the channels are, how near their second choice is, whether they agree; never which entry or knowledge base
it is about. So it is trained once, on knowledge bases drawn at random, and works on any other. Fixed weights, votes and
the surest channel alone are special cases.

This is the form that answers questions, in NumPy, since a text worker imports no torch; `late` trains the same weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save
from scipy.special import expit, logit

from workers.model.fusion.opinions import CHANNELS, Opinion, beforehand
from workers.model.heads import Floats

FEATURES = ("sure", "margin", "none", "spread", "backed", "opposed", "overlap", "ranks rival", "entries", "same best")
FORM = 1
_LEAST = 1e-4  # of a probability


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a gate, kept beside its weights."""

    channels: tuple[str, ...] = CHANNELS
    features: tuple[str, ...] = FEATURES
    hidden: int = 24
    form: int = FORM


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A trained gate; weights by the names that `late.GateNet.state_dict` gives them."""

    shape: Shape
    weights: Mapping[str, Floats]

    def fuse(self, opinions: Sequence[Opinion], entries: int) -> Floats:
        """Probabilities (entries,) whose sum is at most 1; an opinion that is alone is taken as it is."""
        if not opinions:
            return np.full(entries, beforehand(entries), dtype=np.float32)
        if len(opinions) == 1:
            return opinions[0].scores
        seen, present = arranged(opinions, entries)
        trust, floor, none = self.weigh(seen, present)
        lifts, nones = evidence(opinions, entries)
        here = [CHANNELS.index(opinion.channel) for opinion in opinions]
        start = beforehand(entries)
        pooled = np.empty(entries + 1)
        pooled[:-1] = np.log(start) + trust[here] @ np.log(lifts + floor[here][:, None])
        pooled[-1] = np.log1p(-entries * start) + trust[here] @ np.log(nones + floor[here]) + none
        pooled = np.exp(pooled - pooled.max())
        return np.asarray(pooled[:-1] / pooled.sum(), dtype=np.float32)

    def weigh(self, seen: Floats, present: Floats) -> tuple[Floats, Floats, float]:
        """How far each channel is believed (channels,), the floors of their lifts (channels,), the lean towards none.

        Args:
            seen: (channels, features).
            present: (channels,) 1 or 0.
        """
        w = self.weights
        each = np.maximum(seen @ w["each.weight"].T + w["each.bias"] + w["channel"], 0) * present[:, None]
        all_of_them = np.concatenate([each.sum(axis=0) / max(float(present.sum()), 1.0), present])
        whole = np.maximum(all_of_them @ w["whole.weight"].T + w["whole.bias"], 0)
        both = np.concatenate([each, np.broadcast_to(whole, (len(seen), len(whole)))], axis=1)
        told = both @ w["told.weight"].T + w["told.bias"]
        trust = np.logaddexp(0, told[:, 0])  # softplus
        floor = expit(told[:, 1]) * 0.5 + _LEAST
        return (
            trust.astype(np.float32),
            floor.astype(np.float32),
            float(whole @ w["none.weight"][0] + w["none.bias"][0]),
        )

    def to_bytes(self) -> bytes:
        """A safetensors file with the shape in its header."""
        return bytes(save(dict(self.weights), metadata={"shape": json.dumps(asdict(self.shape))}))

    @classmethod
    def from_bytes(cls, stored: bytes) -> Gate:
        """What `to_bytes` wrote.

        Raises:
            ValueError: it is no gate, or one for other channels or features than this version has.
        """
        try:
            length = int.from_bytes(stored[:8], "little")
            kept = json.loads(stored[8 : 8 + length])["__metadata__"]["shape"]
            told = json.loads(kept)
            shape = Shape(tuple(told["channels"]), tuple(told["features"]), int(told["hidden"]), int(told["form"]))
            weights = load(stored)
        except Exception as problem:  # safetensors has errors of its own kind
            raise ValueError(f"not a gate: {problem}") from problem
        if (shape.form, shape.channels, shape.features) != (FORM, CHANNELS, FEATURES):
            raise ValueError(
                f"a gate of form {shape.form} for {len(shape.channels)} channels with {len(shape.features)} features; "
                f"form {FORM} for {len(CHANNELS)} with {len(FEATURES)} is read: train it again"
            )
        return cls(shape, weights)


@cache
def shipped() -> Gate:
    """The gate that ships, trained by `workers.train.gate`."""
    return Gate.from_bytes((files("workers.model.materials") / "gate.safetensors").read_bytes())


def evidence(opinions: Sequence[Opinion], entries: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much likelier each opinion finds each entry than anybody would beforehand (k, entries), and none (k,)."""
    start = beforehand(entries)
    scores = np.stack([opinion.scores for opinion in opinions]).astype(np.float64)
    none = np.clip(1 - scores.sum(axis=1), _LEAST, 1) / (1 - entries * start)
    return scores / start, none


def arranged(opinions: Sequence[Opinion], entries: int) -> tuple[Floats, Floats]:
    """What the gate sees, (channels, FEATURES), and which channels are there, (channels,)."""
    lifts, nones = evidence(opinions, entries)
    logs = np.log(np.clip(lifts, _LEAST, None))
    scores = np.stack([opinion.scores for opinion in opinions]).astype(np.float64)
    k = len(opinions)
    best = scores.argmax(axis=1)
    first = scores[np.arange(k), best]
    second = np.partition(scores, -2, axis=1)[:, -2] if entries > 1 else np.full(k, beforehand(1))
    shares = scores / np.maximum(scores.sum(axis=1, keepdims=True), _LEAST)
    spread = -(shares * np.log(np.maximum(shares, 1e-9))).sum(axis=1) / max(np.log(entries), 1.0)
    seen = np.zeros((len(CHANNELS), len(FEATURES)), dtype=np.float32)
    present = np.zeros(len(CHANNELS), dtype=np.float32)
    for i, opinion in enumerate(opinions):
        others = [j for j in range(k) if j != i]
        theirs = logs[others, best[i]]  # what the others think of this one's best
        rivals = logs[i, best[others]]  # what this one thinks of the others' best
        strongest = others[int(first[others].argmax())] if others else i
        overlap = np.log(np.maximum(scores[others] @ scores[i], 1e-6)) if others else np.zeros(1)
        row = (
            float(logit(np.clip(first[i], _LEAST, 1 - _LEAST))),
            float(np.log(first[i] / max(second[i], 1e-6))),
            float(np.log(nones[i])),
            float(spread[i]),
            float(theirs.max(initial=-5)),
            float(theirs.min(initial=5)),
            float(overlap.max()),
            float(rivals.max(initial=-5)),
            float(np.log(entries)),
            float(best[i] == best[strongest]),
        )
        place = CHANNELS.index(opinion.channel)
        seen[place], present[place] = np.clip(row, -10, 10) / 3, 1
    return seen, present
