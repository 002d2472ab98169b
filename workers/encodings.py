"""A cache of encodings on disk: publishing a change encodes only what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from workers.saved import Saved, Words

log = structlog.get_logger()

_WORDS = Words(
    "what was encoded",
    anew="it is encoded again",
    without="questions are answered, but every start encodes it again; free space there",
)

Vector = NDArray[np.float32]


class Encodings:
    """Vectors by key, in an SQLite file that several workers may share; see `workers.model.encodings.EncodingCache`.

    A key names the encoder and the content. Losing the file costs time and nothing else, see `workers.saved.Saved`;
    that it was lost is logged.

    Raises:
        Broken: the file cannot be made; says what to do.
    """

    def __init__(self, path: Path) -> None:
        self._saved = Saved(path, "encodings", _WORDS, lambda line: log.warning("encodings.trouble", problem=line))

    def get(self, keys: Sequence[str]) -> Mapping[str, Vector]:
        """The vectors (dim,) of those keys that are known."""
        found: dict[str, Vector] = {}
        for key, told in self._saved.get(keys).items():
            if len(told) % np.dtype(np.float32).itemsize == 0:
                vector = np.frombuffer(told, dtype=np.float32)
                if np.isfinite(vector).all():
                    found[key] = vector
        return found

    def put(self, vectors: Mapping[str, Vector]) -> None:
        """Remember vectors (dim,), if that is possible."""
        self._saved.put(
            {key: np.ascontiguousarray(vector, dtype=np.float32).tobytes() for key, vector in vectors.items()}
        )

    def close(self) -> None:
        """Close the file."""
        self._saved.close()
