"""A memory for the photos and voice notes that came last, so that what is asked again is not recognised again.

A question comes again when its answer came too late, when a customer edits the words beside a photo, when an agent
wants to see why. What was recognised is kept by content, in this process only: it is customers' own, and must be gone
when their files are.
"""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np

from workers.model.ports import (
    ImageEncoder,
    ImageFeatures,
    Line,
    Picture,
    SpeechRecogniser,
    TextReader,
    Transcript,
    Wave,
)

KEPT = 64  # of each kind

Found = TypeVar("Found")


class Senses(Protocol):
    """What recognises photos and voice notes; a shelf is one."""

    @property
    def image(self) -> ImageEncoder:
        """The image encoder."""
        ...

    @property
    def reader(self) -> TextReader:
        """The reader of text in pictures."""
        ...

    @property
    def speech(self) -> SpeechRecogniser:
        """The speech recogniser."""
        ...


class Recalled:
    """Senses that remember the last so many photos and voice notes; used by one thread at a time."""

    def __init__(self, senses: Senses, most: int = KEPT) -> None:
        self._senses = senses
        self._seen: _Memory[ImageFeatures] = _Memory(most)
        self._read: _Memory[tuple[Line, ...]] = _Memory(most)
        self._heard: _Memory[Transcript] = _Memory(most)

    def over(self, senses: Senses) -> Recalled:
        """Other senses with the same memory: what one has recognised with the same model, the other need not."""
        other = copy.copy(self)
        other._senses = senses
        return other

    @property
    def image(self) -> ImageEncoder:
        """The image encoder."""
        return _Image(self._senses.image, self._seen)

    @property
    def reader(self) -> TextReader:
        """The reader of text in pictures."""
        return _Reader(self._senses.reader, self._read)

    @property
    def speech(self) -> SpeechRecogniser:
        """The speech recogniser."""
        return _Speech(self._senses.speech, self._heard)


class _Memory(Generic[Found]):
    """What was found in arrays, by their content; the one that was not needed for longest goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[str, Found] = OrderedDict()

    def take(
        self, digest: str, arrays: Sequence[Picture] | Sequence[Wave], find: Callable[[list[int]], Sequence[Found]]
    ) -> list[Found]:
        """What is in each array; `find` is asked once about the places of those that are not known."""
        keys = [f"{digest}:{array.shape}:{hashlib.sha256(array.tobytes()).hexdigest()}" for array in arrays]
        places = [place for place, key in enumerate(keys) if key not in self._known and key not in keys[:place]]
        found = {key: self._known[key] for key in keys if key in self._known}
        if places:
            found |= {keys[place]: one for place, one in zip(places, find(places), strict=True)}
        for key in keys:
            self._known[key] = found[key]
            self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return [found[key] for key in keys]


class _Image:
    def __init__(self, encoder: ImageEncoder, memory: _Memory[ImageFeatures]) -> None:
        self._encoder, self._memory = encoder, memory
        self.digest, self.dim = encoder.digest, encoder.dim

    def encode(self, images: Sequence[Picture]) -> ImageFeatures:
        """Vectors (n, dim), with labels where the encoder gives them."""
        if not images:
            return self._encoder.encode(images)

        def find(places: list[int]) -> list[ImageFeatures]:
            seen = self._encoder.encode([images[place] for place in places])
            labels = seen.labels
            return [
                ImageFeatures(seen.vectors[i : i + 1], None if labels is None else labels[i : i + 1])
                for i in range(len(places))
            ]

        parts = self._memory.take(self.digest, images, find)
        labels = [part.labels for part in parts if part.labels is not None]
        vectors = np.concatenate([part.vectors for part in parts])
        return ImageFeatures(vectors, np.concatenate(labels) if labels else None)


class _Reader:
    def __init__(self, reader: TextReader, memory: _Memory[tuple[Line, ...]]) -> None:
        self._reader, self._memory = reader, memory
        self.digest = reader.digest

    def read(self, image: Picture) -> tuple[Line, ...]:
        """The lines in reading order."""
        return self._memory.take(self.digest, [image], lambda _: [self._reader.read(image)])[0]


class _Speech:
    def __init__(self, recogniser: SpeechRecogniser, memory: _Memory[Transcript]) -> None:
        self._recogniser, self._memory = recogniser, memory
        self.digest = recogniser.digest

    def transcribe(self, waves: Sequence[Wave]) -> list[Transcript]:
        """One transcript a wave, in order."""
        return self._memory.take(
            self.digest, waves, lambda places: self._recogniser.transcribe([waves[place] for place in places])
        )
