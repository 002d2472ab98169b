"""The live release: what the bot answers from right now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from core import wire
from core.errors import Broken
from core.knowledge.entries import KnowledgeBase, Release
from core.store.blobs import BlobFolder
from core.store.store import Store

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Published:
    """A release with the blob that workers know it by."""

    blob: str
    release: Release

    @property
    def knowledge(self) -> KnowledgeBase:
        """What it knows."""
        return self.release.knowledge


class Live:
    """Looks up which release is live, and keeps what it has read: a release never changes, only which one is live."""

    def __init__(self, store: Store, blobs: BlobFolder) -> None:
        self._store = store
        self._blobs = blobs
        self._read: dict[str, Published] = {}

    async def of(self, kb_id: str) -> Published:
        """The live release of a knowledge base.

        Raises:
            Broken: nothing was ever published.
        """
        row = await self._store.read(lambda tx: tx.knowledge.live(kb_id))
        if row is None:
            raise Broken("no knowledge base was published yet: polydesk kb import PATH, then polydesk kb publish")
        return await self.at(row.blob)

    async def or_nothing(self, kb_id: str) -> Published:
        """The same, or an empty knowledge base: humans must be reachable whatever became of the release."""
        try:
            return await self.of(kb_id)
        except Broken as problem:
            log.error("release.missing", problem=str(problem))
            return Published("", Release(kb_id, 0, KnowledgeBase("")))

    async def at(self, blob: str) -> Published:
        """The release that lies under this blob."""
        known = self._read.get(blob)
        if known is None:
            raw = await asyncio.to_thread(self._blobs.get, blob)
            known = Published(blob, await asyncio.to_thread(wire.loads, Release, raw))
            while len(self._read) >= 8:
                self._read.pop(next(iter(self._read)))
            self._read[blob] = known
        return known
