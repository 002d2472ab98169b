"""Senses with a memory, so that a photo or voice note that comes again is not recognised again.

A question comes again when its answer came too late, when a customer edits the words beside a photo, when an agent
wants to see why, when a training asks several models. Everything is found by what made it (the model's digest) with
what it was made of (the SHA-256 of the decoded content), so that it is right whatever else has changed since.
"""

from __future__ import annotations

import copy
import hashlib
import io
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar
from zipfile import BadZipFile

import numpy as np

from core import wire
from core.errors import BadInput
from workers.model.ports import (
    ImageEncoder,
    ImageFeatures,
    Line,
    Picture,
    SpeechRecogniser,
    TextReader,
    Transcript,
    Wave,
    WordTower,
)

KEPT = 64  # of each kind

T = TypeVar("T")

Find = Callable[[list[int]], Sequence[bytes]]
"""What was found at some places of what is asked about, in their order."""


class Memory(Protocol):
    """Keeps what was found."""

    def take(self, keys: Sequence[str], find: Find, parse: Callable[[bytes], T]) -> list[T]:
        """What belongs to each key, parsed; `find` is asked about the places of those that are not known.

        `parse` raises BadInput for what was damaged where it is kept: that is not known.
        """
        ...


class Recent:
    """A memory in this process only: what is a customer's own must be gone when their files are.

    Of more than `most` the one that was not needed for longest goes first. `find` is asked once.
    """

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._known: OrderedDict[str, bytes] = OrderedDict()

    def take(self, keys: Sequence[str], find: Find, parse: Callable[[bytes], T]) -> list[T]:
        """See `Memory`."""
        found = {key: self._known[key] for key in keys if key in self._known}
        places = [place for place, key in enumerate(keys) if key not in found and key not in keys[:place]]
        if places:
            found |= {keys[place]: one for place, one in zip(places, find(places), strict=True)}
        for key in keys:
            self._known[key] = found[key]
            self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return [parse(found[key]) for key in keys]


class Speech:
    """A recogniser that remembers recordings."""

    def __init__(self, recogniser: SpeechRecogniser, memory: Memory) -> None:
        self._recogniser, self._memory = recogniser, memory
        self.digest = recogniser.digest

    def transcribe(self, waves: Sequence[Wave]) -> list[Transcript]:
        """One transcript a wave, in order."""

        def find(places: list[int]) -> list[bytes]:
            heard = self._recogniser.transcribe([waves[place] for place in places])
            return [wire.dumps(one).encode() for one in heard]

        keys = [_key("heard", self.digest, wave) for wave in waves]
        return self._memory.take(keys, find, lambda told: wire.loads(Transcript, told))


class Reader:
    """A reader that remembers pictures."""

    def __init__(self, reader: TextReader, memory: Memory) -> None:
        self._reader, self._memory = reader, memory
        self.digest = reader.digest

    def read(self, image: Picture) -> tuple[Line, ...]:
        """The lines in reading order."""
        key = _key("read", self.digest, image)
        (lines,) = self._memory.take(
            [key],
            lambda _: [wire.dumps(self._reader.read(image)).encode()],
            lambda told: wire.loads(tuple[Line, ...], told),
        )
        return lines


class Image:
    """An image encoder that remembers pictures."""

    def __init__(self, encoder: ImageEncoder, memory: Memory) -> None:
        self._encoder, self._memory = encoder, memory
        self.digest, self.dim = encoder.digest, encoder.dim

    def encode(self, images: Sequence[Picture]) -> ImageFeatures:
        """Vectors (n, dim), with labels where the encoder gives them."""
        if not len(images):
            return self._encoder.encode(images)

        def find(places: list[int]) -> list[bytes]:
            seen = self._encoder.encode([images[place] for place in places])
            rows = {"vectors": seen.vectors} | ({} if seen.labels is None else {"labels": seen.labels})
            return [_packed({name: some[i : i + 1] for name, some in rows.items()}) for i in range(len(places))]

        keys = [_key("seen", self.digest, image) for image in images]
        parts = self._memory.take(keys, find, lambda told: _unpacked(told, self.dim))
        rows = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
        return ImageFeatures(rows["vectors"], rows.get("labels"))


class Tower(Image):
    """Likewise, of an encoder that also puts words into the space of its pictures."""

    def __init__(self, encoder: ImageEncoder, tower: WordTower, memory: Memory) -> None:
        super().__init__(encoder, memory)
        self.encode_words = tower.encode_words


def looking(encoder: ImageEncoder, memory: Memory) -> Image:
    """An image encoder with a memory, which puts words into its space where that one did."""
    return Tower(encoder, encoder, memory) if isinstance(encoder, WordTower) else Image(encoder, memory)


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
        self._seen, self._read, self._heard = Recent(most), Recent(most), Recent(most)

    def over(self, senses: Senses) -> Recalled:
        """Other senses with the same memory: what one has recognised with the same model, the other need not."""
        other = copy.copy(self)
        other._senses = senses
        return other

    @property
    def image(self) -> ImageEncoder:
        """The image encoder."""
        return looking(self._senses.image, self._seen)

    @property
    def reader(self) -> TextReader:
        """The reader of text in pictures."""
        return Reader(self._senses.reader, self._read)

    @property
    def speech(self) -> SpeechRecogniser:
        """The speech recogniser."""
        return Speech(self._senses.speech, self._heard)


def _key(what: str, digest: str, content: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    """Names a result: what made it, of what."""
    whole = np.ascontiguousarray(content)
    return f"{what}:{digest}:{whole.dtype}{whole.shape}:{hashlib.sha256(whole.data).hexdigest()}"


def _packed(rows: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **rows)
    return stream.getvalue()


def _unpacked(told: bytes, dim: int) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """What one picture showed: `vectors` (1, dim), perhaps `labels` (1, n).

    Raises:
        BadInput: that is not what these bytes hold.
    """
    try:
        with np.load(io.BytesIO(told), allow_pickle=False) as stored:
            rows = {name: np.asarray(stored[name], dtype=np.float32) for name in stored.files}
    except (ValueError, TypeError, AttributeError, KeyError, OSError, EOFError, BadZipFile, zlib.error) as problem:
        raise BadInput("not what a picture showed: it cannot be unpacked") from problem
    if "vectors" not in rows or rows["vectors"].shape != (1, dim):
        raise BadInput(f"not what a picture showed: expected a vector of {dim} numbers")
    if any(row.ndim != 2 or len(row) != 1 for row in rows.values()):
        raise BadInput("not what a picture showed: expected one row of each kind")
    return rows
