"""A cache of encodings on disk: publishing a change encodes only what changed."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MANY = 500  # keys a query; SQLite allows a limited number of parameters

Vector = NDArray[np.float32]


class Encodings:
    """Vectors by key, in an SQLite file that several workers may share; see `workers.model.encodings.EncodingCache`.

    A key names the encoder and the content. Losing the file costs time and nothing else, so it is written without
    waiting for the disk.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, timeout=30)
        with self._lock, self._database:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS encodings (key TEXT PRIMARY KEY, vector BLOB) WITHOUT ROWID"
            )

    def get(self, keys: Sequence[str]) -> Mapping[str, Vector]:
        """The vectors (dim,) of those keys that are known."""
        found: dict[str, Vector] = {}
        wanted = list(dict.fromkeys(keys))
        with self._lock:
            for start in range(0, len(wanted), _MANY):
                some = wanted[start : start + _MANY]
                marks = ",".join("?" * len(some))
                rows = self._database.execute(f"SELECT key, vector FROM encodings WHERE key IN ({marks})", some)
                found |= {key: np.frombuffer(vector, dtype=np.float32) for key, vector in rows}
        return found

    def put(self, vectors: Mapping[str, Vector]) -> None:
        """Remember vectors (dim,)."""
        rows = [(key, np.ascontiguousarray(vector, dtype=np.float32).tobytes()) for key, vector in vectors.items()]
        with self._lock, self._database:
            self._database.executemany("INSERT OR REPLACE INTO encodings VALUES (?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
