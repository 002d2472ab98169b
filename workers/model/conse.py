"""From what a picture shows to what its text would mean, without a model that was trained on both.

ConSE (Norouzi et al. 2013, https://arxiv.org/abs/1312.5650): the picture is the mean of its likeliest labels' text
vectors, weighted with their probabilities.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.model.ports import TextEncoder, Vectors

TOP = 10  # labels that count, as in the paper
_SAID = 3  # labels worth showing to people
_WORTH = 0.05  # probability a label needs to be shown


class Conse:
    """Puts pictures into the space of a text encoder; the labels' vectors are computed once, when first needed."""

    def __init__(self, text: TextEncoder, labels: Sequence[str], top: int = TOP) -> None:
        self._text = text
        self._labels = tuple(labels)
        self._top = top
        self._lock = threading.Lock()
        self._vectors: Vectors | None = None
        self.digest = f"conse-{text.digest}-{top}"
        self.dim = text.dim

    def vector(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """The text vector (dim,), L2-normalised, of a picture whose label probabilities (1000,) these are."""
        best = self._best(probabilities)
        mixed = probabilities[best] @ self._label_vectors()[best]
        length = float(np.linalg.norm(mixed))
        return np.asarray(mixed / length if length else mixed, dtype=np.float32)

    def words(self, probabilities: NDArray[np.float32]) -> tuple[tuple[str, float], ...]:
        """What the picture seems to show, for people: at most three (label, probability), likeliest first."""
        best = self._best(probabilities)[:_SAID]
        return tuple((self._labels[i], float(probabilities[i])) for i in best if probabilities[i] >= _WORTH)

    def _best(self, probabilities: NDArray[np.float32]) -> NDArray[np.intp]:
        return np.argsort(-probabilities, kind="stable")[: self._top]

    def _label_vectors(self) -> Vectors:
        with self._lock:
            if self._vectors is None:
                self._vectors = self._text.encode(self._labels)
            return self._vectors
