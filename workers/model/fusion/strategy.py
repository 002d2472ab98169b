"""A strategy that fuses vectors, as a model keeps it: the network, its dimensions, what it was trained with.

The file is a safetensors one whose header holds the dimensions with the entries' ids. A knowledge base that has been
edited can still be asked: each entry the network does not know is scored by the mean of its phrases, which is what
every prototype begins with. With each one that it knows the file keeps that mean as it was. What training has added to
it is added to the present mean, the less the more the two differ: an entry that is about something else by now is
scored like a new one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from safetensors.numpy import load, save
from torch import Tensor, nn

from workers.model.adapt import Adapted
from workers.model.fusion.attention import Attention
from workers.model.fusion.early import Early
from workers.model.fusion.joint import Dimensions, Heads, inputs
from workers.model.fusion.opinions import CHANNELS, Fusion, Opinion, beforehand
from workers.model.fusion.serial import Serial
from workers.model.fusion.weighted import Weighted
from workers.model.heads import Floats

STRATEGIES = ("early", "weighted", "attention", "serial")
FORM = 2  # of the file; another number is not read, but for 1, which has no means: its prototypes stay as they are
_FORMS = (1, FORM)
_MEANS = "means"
_ROUNDED = 1e-3  # of a mean: phrases' vectors are kept in half precision
_KEPT = 6  # knowledge bases, each with its prototypes, that stay in memory
_TWICE = "body.heads."  # the heads again


class Strategy(nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    """A network with its heads: vectors to log-probabilities of the entries, of none of them last."""

    def __init__(self, dimensions: Dimensions, prototypes: Floats) -> None:
        super().__init__()
        self.heads = Heads(torch.from_numpy(prototypes))
        make: dict[str, Callable[[], nn.Module]] = {
            "early": lambda: Early(dimensions),
            "weighted": lambda: Weighted(dimensions),
            "attention": lambda: Attention(dimensions),
            "serial": lambda: Serial(dimensions, self.heads),
        }
        self.body = make[dimensions.strategy]()

    def forward(self, words: Tensor, photo: Tensor, present: Tensor) -> Tensor:
        """(q, 5, words), (q, pictures), (q, 6) to (q, entries + 1)."""
        return self.heads(self.body(words, photo, present))


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A strategy over the entries of one knowledge base; a `Fusion`."""

    net: Strategy
    dimensions: Dimensions

    def fuse(self, opinions: Sequence[Opinion], entries: int) -> Floats:
        """Probabilities (entries,); nothing but what was known beforehand where no channel has a vector it knows."""
        (scores,) = self.together([opinions], entries)
        return scores

    def together(self, questions: Sequence[Sequence[Opinion]], entries: int) -> list[Floats]:
        """Likewise for several questions at once."""
        some = inputs(questions, self.dimensions)
        with torch.inference_mode():
            told = self.net(*some.tensors()).exp()[:, :-1].numpy() if len(some) else np.zeros((0, entries))
        silent = np.full(entries, beforehand(entries), dtype=np.float32)
        there = some.present.max(axis=1, initial=0)
        return [np.asarray(row, np.float32) if any_ else silent for row, any_ in zip(told, there, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """A trained strategy; `weights` by the names of `Strategy.state_dict`, prototypes in the order of `entries`.

    `means` (entries, words) are the mean phrases that the prototypes began with, None where an earlier version of this
    program did not keep them.
    """

    dimensions: Dimensions
    entries: tuple[str, ...]
    weights: dict[str, Floats]
    means: Floats | None = None
    _known: list[tuple[Adapted, Asked]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, net: Strategy, dimensions: Dimensions, entries: Sequence[str], means: Floats) -> Joint:
        """A network as it was trained, with the mean phrases that its prototypes began with."""
        state = net.state_dict().items()
        weights = {name: value.numpy().copy() for name, value in state if not name.startswith(_TWICE)}
        return cls(dimensions, tuple(entries), weights, np.array(means, dtype=np.float32))

    def over(self, adapted: Adapted) -> Fusion:
        """The strategy for a knowledge base's present entries."""
        with self._lock:
            for known, asked in self._known:
                if known is adapted:
                    return asked
            asked = Asked(self.network(adapted.entries, prototypes(adapted)), self.dimensions)
            self._known.append((adapted, asked))
            del self._known[:-_KEPT]
            return asked

    def network(self, entries: Sequence[str], fresh: Floats) -> Strategy:
        """The network over some entries; `fresh` (entries, words) are the means of their phrases by now.

        Raises:
            ValueError: the weights are not those of a network of these dimensions.
        """
        rows = {id: place for place, id in enumerate(self.entries)}
        chosen = [self._prototype(rows[id], one) if id in rows else one for id, one in zip(entries, fresh, strict=True)]
        stacked = np.stack(chosen) if chosen else np.zeros((0, self.dimensions.words), np.float32)
        try:
            net = Strategy(self.dimensions, np.asarray(stacked, dtype=np.float32))
            state = {name: torch.from_numpy(value) for name, value in self.weights.items()}
            state["heads.prototypes"] = net.heads.prototypes.data
            if self.dimensions.strategy == "serial":  # which has the heads a second time, under a name of its own
                heads = {name: value for name, value in state.items() if name.startswith("heads.")}
                state |= {f"body.{name}": value for name, value in heads.items()}
            net.load_state_dict(state)
        except (RuntimeError, AssertionError, ValueError, TypeError) as problem:  # whatever torch makes of odd numbers
            raise ValueError(
                f"weights for other dimensions than it names: {str(problem).splitlines()[-1].strip()}"
            ) from problem
        net.eval()
        return net

    def _prototype(self, row: int, now: Floats) -> Floats:
        """(words,) of an entry whose phrases' mean is `now`."""
        trained: Floats = self.weights["heads.prototypes"][row]
        if self.means is None:
            return trained
        then = self.means[row]
        if np.allclose(now, then, atol=_ROUNDED):
            return trained
        alike = float(np.clip(now @ then, 0, 1))  # both of length 1, or 0
        return np.asarray(now + alike * (trained - then), dtype=np.float32)

    def to_bytes(self) -> bytes:
        """A safetensors file with the dimensions in its header."""
        means = {} if self.means is None else {_MEANS: self.means}
        form = 1 if self.means is None else FORM
        told = {"form": form, "dimensions": asdict(self.dimensions), "entries": self.entries}
        return bytes(save(self.weights | means, metadata={"strategy": json.dumps(told)}))

    @classmethod
    def from_bytes(cls, stored: bytes) -> Joint:
        """What `to_bytes` wrote.

        Raises:
            ValueError: it is damaged, of an unknown strategy, of another version, or its weights are not of the
                dimensions it names.
        """
        try:
            length = int.from_bytes(stored[:8], "little")
            told = json.loads(json.loads(stored[8 : 8 + length])["__metadata__"]["strategy"])
            form, plain, entries = told["form"], told["dimensions"], tuple(told["entries"])
            weights = load(stored)
            means = weights.pop(_MEANS, None)
        except Exception as problem:  # safetensors has errors of its own kind
            raise ValueError(f"no whole strategy: {problem}") from problem
        if form not in _FORMS:
            raise ValueError(f"a strategy of form {form}, {FORM} is read")
        if plain.get("strategy") not in STRATEGIES:
            raise ValueError(f"the strategy {plain.get('strategy')!r}, known are {', '.join(STRATEGIES)}")
        try:
            dimensions = Dimensions(**plain | {"channels": tuple(plain["channels"])})
        except (TypeError, KeyError) as problem:
            raise ValueError(f"dimensions of another version ({problem})") from problem
        if strange := set(dimensions.channels) - set(CHANNELS):
            raise ValueError(f"channels that are not there: {', '.join(sorted(strange))}")
        trained = weights.get("heads.prototypes")
        if trained is None or trained.shape != (len(entries), dimensions.words):
            raise ValueError("weights for other dimensions than it names: the entries' prototypes")
        if form == FORM and (means is None or means.shape != trained.shape):
            raise ValueError("means of other dimensions than it names, or none")
        joint = cls(dimensions, entries, weights, means)
        joint.network(entries, trained if means is None else means)
        return joint


def prototypes(adapted: Adapted) -> Floats:
    """(entries, words): the mean phrase of each entry, of length 1, zero where it has none."""
    total = np.zeros((len(adapted.entries), adapted.outside.shape[1]), dtype=np.float32)
    if adapted.texts is not None:
        spoken = adapted.texts.matcher.spoken
        owner = adapted.texts.members[adapted.texts.matcher.owner[spoken]]
        np.add.at(total, owner, adapted.texts.matcher.vectors[spoken])
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-6), dtype=np.float32)
