"""The web chat's HTTP API, version 1."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, File, Form, Header, HTTPException, Path, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from pydantic import BaseModel

from adapters.web import parse
from core.bell import Bell
from core.errors import Retry, Unreadable
from core.fetching import LARGEST, keep
from core.media import sniff
from core.ports import Hear
from core.store.store import Store, Tx
from core.store.tables import new_id
from core.values import Attachment, AttachmentKind, InboundEvent

OPENINGS = RateLimitItemPerMinute(20)  # an address
MESSAGES = RateLimitItemPerMinute(60)  # a conversation, and four times that an address, for a shop behind one router
UPLOADS = RateLimitItemPerMinute(240)
_PING_SECONDS = 20.0
_BODY = 2 * LARGEST + 65_536
_BUSY = "busy:"

Id = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
Sha = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
After = Annotated[int, Query(ge=0, le=2**53)]
ClientId = Annotated[str, Form(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


class Opened(BaseModel):
    """A new web chat; the token is shown only now."""

    id: str
    token: str


class Accepted(BaseModel):
    """The message is committed."""

    event: str


class Line(BaseModel):
    """One line of the chat; `cursor` is what to pass as `after`, `id` its place."""

    id: int
    cursor: int
    at: int
    line: dict[str, Any]


class Chats:
    """What the API works with."""

    def __init__(self, store: Store, bell: Bell) -> None:
        self.store = store
        self.bell = bell
        self.hear: Hear | None = None
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    def busy(self, session: str) -> None:
        """Show "typing" on the open page."""
        self.bell.ring(_BUSY + session)

    async def allow(self, item: RateLimitItemPerMinute, *names: str) -> None:
        """Count one; 429 when it was too many."""
        if not await self.limiter.hit(item, *names):
            raise HTTPException(429, "too many requests; wait a minute", headers={"Retry-After": "60"})

    async def check(self, session: str, authorization: str) -> None:
        """401 unless the bearer token belongs to the chat."""
        scheme, _, token = authorization.partition(" ")
        known = scheme.lower() == "bearer" and await self.store.read(lambda tx: tx.web.check(session, _hash(token)))
        if not known:
            raise HTTPException(401, "unknown conversation or wrong token", headers={"WWW-Authenticate": "Bearer"})


def build_api(chats: Chats) -> FastAPI:
    """The application that is mounted at /api."""
    api = FastAPI(title="Polydesk web chat", version="1", docs_url="/docs", redoc_url=None)

    @api.middleware("http")
    async def _bounded(request: Request, call_next: Any) -> Response:
        length = request.headers.get("content-length", "" if "transfer-encoding" in request.headers else "0")
        if not length.isdigit():
            return JSONResponse({"detail": "send a Content-Length"}, 411)
        if int(length) > _BODY:
            return JSONResponse({"detail": f"too large: at most {_BODY} bytes"}, 413)
        response: Response = await call_next(request)
        return response

    async def authorised(id: Id, authorization: Annotated[str, Header()] = "") -> str:
        await chats.check(id, authorization)
        return id

    @api.post("/v1/conversations", status_code=201)
    async def begin(request: Request) -> Opened:
        """Open a web chat."""
        await chats.allow(OPENINGS, "open", _address(request))
        opened = Opened(id=new_id(), token=secrets.token_urlsafe(24))
        await chats.store.write(lambda tx: tx.web.open(opened.id, _hash(opened.token)))
        return opened

    @api.post("/v1/conversations/{id}/messages", status_code=202)
    async def write(
        request: Request,
        client_id: ClientId,
        text: Annotated[str, Form(max_length=100_000)] = "",
        tap: Annotated[str, Form(max_length=64)] = "",
        photo: Annotated[list[UploadFile], File()] = [],  # noqa: B006
        voice: Annotated[UploadFile | None, File()] = None,
        accept_language: Annotated[str, Header()] = "",
        session: str = Depends(authorised),
    ) -> Accepted:
        """Write, show or say something, or tap a button; `client_id` is yours, a repetition of it changes nothing."""
        await chats.allow(MESSAGES, "write", session)
        await chats.allow(UPLOADS, "write", _address(request))
        if chats.hear is None:
            raise HTTPException(503, "starting or stopping; try again", headers={"Retry-After": "2"})
        language, now = parse.language_of(accept_language), int(time.time() * 1000)
        if tap:
            event = parse.tap(session, client_id, tap, text[:200], language, now)
        else:
            parts = [await _part(chats, upload, AttachmentKind.PHOTO) for upload in photo[:10]]
            if voice is not None:
                parts.append(await _part(chats, voice, AttachmentKind.VOICE))
            event = parse.message(session, client_id, text, tuple(parts), language, now)
            if not (event.text or parts):
                raise HTTPException(422, "an empty message: send text, a photo or a voice note")
        try:
            await _show_own(chats, session, event)
            await chats.hear(event)
        except Retry as problem:
            raise HTTPException(503, "cannot be kept right now; try again", headers={"Retry-After": "2"}) from problem
        return Accepted(event=event.id)

    @api.get("/v1/conversations/{id}/messages")
    async def messages(after: After = 0, session: str = Depends(authorised)) -> list[Line]:
        """The lines added or changed since the cursor `after`."""
        return await _lines(chats, session, after)

    @api.get("/v1/conversations/{id}/stream", response_class=StreamingResponse)
    async def stream(after: After = 0, session: str = Depends(authorised)) -> StreamingResponse:
        """The same, live, as server-sent events: `line` with a Line, `busy` while an answer is prepared."""
        return StreamingResponse(
            _live(chats, session, after), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )

    @api.get("/v1/conversations/{id}/files/{sha}", response_class=Response)
    async def file(sha: Sha, session: str = Depends(authorised)) -> Response:
        """A picture or voice note of this chat."""
        lines = await _lines(chats, session, 0)
        shown = {name for one in lines for name in (*one.line.get("pictures", []), *one.line.get("voices", []))}
        if sha not in shown:
            raise HTTPException(404, "no such file in this chat")
        try:
            raw = await chats.store.fetch(sha)
        except FileNotFoundError as gone:
            raise HTTPException(404, "this file was deleted") from gone
        headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return Response(raw, media_type=sniff(raw).mime, headers=headers)

    return api


async def _part(chats: Chats, upload: UploadFile, kind: AttachmentKind) -> Attachment:
    raw = await upload.read(LARGEST + 1)
    part = Attachment(kind, size=len(raw), name=(upload.filename or "")[:200])
    try:
        return await asyncio.to_thread(keep, chats.store.blobs, part, raw)
    except Unreadable as unreadable:
        return parse.unreadable(kind, unreadable.problem, part.name, part.size)


async def _show_own(chats: Chats, session: str, event: InboundEvent) -> None:
    """Put the customer's own message into the chat, once, so that a reload shows it."""
    line = {
        "from": "customer",
        "client_id": event.message,
        "text": event.text,
        "pictures": [part.blob for part in event.attachments if part.kind is AttachmentKind.PHOTO and part.blob],
        "voices": [part.blob for part in event.attachments if part.kind is AttachmentKind.VOICE and part.blob],
    }

    async def show(tx: Tx) -> None:
        known = await tx.web.after(session, 0)
        if all(one.payload.get("client_id") != event.message for one in known):
            await tx.web.append(session, line)

    await chats.store.write(show)
    chats.bell.ring(session)


async def _lines(chats: Chats, session: str, after: int) -> list[Line]:
    rows = await chats.store.read(lambda tx: tx.web.after(session, after))
    return [Line(id=row.seq, cursor=row.cursor, at=row.at, line=row.payload) for row in rows]


async def _live(chats: Chats, session: str, after: int) -> AsyncIterator[str]:
    async with chats.bell.listening(session) as lines, chats.bell.listening(_BUSY + session) as busy:
        yield ": hello\n\n"
        waits = {asyncio.create_task(lines.wait(_PING_SECONDS)): "line", asyncio.create_task(busy.wait(3600)): "busy"}
        try:
            while True:
                for row in await _lines(chats, session, after):
                    after = max(after, row.cursor)
                    yield f"event: line\nid: {row.cursor}\ndata: {row.model_dump_json()}\n\n"
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    what = waits.pop(task)
                    if what == "busy":
                        yield f"event: busy\ndata: {json.dumps({})}\n\n"
                        waits[asyncio.create_task(busy.wait(3600))] = "busy"
                    else:
                        if not task.result():
                            yield ": still here\n\n"
                        waits[asyncio.create_task(lines.wait(_PING_SECONDS))] = "line"
        finally:
            for task in waits:
                task.cancel()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"
