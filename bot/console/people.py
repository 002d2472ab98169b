"""Who may log in: admins add people, shut them out and give them new passwords; everybody changes their own."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import Response

from bot.console.front import Front
from bot.console.sessions import Visitor
from bot.users import hashed, matches
from core.errors import BadInput

NewName = Annotated[str, Form(min_length=1, max_length=60, pattern=r"^[\w.@-]+$")]
Name = Annotated[str, Form(min_length=1, max_length=200)]


def router(front: Front) -> APIRouter:
    """/console/people for admins, /console/me for everybody."""
    routes = APIRouter()
    store = front.home.store

    @routes.get("/people")
    async def people(visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("people.html", visitor, users=await store.read(lambda tx: tx.users.list()))

    @routes.post("/people")
    async def add(
        name: NewName, role: Annotated[str, Form(max_length=20)] = "agent", visitor: Visitor = Depends(front.admin)
    ) -> Response:
        password, known = await _generated()
        user = await store.write(lambda tx: tx.users.add(name, role, known))
        return await _listed(visitor, user.name, password)

    @routes.post("/people/password")
    async def new_password(name: Name, visitor: Visitor = Depends(front.admin)) -> Response:
        _not_yourself(visitor, name, "change your own password under your name")
        password, known = await _generated()
        await store.write(lambda tx: tx.users.set_password(name, known))
        return await _listed(visitor, name, password)

    @routes.post("/people/disable")
    async def disable(
        name: Name, disabled: Annotated[bool, Form()], visitor: Visitor = Depends(front.admin)
    ) -> Response:
        _not_yourself(visitor, name, "somebody must be able to log in")
        await store.write(lambda tx: tx.users.disable(name, disabled))
        return await _listed(visitor)

    @routes.get("/me")
    async def me(visitor: Visitor = Depends(front.visitor)) -> Response:
        return front.page("me.html", visitor)

    @routes.post("/me/password")
    async def own_password(
        old: Annotated[str, Form(max_length=1000)],
        new: Annotated[str, Form(max_length=1000)],
        again: Annotated[str, Form(max_length=1000)],
        visitor: Visitor = Depends(front.visitor),
    ) -> Response:
        if new != again:
            raise BadInput("the new password is not the same both times")
        user = await store.read(lambda tx: tx.users.get(visitor.name))
        if user is None or not await asyncio.to_thread(matches, old, user.password):
            raise BadInput("the old password is wrong")
        known = await asyncio.to_thread(hashed, new)
        await store.write(lambda tx: tx.users.set_password(visitor.name, known))
        response = Response(status_code=204, headers={"HX-Redirect": "/console/desk"})
        value = await front.sessions.log_in(visitor.name, new)  # every other session of theirs has ended
        if value is not None:
            front.sessions.keep(response, value)
        return response

    async def _listed(visitor: Visitor, name: str = "", password: str = "") -> Response:
        users = await store.read(lambda tx: tx.users.list())
        return front.page("people_list.html", visitor, users=users, shown_name=name, shown_password=password)

    return routes


async def _generated() -> tuple[str, str]:
    """A password that is shown once, and its hash."""
    password = secrets.token_urlsafe(12)
    return password, await asyncio.to_thread(hashed, password)


def _not_yourself(visitor: Visitor, name: str, words: str) -> None:
    if visitor.name == name:
        raise BadInput(f"not for yourself: {words}")
