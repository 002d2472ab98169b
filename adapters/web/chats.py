"""The open web chats: who may use which, how often, and what they have shown."""

from __future__ import annotations

import hashlib

from fastapi import HTTPException
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.requests import Request

from adapters.web.parse import address_of as place_of
from core.bell import BUSY, Bell
from core.composing import Composing, Sign
from core.ports import Hear
from core.store.store import Store, Tx
from core.store.web import WebMessage
from core.values import AttachmentKind, EventKind, InboundEvent

OPENINGS = RateLimitItemPerMinute(20)  # an address
MESSAGES = RateLimitItemPerMinute(60)  # a conversation, and four times that an address, for a shop behind one router
UPLOADS = RateLimitItemPerMinute(240)
SIGNS = RateLimitItemPerMinute(60)  # a conversation; a page gives 30 while somebody types without a pause
SIGNS_OF_ALL = RateLimitItemPerMinute(240)  # an address


class Chats:
    """What the API works with."""

    def __init__(self, store: Store, bell: Bell, composing: Composing) -> None:
        self.store = store
        self.bell = bell
        self._composing = composing
        self.hear: Hear | None = None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def busy(self, session: str) -> None:
        """Show "typing" on the open page."""
        self.bell.ring(BUSY + session)

    def composes(self, session: str, client_id: str, goes_on: bool) -> None:
        """Tell whoever hears the customer out that a message goes on, or was given up."""
        self._composing.give(Sign(place_of(session), client_id, goes_on))

    async def allow(self, item: RateLimitItemPerMinute, *names: str) -> None:
        """Count one; 429 when it was too many."""
        if not await self._limiter.hit(item, *names):
            raise HTTPException(429, "too many requests; wait a minute", headers={"Retry-After": "60"})

    async def check(self, session: str, authorization: str) -> None:
        """401 unless the bearer token belongs to the chat."""
        scheme, _, token = authorization.partition(" ")
        known = scheme.lower() == "bearer" and await self.store.read(lambda tx: tx.web.check(session, digest(token)))
        if not known:
            raise HTTPException(401, "unknown conversation or wrong token", headers={"WWW-Authenticate": "Bearer"})

    async def lines(self, session: str, after: int) -> tuple[WebMessage, ...]:
        """What was added or changed since the cursor `after`."""
        return await self.store.read(lambda tx: tx.web.after(session, after))

    async def line_of(self, session: str, key: str) -> str:
        """The id of the line under which a button stands, empty when there is none."""
        rows = await self.lines(session, 0)
        found = [row.seq for row in rows if any(one["key"] == key for one in row.payload.get("choices", ()))]
        return str(found[-1]) if found else ""

    async def show_own(self, session: str, client_id: str, event: InboundEvent) -> None:
        """Put the customer's own message into the chat, once, so that a reload shows it."""
        line = {
            "from": "customer",
            "client_id": client_id,
            "text": event.text,
            "pictures": _blobs(event, AttachmentKind.PHOTO),
            "voices": _blobs(event, AttachmentKind.VOICE),
            "unread": [part.name or part.kind.value for part in event.attachments if not part.blob],
        }
        if event.kind is EventKind.TAPPED:
            line["tap"] = event.tap

        async def show(tx: Tx) -> None:
            known = await tx.web.after(session, 0)
            if all(one.payload.get("client_id") != client_id for one in known):
                await tx.web.append(session, line)

        await self.store.write(show)
        self.bell.ring(session)

    async def keep_files(self, event: InboundEvent) -> None:
        """Tie the uploads to the conversation that heard them, so that they live as long as it does."""
        blobs = [part.blob for part in event.attachments if part.blob]
        if not blobs:
            return

        async def keep(tx: Tx) -> None:
            message = await tx.transcript.of_event(event.id)
            if message is not None:
                for sha in blobs:
                    await tx.blobs.refer(sha, message.conversation, "attachment")

        await self.store.write(keep)


def digest(token: str) -> str:
    """What is kept of a bearer token."""
    return hashlib.sha256(token.encode()).hexdigest()


def address_of(request: Request) -> str:
    """Where a request comes from, for counting."""
    return request.client.host if request.client else "unknown"


def _blobs(event: InboundEvent, kind: AttachmentKind) -> list[str]:
    return [part.blob for part in event.attachments if part.kind is kind and part.blob]
