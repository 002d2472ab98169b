"""What a training has listened to, kept on disk, so that a killed one need not listen again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

from core.errors import BadInput
from workers.configuration import Configuration
from workers.model.ports import ImageEncoder, SpeechRecogniser, TextReader
from workers.model.shelf import Shelf
from workers.recalling import Find, Image, Reader, Speech, looking
from workers.saved import Saved, Words

_WORDS = Words(
    "what was heard",
    anew="it is listened to again",
    without="the training goes on, but once killed it would listen again",
)

T = TypeVar("T")


class Kept:
    """A memory in an SQLite file; each thing is there for good once `put` returns, whoever kills the process.

    It only saves time, see `workers.saved.Saved`.

    Args:
        path: the file.
        say: told in a sentence when it cannot be read, or not be written.

    Raises:
        Broken: the file cannot be made.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = lambda line: None) -> None:
        # Nobody else reads it: it holds what customers said.
        self._saved = Saved(path, "kept", _WORDS, say, mode=0o600)

    def take(self, keys: Sequence[str], find: Find, parse: Callable[[bytes], T]) -> list[T]:
        """What belongs to each key; `find` is asked about one place at a time, so that each is kept at once."""
        told = []
        for place, key in enumerate(keys):
            one = self._parsed(key, parse)
            if one is None:
                (found,) = find([place])
                self.put(key, found)
                one = parse(found)
            told.append(one)
        return told

    def get(self, key: str) -> bytes | None:
        """What was put there; None where it is not there, or cannot be read."""
        return self._saved.get([key]).get(key)

    def put(self, key: str, told: bytes) -> None:
        """Keep it, if it can be kept."""
        self._saved.put({key: told})

    def __len__(self) -> int:
        return len(self._saved)

    def close(self) -> None:
        """Close the file."""
        self._saved.close()

    def _parsed(self, key: str, parse: Callable[[bytes], T]) -> T | None:
        """What is known; None for what makes no sense, which is found anew."""
        told = self.get(key)
        if told is not None:
            with suppress(BadInput):
                return parse(told)
        return None


class Listened(Shelf):
    """A shelf whose recogniser, reader and image encoder do everything once; made by `keeping`."""

    _kept: Kept | None = None

    @classmethod
    def keeping(cls, configuration: Configuration, kept: Kept) -> Self:
        """The shelf that the settings describe."""
        shelf = cls.of(configuration)
        shelf._kept = kept
        return shelf

    def speaking(self, english: Path) -> Self:
        """The same models, but for a fine-tuned encoder in the place of the English one."""
        other = copy.copy(self)
        other._english = english
        return other

    @property
    def speech(self) -> SpeechRecogniser:
        """The speech recogniser."""
        return super().speech if self._kept is None else Speech(super().speech, self._kept)

    @property
    def reader(self) -> TextReader:
        """The reader of text in pictures."""
        return super().reader if self._kept is None else Reader(super().reader, self._kept)

    @property
    def image(self) -> ImageEncoder:
        """The image encoder."""
        inner = super().image
        # One that stands beside another shelf may have taken that one's, memory and all.
        return inner if self._kept is None or isinstance(inner, Image) else looking(inner, self._kept)
