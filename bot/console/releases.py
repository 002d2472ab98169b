"""Publishing: what changed, the releases there were, and the way back."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path
from fastapi.responses import Response

from bot.console import knowledge as pages
from bot.console.front import Front
from bot.console.sessions import Visitor
from bot.wiring import KB_ID
from core.errors import BadInput
from core.knowledge.diff import Change, diff
from core.knowledge.entries import KnowledgeBase
from core.knowledge.lint import lint

Number = Annotated[int, Path(ge=1, lt=2**31)]  # what both databases can compare

_BACK = "/console/knowledge/releases"


def router(front: Front) -> APIRouter:
    """/console/knowledge/releases, /publish, /rollback and /discard."""
    routes = APIRouter()
    publishing = front.home.publishing
    store = front.home.store

    @routes.get("/releases")
    async def releases(visitor: Visitor = Depends(front.admin)) -> Response:
        rows = await store.read(lambda tx: tx.knowledge.releases(KB_ID))
        values = await pages.listed(front)
        findings = await asyncio.to_thread(lint, values["knowledge"])
        return front.page("knowledge_releases.html", visitor, rows=rows, findings=findings, **values)

    @routes.get("/releases/{number}")
    async def release(number: Number, visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("knowledge_changes.html", visitor, **await _changed_by(front, number))

    @routes.post("/publish", status_code=204)
    async def publish(
        note: Annotated[str, Form(max_length=200)] = "", visitor: Visitor = Depends(front.admin)
    ) -> Response:
        await publishing.publish(by=visitor.name, note=note.strip())
        return Response(status_code=204, headers={"HX-Redirect": _BACK})

    @routes.post("/rollback/{number}", status_code=204)
    async def rollback(number: Number, visitor: Visitor = Depends(front.admin)) -> Response:
        await publishing.rollback(number, by=visitor.name)
        return Response(status_code=204, headers={"HX-Redirect": _BACK})

    @routes.post("/discard", status_code=204)
    async def discard(visitor: Visitor = Depends(front.admin)) -> Response:
        await publishing.discard(by=visitor.name)
        return Response(status_code=204, headers={"HX-Redirect": _BACK})

    return routes


async def _changed_by(front: Front, number: int) -> dict[str, Any]:
    """What a release changed against the one before it."""
    row = await front.home.store.read(lambda tx: tx.knowledge.release(KB_ID, number))
    before = await front.home.store.read(lambda tx: tx.knowledge.release(KB_ID, number - 1))
    if row is None:
        raise BadInput(f"there is no release {number}")
    new = (await front.home.live.at(row.blob)).knowledge
    old = (await front.home.live.at(before.blob)).knowledge if before else KnowledgeBase("")
    changes: tuple[Change, ...] = await asyncio.to_thread(diff, old, new)
    return {"changes": changes, "number": number, "entries": len(new.entries)}
