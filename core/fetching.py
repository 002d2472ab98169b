"""Getting what came with a message: platform file -> checked, stripped blob."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import structlog

from core.errors import PolydeskError, Retry, Throttled, Unreadable
from core.media import PIXELS, dimensions, sniff, strip
from core.ports import Adapter, Clock
from core.store.blobs import BlobFolder
from core.values import Attachment, AttachmentKind, InboundEvent, Problem

log = structlog.get_logger()

LARGEST = 20 * 1024 * 1024  # bytes; what Telegram's bots may fetch, and more than any phone photo needs
_PAUSE = 0.5  # seconds until the second attempt; each later pause is twice as long
_LONGEST_PAUSE = 4.0


class Fetcher:
    """Fetches files through the doors they came in by."""

    def __init__(self, doors: Mapping[str, Adapter], blobs: BlobFolder, clock: Clock) -> None:
        self._doors = doors
        self._blobs = blobs
        self._clock = clock

    async def fetch(self, event: InboundEvent, enough: asyncio.Event) -> InboundEvent:
        """The event with every file fetched, or with the problem that each one has; never raises for a bad file.

        A door that is not open yet, or cannot fetch now, is asked again and again until `enough` is set: a file that is
        not here by then counts as not delivered.
        """
        parts = (self._in_time(event.address.platform, part, enough) for part in event.attachments)
        return replace(event, attachments=tuple(await asyncio.gather(*parts)))

    async def _in_time(self, platform: str, part: Attachment, enough: asyncio.Event) -> Attachment:
        arriving, over = asyncio.create_task(self._one(platform, part)), asyncio.create_task(enough.wait())
        try:
            await asyncio.wait({arriving, over}, return_when=asyncio.FIRST_COMPLETED)
            if arriving.done():
                return arriving.result()
            log.warning("fetch.given_up", platform=platform)
            return replace(part, problem=Problem.NOT_DELIVERED)
        finally:
            arriving.cancel()
            over.cancel()

    async def _one(self, platform: str, part: Attachment) -> Attachment:
        if part.blob or part.problem is not None or part.kind is AttachmentKind.OTHER:
            return part if part.blob or part.problem else replace(part, problem=Problem.UNKNOWN)
        try:
            raw = await self._download(platform, part)
            return await asyncio.to_thread(keep, self._blobs, part, raw)
        except Unreadable as unreadable:
            return replace(part, problem=unreadable.problem)
        except PolydeskError as problem:
            log.warning("fetch.failed", platform=platform, problem=str(problem))
            return replace(part, problem=Problem.NOT_DELIVERED)

    async def _download(self, platform: str, part: Attachment) -> bytes:
        door = self._doors.get(platform)
        if door is None:
            raise Unreadable(Problem.NOT_DELIVERED, f"{platform} is not connected")
        pause = _PAUSE
        while True:
            try:
                return await door.fetch(part)
            except Retry as problem:
                log.info("fetch.later", platform=platform, problem=str(problem))
                # Only a platform that asks for it is worth a longer wait: a door may open at any moment.
                await self._clock.sleep(max(pause, problem.after) if isinstance(problem, Throttled) else pause)
                pause = min(pause * 2, _LONGEST_PAUSE)


def checked(raw: bytes, wanted: AttachmentKind | None = None) -> tuple[AttachmentKind, str, bytes]:
    """What a file is by its bytes, never by its name: its kind, its media type, and the bytes stripped.

    Raises:
        Unreadable: empty, too large, neither a picture nor a recording, or not the kind that is `wanted`.
    """
    if not raw:
        raise Unreadable(Problem.EMPTY)
    if len(raw) > LARGEST:
        raise Unreadable(Problem.TOO_LARGE)
    seen = sniff(raw)
    if seen.problem is not None:
        raise Unreadable(seen.problem)
    if wanted not in (None, seen.kind):
        raise Unreadable(Problem.UNKNOWN)
    if seen.kind is AttachmentKind.PHOTO:
        width, height = dimensions(raw, seen.mime)
        if width * height > PIXELS:
            raise Unreadable(Problem.TOO_LARGE, f"{width} x {height} pixels")
    return seen.kind, seen.mime, strip(raw, seen.mime)


def keep(blobs: BlobFolder, part: Attachment, raw: bytes) -> Attachment:
    """Check the bytes, strip what they say about where and with what they were made, and store them.

    Raises:
        Unreadable: as `checked`.
    """
    kind, mime, stripped = checked(raw)
    return replace(part, kind=kind, mime=mime, size=len(stripped), blob=blobs.put(stripped))
