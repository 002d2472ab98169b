"""What every open page of the console hears live: who waits, what changed, whether the bot can think."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse

from bot.console.front import Front
from bot.console.sessions import Visitor
from core.bell import BUSY, EVERYTHING, Listener
from core.broker import MEDIA, TEXT
from core.conversation import Owner

_PING_SECONDS = 20.0
_TOGETHER_SECONDS = 0.1  # one message rings several times: heard, answered, delivered
_LONGEST_SECONDS = 1800.0  # then the browser asks again, and we look again whether it may
_MOST = 500


def router(front: Front) -> APIRouter:
    """/console/live."""
    routes = APIRouter()

    @routes.get("/live")
    async def live(request: Request, visitor: Visitor = Depends(front.visitor)) -> Response:
        return StreamingResponse(
            _changes(front, request, visitor),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )

    return routes


async def _changes(front: Front, request: Request, visitor: Visitor) -> AsyncIterator[str]:
    """Server-sent events `changed`; the topics that rang tell a page whether it must look again.

    They end when the visitor is logged out: the browser asks again, and is told so.
    """
    end = time.monotonic() + _LONGEST_SECONDS
    async with front.home.bell.listening() as listener:
        topics: frozenset[str] = frozenset()
        while time.monotonic() < end and await front.sessions.visitor(request):
            told = {"topics": sorted(topics), **await _state(front, visitor)}
            yield f"event: changed\ndata: {json.dumps(told)}\n\n"
            topics = await _rung(listener)


async def _rung(listener: Listener) -> frozenset[str]:
    """The topics that rang, those of a moment together; none after a while of silence."""
    topics = await listener.wait(_PING_SECONDS)
    while topics and all(topic.startswith(BUSY) for topic in topics):
        topics = await listener.wait(_PING_SECONDS)
    if topics:
        await asyncio.sleep(_TOGETHER_SECONDS)
        topics |= await listener.wait(0)
    if EVERYTHING in topics:
        return frozenset()  # nobody knows what was missed
    return frozenset(topic for topic in topics if not topic.startswith(BUSY))


async def _state(front: Front, visitor: Visitor) -> dict[str, Any]:
    """How many wait; `rung` rises with whatever should ring: a new one, one nobody came to, my customer's words."""
    waiting = await front.home.store.read(lambda tx: tx.conversations.list(Owner.DESK, limit=_MOST))
    mine = await front.home.store.read(lambda tx: tx.conversations.list(Owner.AGENT, agent=visitor.name, limit=_MOST))
    unanswered = [one for one in mine if one.heard_at > one.agent_at]
    newest = max(waiting, key=lambda one: max(one.waiting_since, one.reminded_at), default=None)
    return {
        "waiting": len(waiting),
        "mine": len(unanswered),
        "rung": max(newest.waiting_since, newest.reminded_at) if newest else 0,
        "newest": newest.id if newest else "",
        "heard": max((one.heard_at for one in unanswered), default=0),
        "trouble": _trouble(front),
    }


def _trouble(front: Front) -> list[str]:
    """What keeps the bot from answering, in words for people who cannot mend it themselves."""
    workers = front.home.brain.workers
    missing = [name for name in (TEXT, MEDIA) if not workers.get(name)]
    told = []
    if len(missing) == 2:
        told.append("No worker is running: the bot cannot answer, every question comes to the desk.")
    elif missing:
        what = "typed questions" if missing == [TEXT] else "photos and voice notes"
        told.append(f"No {missing[0]} worker is running: {what} come to the desk.")
    if unwritten := front.home.store.writer.trouble:
        told.append(f"The database cannot be written, nobody is answered until it can: {unwritten}")
    told += [
        f"{platform.capitalize()} is not connected: {door.trouble}"
        for platform, door in front.doors.states.items()
        if not door.open and door.trouble
    ]
    return told
