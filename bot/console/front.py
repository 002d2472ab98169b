"""The front of the console: log-in, and what every page shares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.console.sessions import Sessions, Visitor
from bot.console.words import FILTERS
from bot.doors import Doors
from bot.settings import secret_of
from bot.wiring import House

_OURS = re.compile(r"/console(/[\w/.-]*)?", re.ASCII)


class NotLoggedIn(Exception):
    """The page needs a log-in."""


class Front:
    """Renders pages and knows who asks."""

    def __init__(self, home: House, doors: Doors) -> None:
        self.home = home
        self.doors = doors
        secure = home.settings.public_url.startswith("https://")
        self.sessions = Sessions(home.store, secret_of(home.settings), secure=secure)
        self._pages = Environment(
            loader=FileSystemLoader(str(files("bot.console").joinpath("pages"))),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.filters.update(FILTERS)

    def page(self, name: str, visitor: Visitor | None, /, status: int = 200, **values: Any) -> HTMLResponse:
        """A page, or a part of one."""
        return HTMLResponse(self._pages.get_template(name).render(visitor=visitor, **values), status)

    def trouble(self, request: Request, lines: str | Sequence[str], status: int, **values: Any) -> Response:
        """What went wrong, as a whole page, or as a part for the page that asked (which keeps what was typed)."""
        lines = [lines] if isinstance(lines, str) else list(lines)
        visitor = getattr(request.state, "visitor", None)
        asked_by_page = "hx-request" in request.headers
        name = "trouble_part.html" if asked_by_page else "trouble.html"
        return self.page(name, visitor, status, lines=lines, status_code=status, **values)

    async def visitor(self, request: Request) -> Visitor:
        """A dependency: whoever is logged in. That a change comes from our own page, the guard has seen to.

        Raises:
            NotLoggedIn: nobody is.
        """
        visitor = await self.sessions.visitor(request)
        if visitor is None:
            raise NotLoggedIn
        request.state.visitor = visitor
        return visitor

    async def admin(self, request: Request) -> Visitor:
        """A dependency: an admin, or 403."""
        visitor = await self.visitor(request)
        if not visitor.admin:
            raise HTTPException(403, "only admins may do this")
        return visitor

    def to_login(self, request: Request) -> Response:
        """To the log-in, and back again."""
        target = f"/console/login?{urlencode({'next': request.url.path})}"
        if "hx-request" in request.headers:
            return Response(status_code=204, headers={"HX-Redirect": target})
        return RedirectResponse(target, 303)

    def router(self) -> APIRouter:
        """Log-in, log-out and the way in."""
        router = APIRouter()

        @router.get("/")
        async def way_in(visitor: Visitor = Depends(self.visitor)) -> Response:
            return RedirectResponse("/console/desk", 303)

        @router.get("/login")
        async def form(next: str = "/console/") -> Response:
            return self.page("login.html", None, next=own(next), wrong="", name="")

        @router.post("/login")
        async def log_in(
            request: Request,
            name: Annotated[str, Form(max_length=200)],
            password: Annotated[str, Form(max_length=1000)],
            next: Annotated[str, Form(max_length=2000)] = "/console/",
        ) -> Response:
            if not await self.sessions.may_try(request, name):
                words = "Too many tries. Wait a minute, then try again."
                refused = self.page("login.html", None, 429, next=own(next), wrong=words, name=name)
                refused.headers["Retry-After"] = "60"
                return refused
            value = await self.sessions.log_in(name, password)
            if value is None:
                words = "Name or password is wrong."
                return self.page("login.html", None, 401, next=own(next), wrong=words, name=name)
            response = RedirectResponse(own(next), 303)
            self.sessions.keep(response, value)
            return response

        @router.post("/logout")
        async def log_out(visitor: Visitor = Depends(self.visitor)) -> Response:
            response = Response(status_code=204, headers={"HX-Redirect": "/console/login"})
            self.sessions.forget(response)
            return response

        return router


def own(target: str) -> str:
    """Only our own pages may follow a log-in."""
    return target if _OURS.fullmatch(target) and "//" not in target and ".." not in target else "/console/"
