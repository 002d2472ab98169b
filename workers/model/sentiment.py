"""The tone of words: how strained somebody sounds in writing.

A linear head over a built-in text encoder's vector with a few signs of the spelling, trained by
`workers.train.sentiment` on sentences of our own. It orders the queue of waiting customers; it never decides what is
answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from core.errors import Broken
from workers.model.ports import Vectors

SHIPPED = Path(__file__).parent / "materials" / "sentiment.safetensors"
SIGNS = ("capitals", "exclamations", "question marks")
"""What `signs` gives, in order, each from 0 to 1."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_LEAST = 2  # letters of all in a text below which nothing is told

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Of one text encoder: `weight` is (dim + len(SIGNS),), applied to a unit vector followed by the signs."""

    weight: Numbers
    bias: float


class SentimentHead:
    """Logistic regressions, one for each text encoder (by its digest) that it was trained on."""

    def __init__(self, weights: dict[str, Weights], about: dict[str, object] | None = None) -> None:
        for digest, one in weights.items():
            if one.weight.ndim != 1 or len(one.weight) <= len(SIGNS):
                raise Broken(f"the weights for {digest} have the shape {one.weight.shape}")
            if not (np.isfinite(one.weight).all() and np.isfinite(one.bias)):
                raise Broken(f"the weights for {digest} hold numbers that are none")
        self.weights, self.about = weights, about or {}

    def knows(self, digest: str) -> bool:
        """Whether it was trained on this text encoder."""
        return digest in self.weights

    def strained(self, digest: str, texts: Sequence[str], vectors: Vectors) -> list[float | None]:
        """The probability that the words are strained, for each text with its vector (n, dim); None for no words.

        Raises:
            Broken: the encoder gives vectors of another length.
        """
        known = self.weights[digest]
        seen = features(texts, vectors)
        if seen.shape[1] != len(known.weight):
            raise Broken(f"the sentiment head for {digest} wants {len(known.weight)} numbers, not {seen.shape[1]}")
        logits = seen @ known.weight + known.bias
        found = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        return [float(p) if _says(text) else None for text, p in zip(texts, found, strict=True)]


def features(texts: Sequence[str], vectors: Vectors) -> Numbers:
    """What a head looks at, (n, dim + len(SIGNS))."""
    said = np.array([signs(text) for text in texts], dtype=np.float64).reshape(len(texts), len(SIGNS))
    return np.concatenate([np.asarray(vectors, dtype=np.float64), said], axis=1)


def signs(text: str) -> tuple[float, float, float]:
    """What an encoder that knows no capitals does not see: shouting, up to three exclamation or question marks."""
    words = _WORD.findall(text)
    shouted = sum(word.isupper() for word in words if len(word) > 2) / max(len(words), 3)
    return shouted, min(text.count("!"), 3) / 3, max(0, min(text.count("?"), 3) - 1) / 2


def _says(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= _LEAST


def save(path: Path, head: SentimentHead) -> None:
    """Write a checkpoint."""
    from safetensors.numpy import save_file

    arrays = {digest: np.append(one.weight, one.bias).astype(np.float32) for digest, one in head.weights.items()}
    save_file(arrays, path, metadata={"signs": json.dumps(SIGNS), "about": json.dumps(head.about)})


def load(path: Path = SHIPPED) -> SentimentHead:
    """The head in a checkpoint.

    Raises:
        Broken: the file is missing, damaged, or no sentiment head of this version.
    """
    try:
        with safe_open(path, "numpy") as file:
            notes = file.metadata() or {}
            arrays = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
        if tuple(json.loads(notes["signs"])) != SIGNS:
            raise Broken("it was made for other signs")
        weights = {digest: Weights(array[:-1], float(array[-1])) for digest, array in arrays.items()}
        return SentimentHead(weights, json.loads(notes.get("about", "{}")))
    except Broken as problem:
        raise Broken(f"{path} cannot be used: {problem}") from problem
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, IndexError) as problem:
        raise Broken(f"{path} is no sentiment head ({type(problem).__name__}: {problem})") from problem
