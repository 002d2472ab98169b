"""What a training has listened to, kept on disk, so that a killed one need not listen again."""

from __future__ import annotations

import copy
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from core.errors import Broken
from workers.configuration import Configuration
from workers.model.ports import ImageEncoder, SpeechRecogniser, TextReader
from workers.model.shelf import Shelf
from workers.recalling import Find, Image, Reader, Speech, looking


class Kept:
    """A memory in an SQLite file; each thing is there for good once `put` returns, whoever kills the process.

    It only saves time: a file that cannot be read is begun anew, one that cannot be written any longer is left alone.

    Args:
        path: the file.
        say: told in a sentence when that happens.

    Raises:
        Broken: the file cannot be made.
    """

    def __init__(self, path: Path, say: Callable[[str], None] | None = None) -> None:
        self._path, self._say = path, say
        self._lock = threading.Lock()
        self._writes = True
        self._database: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._database = _opened(path)
            except sqlite3.Error as problem:
                self._anew(problem)
                if self._database is None:
                    raise
        except (OSError, sqlite3.Error) as problem:
            raise Broken(f"cannot keep what was heard in {path} ({problem}): free space there") from problem

    def take(self, keys: Sequence[str], find: Find) -> list[bytes]:
        """What belongs to each key; `find` is asked about one place at a time, so that each is kept at once."""
        told = []
        for place, key in enumerate(keys):
            one = self.get(key)
            if one is None:
                (one,) = find([place])
                self.put(key, one)
            told.append(one)
        return told

    def get(self, key: str) -> bytes | None:
        """What was put there; None where it is not there, or cannot be read."""
        rows = self._read("SELECT told FROM kept WHERE key = ?", key)
        return bytes(rows[0][0]) if rows and isinstance(rows[0][0], bytes) else None

    def put(self, key: str, told: bytes) -> None:
        """Keep it, if it can be kept."""
        with self._lock:
            if self._database is None or not self._writes:
                return
            try:
                with self._database:
                    self._database.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, told))
            except sqlite3.Error as problem:
                self._writes = False
                self._tell(
                    f"what is heard cannot be kept in {self._path} ({problem}): the training goes on, "
                    "but once killed it would listen again"
                )

    def __len__(self) -> int:
        rows = self._read("SELECT count(*) FROM kept")
        return int(rows[0][0]) if rows else 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._database is not None:
                with suppress(sqlite3.Error):
                    self._database.close()

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._database is None:
                return []
            try:
                return self._database.execute(query, values).fetchall()
            except sqlite3.Error as problem:
                self._anew(problem)
                return []

    def _anew(self, problem: sqlite3.Error) -> None:
        """Begin an empty file in the place of one that cannot be read; without any where that fails too."""
        self._tell(f"what was heard cannot be read from {self._path} ({problem}): it is listened to again")
        try:
            if self._database is not None:
                self._database.close()
            for ending in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
            self._database = _opened(self._path)
        except (OSError, sqlite3.Error):
            self._database = None

    def _tell(self, line: str) -> None:
        if self._say is not None:
            self._say(line)


def _opened(path: Path) -> sqlite3.Connection:
    """The database in a file, which is made when it is not there."""
    path.touch(0o600)  # SQLite makes the files beside it likewise: they hold what customers said
    database = sqlite3.connect(path, check_same_thread=False, timeout=30)
    try:
        with database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = OFF")  # a crash of the machine costs time, nothing else
            database.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, told BLOB)")
    except sqlite3.Error:
        database.close()
        raise
    return database


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
