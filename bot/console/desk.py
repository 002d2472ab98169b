"""The desk's pages: who waits, what was said, the moves of an agent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, HTTPException, Path, UploadFile
from fastapi.responses import Response, StreamingResponse
from markupsafe import Markup
from starlette.datastructures import UploadFile as StarletteUpload

from bot.console.front import Front
from bot.console.sessions import Visitor
from bot.console.words import html
from core import wire
from core.asking import Prediction
from core.conversation import Conversation, Owner
from core.errors import BadInput, Broken, Unreadable
from core.fetching import LARGEST, keep
from core.media import sniff
from core.store.store import Tx
from core.values import Attachment, AttachmentKind

_PING_SECONDS = 20.0
_REASONS = {
    "asked": "asked for a person",
    "unsure": "the bot was unsure twice",
    "unreadable": "sent what the bot cannot read",
    "language": "writes a language we do not speak",
    "entry": "the answer says: hand over",
    "brain": "the bot could not answer",
    "wrong": "the answer was not it",
    "stale": "the question became too old",
}

Id = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
Sha = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


def router(front: Front) -> APIRouter:
    """Everything under /console/desk."""
    routes = APIRouter(prefix="/desk")
    home = front.home

    @routes.get("")
    async def page(visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("desk.html", visitor, shown=None, **await _list(front, ""))

    @routes.get("/list")
    async def part_list(open: str = "", visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("desk_list.html", visitor, **await _list(front, open))

    @routes.get("/stream")
    async def stream(visitor: Visitor = Depends(front.visitor)) -> Response:
        headers = {"Cache-Control": "no-cache"}
        return StreamingResponse(_changes(front), media_type="text/event-stream", headers=headers)

    @routes.get("/files/{sha}")
    async def file(sha: Sha, visitor: Visitor = Depends(front.visitor)) -> Response:
        if not await home.store.read(lambda tx: tx.blobs.known(sha)):
            raise HTTPException(404, "no such file")
        try:
            raw = await home.store.fetch(sha)
        except (FileNotFoundError, Broken) as gone:
            raise HTTPException(404, "this file was deleted") from gone
        return Response(raw, media_type=sniff(raw).mime, headers={"Cache-Control": "private, max-age=3600"})

    @routes.get("/{id}")
    async def conversation(id: Id, visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("desk.html", visitor, **await _list(front, id), **await _shown(front, id, visitor))

    @routes.get("/{id}/head")
    async def part_head(id: Id, visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("desk_head.html", visitor, **_words(), **await _shown(front, id, visitor))

    @routes.get("/{id}/transcript")
    async def part_transcript(id: Id, visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("desk_transcript.html", visitor, **_words(), **await _shown(front, id, visitor))

    @routes.post("/{id}/claim", status_code=204)
    async def claim(id: Id, visitor: Visitor = Depends(front.visitor)) -> None:
        await home.desk.claim(id, visitor.author)

    @routes.post("/{id}/say", status_code=204)
    async def say(
        id: Id,
        text: Annotated[str, Form(max_length=8000)] = "",
        note: Annotated[str, Form()] = "",
        entry: Annotated[str, Form(max_length=200)] = "",
        turn: Annotated[str, Form(max_length=64)] = "",
        photo: Annotated[list[UploadFile], File()] = [],  # noqa: B006
        visitor: Visitor = Depends(front.visitor),
    ) -> None:
        if note:
            await home.desk.note(id, visitor.author, text)
            return
        blobs = [await photo_blob(front, upload) for upload in photo[:10] if upload.filename]
        await home.desk.say(id, visitor.author, text, blobs, entry=entry, turn=turn)

    @routes.post("/{id}/hand-back", status_code=204)
    async def hand_back(id: Id, visitor: Visitor = Depends(front.visitor)) -> None:
        await home.desk.hand_back(id, visitor.author)

    @routes.post("/{id}/resolve", status_code=204)
    async def resolve(id: Id, visitor: Visitor = Depends(front.visitor)) -> None:
        await home.desk.resolve(id, visitor.author)

    return routes


async def photo_blob(front: Front, upload: UploadFile | StarletteUpload) -> str:
    """A checked, stripped photo as a blob.

    Raises:
        BadInput: it is none.
    """
    raw = await upload.read(LARGEST + 1)
    try:
        part = await asyncio.to_thread(keep, front.home.store.blobs, Attachment(AttachmentKind.PHOTO), raw)
    except Unreadable as unreadable:
        raise BadInput(f"{upload.filename} cannot be sent as a photo: {unreadable.problem.value}") from unreadable
    if part.kind is not AttachmentKind.PHOTO:
        raise BadInput(f"{upload.filename} is not a photo: send JPEG, PNG or WebP")
    return part.blob


async def _list(front: Front, open: str) -> dict[str, Any]:
    async def read(tx: Tx) -> dict[str, Any]:
        return {
            "waiting": await tx.conversations.list(Owner.DESK),
            "claimed": await tx.conversations.list(Owner.AGENT),
            "bots": await tx.conversations.list(Owner.BOT, limit=30),
        }

    return {"open": open, **_words(), **await front.home.store.read(read)}


async def _shown(front: Front, id: str, visitor: Visitor) -> dict[str, Any]:
    async def read(tx: Tx) -> dict[str, Any]:
        shown = await tx.conversations.get(id)
        if shown is None:
            raise BadInput("there is no such conversation; it may have been deleted")
        messages = await tx.transcript.list(id)
        return {"shown": shown, "messages": messages, "last": await tx.turns.last(id)}

    found = await front.home.store.read(read)
    return {**found, "me": visitor.name, "candidates": await _candidates(front, found["shown"], found["last"])}


async def _candidates(front: Front, conversation: Conversation, last: Any) -> list[dict[str, Any]]:
    """The bot's ideas for the last question, while a human has the word."""
    if last is None or not last.prediction or conversation.owner is Owner.BOT or not conversation.open:
        return []
    prediction = wire.load(Prediction, last.prediction)
    knowledge = (await front.home.live.of(conversation.kb_id)).knowledge
    known = [(one, knowledge.entry(one.entry)) for one in prediction.candidates[:3]]
    return [
        {
            "entry": one.entry,
            "score": one.score,
            "question": entry.question,
            "answer": entry.answer_in(conversation.language, knowledge.language),
            "turn": last.id,
        }
        for one, entry in known
        if entry is not None
    ]


async def _changes(front: Front) -> AsyncIterator[str]:
    async with front.home.bell.listening() as listener:
        rung: frozenset[str] = frozenset()
        while True:
            waiting = await front.home.store.read(lambda tx: tx.conversations.list(Owner.DESK, limit=500))
            told = {
                "ids": sorted(rung),
                "waiting": len(waiting),
                "newest": max((one.waiting_since for one in waiting), default=0),
            }
            yield f"event: changed\ndata: {json.dumps(told)}\n\n"
            rung = await listener.wait(_PING_SECONDS)


def _words() -> dict[str, Any]:
    return {"since": _since, "clock": clock, "reason": _reason, "html": lambda text: Markup(html(text))}


def _since(at: int) -> str:
    seconds = max(0, int(time.time() - at / 1000))
    if seconds < 60:
        return "just now" if seconds < 10 else f"{seconds} s"
    if seconds < 5400:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def clock(at: int) -> str:
    """A moment in local time, shortly."""
    moment = datetime.fromtimestamp(at / 1000, UTC).astimezone()
    today = datetime.now(UTC).astimezone().date()
    return f"{moment:%H:%M}" if moment.date() == today else f"{moment:%d %b %H:%M}"


def _reason(conversation: Conversation) -> str:
    return _REASONS.get(conversation.reason, conversation.reason)
