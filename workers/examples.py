"""The vectors of example photos, those that admins gave with those that history taught."""

from __future__ import annotations

import hashlib

import numpy as np
import structlog

from core.errors import PolydeskError, Unreadable
from core.knowledge.entries import KnowledgeBase
from workers.media import images
from workers.model.encodings import EncodingCache, key
from workers.model.heads import Floats
from workers.model.ports import ImageEncoder
from workers.model.trained import LEARNED, Trained
from workers.perceiving import Read

log = structlog.get_logger()


class Examples:
    """Looks at each photo once for each image encoder; `read` gives the bytes of a blob."""

    def __init__(self, read: Read, cache: EncodingCache) -> None:
        self._read = read
        self._cache = cache

    def vectors(
        self, knowledge: KnowledgeBase, trained: Trained | None, encoder: ImageEncoder
    ) -> dict[str, list[tuple[str, Floats]]]:
        """By entry, the name of each photo with its vector (dim,); what cannot be read is left out and logged."""
        found: dict[str, list[tuple[str, Floats]]] = {}
        for entry in knowledge.live:
            for name in entry.photos:
                vector = self._vector(name, encoder)
                if vector is not None:
                    found.setdefault(entry.id, []).append((name, vector))
            if trained and trained.image == encoder.digest:
                learned = trained.photos.get(entry.id, ())
                found.setdefault(entry.id, []).extend((f"{LEARNED}{i + 1}", v) for i, v in enumerate(learned))
        return {id: some for id, some in found.items() if some}

    def _vector(self, name: str, encoder: ImageEncoder) -> Floats | None:
        try:
            raw = self._read(name)
        except PolydeskError as problem:
            log.warning("example.missing", photo=name, problem=str(problem))
            return None
        place = key(encoder.digest, hashlib.sha256(raw).hexdigest())
        known = self._cache.get([place]).get(place)
        if known is not None and known.shape == (encoder.dim,):
            return np.asarray(known, dtype=np.float32)
        try:
            vector: Floats = encoder.encode([images.decode(raw)]).vectors[0]
        except Unreadable as problem:
            log.warning("example.unreadable", photo=name, problem=problem.problem.value)
            return None
        self._cache.put({place: vector})
        return vector
