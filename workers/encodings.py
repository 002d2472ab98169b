"""A cache of encodings on disk: publishing a change encodes only what changed."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MANY = 500  # keys a query; SQLite allows a limited number of parameters

Vector = NDArray[np.float32]


class Encodings:
    """Vectors by (encoder digest, hash of the content), in an SQLite file that several workers may share.

    Losing it costs time and nothing else, so it is written without waiting for the disk.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, timeout=30)
        with self._lock, self._database:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS encodings (digest TEXT, content TEXT, vector BLOB, "
                "PRIMARY KEY (digest, content)) WITHOUT ROWID"
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def of(self, digest: str, contents: Sequence[bytes], dim: int, encode: Callable[[list[int]], Vector]) -> Vector:
        """Vectors (len(contents), dim) of contents; only the unknown ones are encoded.

        Args:
            digest: names the encoder.
            contents: what is encoded, as bytes (a text in UTF-8, the file of a photo).
            dim: the encoder's dimension.
            encode: gets the positions of the unknown contents, returns (how many, dim).
        """
        keys = [hashlib.sha256(content).hexdigest() for content in contents]
        vectors = np.zeros((len(keys), dim), dtype=np.float32)
        known = self._get(digest, sorted(set(keys)))
        missing = {key: at for at, key in reversed(list(enumerate(keys))) if key not in known}
        if missing:
            fresh = encode(list(missing.values()))
            known |= dict(zip(missing, fresh, strict=True))
            self._put(digest, {key: known[key] for key in missing})
        for at, key in enumerate(keys):
            vectors[at] = known[key]
        return vectors

    def _get(self, digest: str, keys: Sequence[str]) -> dict[str, Vector]:
        found: dict[str, Vector] = {}
        with self._lock:
            for start in range(0, len(keys), _MANY):
                some = keys[start : start + _MANY]
                marks = ",".join("?" * len(some))
                rows = self._database.execute(
                    f"SELECT content, vector FROM encodings WHERE digest = ? AND content IN ({marks})",
                    (digest, *some),
                )
                found |= {content: np.frombuffer(vector, dtype=np.float32) for content, vector in rows}
        return found

    def _put(self, digest: str, vectors: dict[str, Vector]) -> None:
        rows = [
            (digest, key, np.ascontiguousarray(vector, dtype=np.float32).tobytes()) for key, vector in vectors.items()
        ]
        with self._lock, self._database:
            self._database.executemany("INSERT OR REPLACE INTO encodings VALUES (?, ?, ?)", rows)
