"""The desk's pages: who waits, what was said, the moves of an agent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import Response

from bot.console.desk_view import conversation_shown, entries_found, tickets, turn_explained, turn_shown
from bot.console.front import Front
from bot.console.sessions import Visitor
from bot.console.uploads import chosen

Id = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
Key = Annotated[str, Form(max_length=64)]


def router(front: Front) -> APIRouter:
    """Everything under /console/desk; for agents and admins."""
    routes = APIRouter(prefix="/desk")
    home = front.home

    @routes.get("")
    async def page(q: str = "", visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("desk.html", visitor, shown=None, **await tickets(home, visitor, "", q))

    @routes.get("/list")
    async def part_list(open: str = "", q: str = "", visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("desk_list.html", visitor, **await tickets(home, visitor, open, q))

    @routes.get("/{id}")
    async def conversation(
        request: Request, id: Id, q: str = "", visitor: Visitor = Depends(front.visitor)
    ) -> Response:
        shown = await conversation_shown(home, visitor, id)
        if "hx-request" in request.headers:
            return front.page("desk_talk.html", visitor, **shown)
        return front.page("desk.html", visitor, **await tickets(home, visitor, id, q), **shown)

    @routes.get("/{id}/parts")
    async def parts(id: Id, visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("desk_parts.html", visitor, **await conversation_shown(home, visitor, id))

    @routes.get("/{id}/about/{turn}")
    async def about(id: Id, turn: Id, visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("desk_about.html", visitor, **await turn_shown(home, id, turn))

    @routes.get("/{id}/about/{turn}/entries")
    async def entries(
        id: Id, turn: Id, q: Annotated[str, Query(max_length=200)] = "", visitor: Visitor = Depends(front.visitor)
    ) -> Response:
        return front.page("desk_entries.html", visitor, turn=turn, **await entries_found(home, id, q))

    @routes.get("/{id}/why/{turn}")
    async def why(id: Id, turn: Id, visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("desk_why.html", visitor, **await turn_explained(home, id, turn))

    @routes.post("/{id}/about", status_code=204)
    async def correct(
        id: Id,
        turn: Annotated[str, Form(max_length=64)],
        entry: Annotated[str, Form(max_length=200)] = "",
        visitor: Visitor = Depends(front.visitor),
    ) -> None:
        await home.desk.correct(id, visitor.author, turn, entry)

    @routes.post("/{id}/claim", status_code=204)
    async def claim(id: Id, visitor: Visitor = Depends(front.visitor)) -> None:
        await home.desk.claim(id, visitor.author)

    @routes.post("/{id}/say", status_code=204)
    async def say(
        id: Id,
        text: Annotated[str, Form(max_length=8000)] = "",
        entry: Annotated[str, Form(max_length=200)] = "",
        turn: Annotated[str, Form(max_length=64)] = "",
        photo: Annotated[list[str], Form()] = [],  # noqa: B006
        key: Key = "",
        visitor: Visitor = Depends(front.visitor),
    ) -> None:
        photos = await chosen(home.store, photo[:10])
        await home.desk.say(id, visitor.author, _lines(text), photos, entry=entry, turn=turn, key=key)

    @routes.post("/{id}/note", status_code=204)
    async def note(
        id: Id,
        text: Annotated[str, Form(max_length=8000)] = "",
        key: Key = "",
        visitor: Visitor = Depends(front.visitor),
    ) -> None:
        await home.desk.note(id, visitor.author, _lines(text), key=key)

    @routes.post("/{id}/hand-back", status_code=204)
    async def hand_back(id: Id, visitor: Visitor = Depends(front.visitor)) -> None:
        await home.desk.hand_back(id, visitor.author)

    @routes.post("/{id}/resolve", status_code=204)
    async def resolve(
        id: Id, seen: Annotated[int | None, Form(ge=0, lt=2**31)] = None, visitor: Visitor = Depends(front.visitor)
    ) -> None:
        await home.desk.resolve(id, visitor.author, seen=seen)

    return routes


def _lines(text: str) -> str:
    """However the browser ends its lines."""
    return text.replace("\r\n", "\n")
