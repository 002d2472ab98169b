"""What a channel thinks of a question, and the port of whatever makes one opinion of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from workers.model.heads import Floats

TEXT, VOICE, PHOTO, OCR, WORDS, HISTORY = "text", "voice", "photo", "ocr", "words", "history"
CHANNELS = (TEXT, VOICE, PHOTO, OCR, WORDS, HISTORY)


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What one channel thinks.

    `scores` (entries,) are probabilities; what they lack to 1 is the probability that no entry is right. `evidence` is
    plain JSON that says why. `vector` (dim,) is the encoding of what the channel held, for who fuses vectors.
    """

    channel: str
    scores: Floats
    evidence: dict[str, object] = field(default_factory=dict)
    vector: Floats | None = None

    @property
    def confidence(self) -> float:
        """The probability of the entry it finds best."""
        return float(self.scores.max())


class Fusion(Protocol):
    """Pools opinions."""

    def fuse(self, opinions: Sequence[Opinion], entries: int) -> Floats:
        """Probabilities (entries,) whose sum is at most 1; with no opinion at all every entry is equally unlikely."""
        ...


def beforehand(entries: int) -> float:
    """The probability of each entry before anything was heard; what is left is for questions out of scope."""
    return min(0.5 / max(entries, 1), 0.02)


def tempered(scores: Floats, weight: float) -> Floats:
    """An opinion believed with a probability only; at 0 it says what was known beforehand."""
    return np.asarray(weight * scores + (1 - weight) * beforehand(len(scores)), dtype=np.float32)
