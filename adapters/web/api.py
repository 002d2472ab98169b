"""The web chat's HTTP API, version 1."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, File, Form, Header, HTTPException, Path, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel

from adapters.web import parse
from adapters.web.chats import OPENINGS, Chats, address_of, digest
from adapters.web.door import Door
from adapters.web.files import served
from core.bell import BUSY
from core.errors import BadInput, Broken, Retry, Unreadable
from core.fetching import LARGEST, keep
from core.store.tables import new_id
from core.store.web import WebMessage
from core.values import Attachment, AttachmentKind

log = structlog.get_logger()

_PING_SECONDS = 20.0
_FOREVER = 3600.0
_MOST_PHOTOS = 10
_MENDING = 10  # seconds until a page asks a database again that somebody must mend
_AWAY: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "Nothing can be kept or read for the moment; try again",
        "headers": {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}},
    }
}

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


def build_api(chats: Chats) -> FastAPI:
    """The application that is mounted at /api."""
    api: FastAPI = FastAPIOffline(
        "/docs", None, static_url="/docs/assets", title="Polydesk web chat", version="1", responses=_AWAY
    )
    api.add_middleware(Door, chats=chats)
    api.add_exception_handler(Retry, _later)
    api.add_exception_handler(Broken, _later)

    async def authorised(id: Id, authorization: Annotated[str, Header()] = "") -> str:
        await chats.check(id, authorization)
        return id

    @api.post("/v1/conversations", status_code=201)
    async def begin(request: Request) -> Opened:
        """Open a web chat."""
        await chats.allow(OPENINGS, "open", address_of(request))
        opened = Opened(id=new_id(), token=secrets.token_urlsafe(24))
        await chats.store.write(lambda tx: tx.web.open(opened.id, digest(opened.token)))
        return opened

    @api.post("/v1/conversations/{id}/messages", status_code=202)
    async def write(
        id: Id,
        client_id: ClientId,
        text: Annotated[str, Form(max_length=100_000)] = "",
        tap: Annotated[str, Form(max_length=64)] = "",
        photo: Annotated[list[UploadFile], File()] = [],  # noqa: B006
        voice: Annotated[UploadFile | None, File()] = None,
        accept_language: Annotated[str, Header()] = "",
        authorization: Annotated[str, Header(description="Bearer token; checked before the body is read")] = "",
    ) -> Accepted:
        """Write, show or say something, or tap a button; `client_id` is yours, a repetition of it changes nothing."""
        if chats.hear is None:
            raise HTTPException(503, "starting or stopping; try again", headers={"Retry-After": "2"})
        language, now = parse.language_of(accept_language), int(time.time() * 1000)
        if len(photo) > _MOST_PHOTOS:
            raise HTTPException(422, f"at most {_MOST_PHOTOS} photos in one message; send the others in the next")
        if tap:
            event = parse.tap(id, client_id, tap, text[:200], await chats.line_of(id, tap), language, now)
        else:
            parts = [await _part(chats, upload, AttachmentKind.PHOTO) for upload in photo]
            if voice is not None:
                parts.append(await _part(chats, voice, AttachmentKind.VOICE))
            event = parse.message(id, client_id, text, tuple(parts), language, now)
            if not (event.text or parts):
                raise HTTPException(422, "an empty message: send text, a photo or a voice note")
        await chats.show_own(id, client_id, event)
        await chats.hear(event)
        await chats.keep_files(event)
        return Accepted(event=event.id)

    @api.post("/v1/conversations/{id}/composing", status_code=204)
    async def compose(
        id: Id,
        client_id: ClientId,
        stopped: Annotated[bool, Form(description="The message was given up before it was sent")] = False,
        authorization: Annotated[str, Header(description="Bearer token; checked before the body is read")] = "",
    ) -> None:
        """Say that a message is being typed or recorded, so that what came before it waits for it, 10 s at most.

        Say so every two seconds while it goes on: four seconds after the last time it is over. `client_id` is the one
        that the message will have, so its arrival ends it too. A client that never says so is answered all the same.
        """
        if chats.hear is None:
            raise HTTPException(503, "starting or stopping; try again", headers={"Retry-After": "2"})
        chats.composes(id, client_id, not stopped)

    @api.get("/v1/conversations/{id}/messages")
    async def messages(after: After = 0, session: str = Depends(authorised)) -> list[Line]:
        """The lines added or changed since the cursor `after`."""
        return [_line(row) for row in await chats.lines(session, after)]

    @api.get("/v1/conversations/{id}/stream", response_class=StreamingResponse)
    async def stream(after: After = 0, session: str = Depends(authorised)) -> StreamingResponse:
        """The same, live, as server-sent events: `line` with a Line, `busy` while an answer is prepared."""
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(_live(chats, session, after), media_type="text/event-stream", headers=headers)

    @api.get("/v1/conversations/{id}/files/{sha}", response_class=Response)
    async def file(sha: Sha, session: str = Depends(authorised)) -> Response:
        """A picture or voice note of this chat."""
        payloads = [row.payload for row in await chats.lines(session, 0)]
        shown = {name for line in payloads for name in (*line.get("pictures", []), *line.get("voices", []))}
        if sha not in shown:
            raise HTTPException(404, "no such file in this chat")
        try:
            return await served(chats.store, sha)
        except BadInput as gone:
            raise HTTPException(404, str(gone)) from gone

    return api


async def _later(request: Request, problem: Exception) -> Response:
    """What the caller reads while the database is away; what is wrong with it is for the log."""
    log.warning("web.not_now", path=request.url.path, problem=f"{type(problem).__name__}: {problem}")
    seconds = max(math.ceil(problem.after), 2) if isinstance(problem, Retry) else _MENDING
    return JSONResponse({"detail": "cannot be done right now; try again"}, 503, {"Retry-After": str(seconds)})


async def _part(chats: Chats, upload: UploadFile, kind: AttachmentKind) -> Attachment:
    raw = await upload.read(LARGEST + 1)
    part = Attachment(kind, size=len(raw), name=(upload.filename or "")[:200])
    try:
        return await asyncio.to_thread(keep, chats.store.blobs, part, raw)
    except Unreadable as unreadable:
        return parse.unreadable(kind, unreadable.problem, part.name, part.size)


def _line(row: WebMessage) -> Line:
    return Line(id=row.seq, cursor=row.cursor, at=row.at, line=row.payload)


async def _live(chats: Chats, session: str, after: int) -> AsyncIterator[str]:
    async with chats.bell.listening(session) as lines, chats.bell.listening(BUSY + session) as busy:
        yield ": hello\n\n"
        waits = {
            asyncio.create_task(lines.wait(_PING_SECONDS)): "line",
            asyncio.create_task(busy.wait(_FOREVER)): "busy",
        }
        try:
            while True:
                try:
                    rows = await chats.lines(session, after)
                except (Retry, Broken) as problem:
                    # The page connects again, and reads from where it was.
                    log.warning("web.stream_ended", problem=f"{type(problem).__name__}: {problem}")
                    return
                for row in rows:
                    after = max(after, row.cursor)
                    yield f"event: line\nid: {row.cursor}\ndata: {_line(row).model_dump_json()}\n\n"
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if waits.pop(task) == "busy":
                        if task.result():
                            yield "event: busy\ndata: {}\n\n"
                        waits[asyncio.create_task(busy.wait(_FOREVER))] = "busy"
                    else:
                        if not task.result():
                            yield ": still here\n\n"
                        waits[asyncio.create_task(lines.wait(_PING_SECONDS))] = "line"
        finally:
            for task in waits:
                task.cancel()
