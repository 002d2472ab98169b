"""Encodings that are made once: by encoder and content, whatever release they are needed for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

import numpy as np

from workers.model.heads import Floats
from workers.model.ports import TextEncoder


class EncodingCache(Protocol):
    """Vectors by key; a key names the encoder and the content."""

    def get(self, keys: Sequence[str]) -> Mapping[str, Floats]:
        """The vectors (dim,) of those keys that are known."""
        ...

    def put(self, vectors: Mapping[str, Floats]) -> None:
        """Remember vectors (dim,); one that is known already may be skipped."""
        ...


class Remembered:
    """A cache that lives as long as the process."""

    def __init__(self) -> None:
        self._known: dict[str, Floats] = {}

    def get(self, keys: Sequence[str]) -> Mapping[str, Floats]:
        """The vectors of those keys that are known."""
        return {key: self._known[key] for key in keys if key in self._known}

    def put(self, vectors: Mapping[str, Floats]) -> None:
        """Remember vectors."""
        self._known.update(vectors)


def key(encoder: str, text: str) -> str:
    """The key of a text under the digest of an encoder."""
    return f"{encoder}:{sha256(text.encode()).hexdigest()}"


def encoded(encoder: TextEncoder, texts: Sequence[str], cache: EncodingCache) -> Floats:
    """Vectors of texts, (len(texts), dim); only those that the cache does not know are encoded."""
    if not texts:
        return np.zeros((0, encoder.dim), dtype=np.float32)
    keys = [key(encoder.digest, text) for text in texts]
    known = {one: vector for one, vector in cache.get(keys).items() if vector.shape == (encoder.dim,)}
    missing = {one: text for one, text in zip(keys, texts, strict=True) if one not in known}
    if missing:
        made = encoder.encode(list(missing.values()))
        fresh = {one: np.asarray(vector, dtype=np.float32) for one, vector in zip(missing, made, strict=True)}
        cache.put(fresh)
        known |= fresh
    return np.stack([known[one] for one in keys])
