"""What the model asks of its encoders.

Vectors are float32, L2-normalised along the last axis. A `digest` names weights together with preprocessing: two
encoders with one digest give the same vectors, so encodings may be cached under (digest, hash of the content).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""(n, dim), every row of length 1."""

Picture = NDArray[np.uint8]
"""(height, width, 3), RGB."""

Wave = NDArray[np.float32]
"""(samples,), in [-1, 1], 16 kHz mono."""

RATE = 16_000  # samples a second of every wave


class TextEncoder(Protocol):
    """Sentences to vectors whose scalar product is large when they mean the same."""

    @property
    def digest(self) -> str:
        """Names weights with preprocessing."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes it was trained for; empty when nobody said."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dim); an empty text has one too, that means nothing."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ImageFeatures:
    """What an image encoder saw.

    `vectors` is (n, dim); `labels` is (n, 1000), probabilities of the ImageNet classes, or None when the encoder does
    not classify.
    """

    vectors: Vectors
    labels: NDArray[np.float32] | None


class ImageEncoder(Protocol):
    """Pictures to vectors whose scalar product is large when they look alike."""

    @property
    def digest(self) -> str:
        """Names weights with preprocessing."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def encode(self, images: Sequence[Picture]) -> ImageFeatures:
        """Vectors of shape (len(images), dim), labels where it classifies."""
        ...


@runtime_checkable
class WordTower(Protocol):
    """An image encoder of the CLIP family also puts words into the space of its pictures.

    Ask with `isinstance(encoder, WordTower)`: where it is one, it takes the place of ConSE.
    """

    def encode_words(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dim), comparable with those of pictures."""
        ...


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said.

    `text` is empty when there was no speech; `confidence` is the geometric mean of the tokens' probabilities, 0 for no
    speech; `seconds` is the length of the recording; `segments` are (start, end, text), seconds from its beginning.
    """

    text: str
    confidence: float
    seconds: float
    segments: tuple[tuple[float, float, str], ...] = ()


class SpeechRecogniser(Protocol):
    """Recordings to words."""

    @property
    def digest(self) -> str:
        """Names weights with preprocessing."""
        ...

    def transcribe(self, waves: Sequence[Wave]) -> list[Transcript]:
        """One transcript a wave, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text in a picture; `box` is its four corners (x, y) in pixels, clockwise from top left."""

    text: str
    confidence: float
    box: tuple[tuple[float, float], ...]


class TextReader(Protocol):
    """Pictures to the text written in them."""

    @property
    def digest(self) -> str:
        """Names weights with preprocessing."""
        ...

    def read(self, image: Picture) -> tuple[Line, ...]:
        """The lines in reading order; none when nothing is written there."""
        ...


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language (ISO 639 code as fastText knows it, e.g. `en`, `zh`, `ceb`) with its probability."""

    language: str
    confidence: float


class LanguageIdentifier(Protocol):
    """Text to language."""

    @property
    def digest(self) -> str:
        """Names weights with preprocessing."""
        ...

    def identify(self, text: str) -> Tongue:
        """The likeliest language; `Tongue("", 0.0)` when there is nothing to go by."""
        ...
