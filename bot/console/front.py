"""The front of the console: log-in, and what every page shares."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.console.sessions import Sessions, Visitor
from bot.doors import Doors
from bot.settings import secret_of
from bot.wiring import House


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

    def page(self, name: str, visitor: Visitor | None, /, status: int = 200, **values: Any) -> HTMLResponse:
        """A page, or a part of one."""
        text = self._pages.get_template(name).render(visitor=visitor, settings=self.home.settings, **values)
        return HTMLResponse(text, status)

    def part(self, name: str, **values: Any) -> str:
        """A part of a page as text."""
        return self._pages.get_template(name).render(**values)

    def trouble(self, request: Request, text: str, status: int) -> Response:
        """What went wrong, as a whole page or as a part for the page that asked."""
        if "hx-request" in request.headers:
            return HTMLResponse(
                self.part("trouble_part.html", text=text), status, {"HX-Retarget": "#trouble", "HX-Reswap": "innerHTML"}
            )
        return self.page("trouble.html", None, status, text=text)

    async def visitor(self, request: Request) -> Visitor:
        """A dependency: whoever is logged in; what changes something must carry the token of our own pages.

        Raises:
            NotLoggedIn: nobody is. HTTPException: 403 without the token.
        """
        visitor = await self.sessions.visitor(request)
        if visitor is None:
            raise NotLoggedIn
        if request.method not in ("GET", "HEAD"):
            self.sessions.check(visitor, request.headers.get("x-csrf", ""))
        return visitor

    async def admin(self, request: Request) -> Visitor:
        """A dependency: an admin, or 403."""
        visitor = await self.visitor(request)
        if not visitor.admin:
            raise HTTPException(403, "only admins may do this")
        return visitor

    def router(self) -> APIRouter:
        """Log-in, log-out and the way in."""
        router = APIRouter()

        @router.get("/")
        async def way_in(visitor: Visitor = Depends(self.visitor)) -> Response:
            return RedirectResponse("/console/desk", 303)

        @router.get("/login")
        async def form(next: str = "/console/") -> Response:
            return self.page("login.html", None, next=_own(next), wrong=False)

        @router.post("/login")
        async def log_in(
            request: Request,
            name: Annotated[str, Form(max_length=200)],
            password: Annotated[str, Form(max_length=1000)],
            next: Annotated[str, Form(max_length=500)] = "/console/",
        ) -> Response:
            value = await self.sessions.log_in(request, name, password)
            if value is None:
                return self.page("login.html", None, 401, next=_own(next), wrong=True)
            response = RedirectResponse(_own(next), 303)
            self.sessions.keep(response, value)
            return response

        @router.post("/logout")
        async def log_out(visitor: Visitor = Depends(self.visitor)) -> Response:
            response = Response(status_code=204, headers={"HX-Redirect": "/console/login"})
            self.sessions.forget(response)
            return response

        return router


def _own(target: str) -> str:
    """Only our own pages may follow a log-in."""
    return target if target.startswith("/console") and "\\" not in target else "/console/"
