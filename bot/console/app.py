"""The console's routes, joined and guarded."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from bot.console import desk, knowledge, live, people, quality, training, uploads
from bot.console.front import Front, NotLoggedIn
from bot.console.guard import Guard
from bot.doors import Doors
from bot.wiring import House
from core.errors import BadInput, Broken, KnowledgeError, NotAllowed, Retry
from core.store.trouble import Conflict


def mount_console(app: FastAPI, home: House, doors: Doors) -> None:
    """Serve the console under /console."""
    front = Front(home, doors)
    app.mount("/console", Guard(pages(front), front))


def pages(front: Front) -> FastAPI:
    """All pages of the console, still without their guard."""
    console = FastAPI(title="Polydesk console", docs_url=None, redoc_url=None, openapi_url=None)
    console.include_router(front.router())
    for part in (desk, knowledge, live, people, quality, training, uploads):
        console.include_router(part.router(front))
    folder = str(files("bot.console").joinpath("static"))
    console.mount("/static", StaticFiles(directory=folder), name="static")
    _name_troubles(console, front)
    return console


def _name_troubles(console: FastAPI, front: Front) -> None:
    """Every error as words on a page."""

    @console.exception_handler(NotLoggedIn)
    async def _log_in(request: Request, _: NotLoggedIn) -> Response:
        return front.to_login(request)

    @console.exception_handler(BadInput)
    async def _wrong(request: Request, problem: BadInput) -> Response:
        lines = list(problem.problems) if isinstance(problem, KnowledgeError) else [str(problem)]
        return front.trouble(request, lines, 409 if isinstance(problem, NotAllowed) else 400)

    @console.exception_handler(Retry)
    async def _later(request: Request, problem: Retry) -> Response:
        conflict = isinstance(problem, Conflict)
        words = "somebody else changed this at the same moment" if conflict else str(problem)
        return front.trouble(request, f"{words}; try again", 409 if conflict else 503)

    @console.exception_handler(Broken)
    async def _broken(request: Request, problem: Broken) -> Response:
        return front.trouble(request, str(problem), 503)

    @console.exception_handler(HTTPException)
    async def _refused(request: Request, problem: HTTPException) -> Response:
        words = {404: "there is no such page", 405: "this address takes no such request"}
        return front.trouble(request, words.get(problem.status_code, str(problem.detail)), problem.status_code)

    @console.exception_handler(RequestValidationError)
    async def _invalid(request: Request, problem: RequestValidationError) -> Response:
        lines = [f"{'.'.join(map(str, error['loc'][1:]))}: {error['msg']}" for error in problem.errors()]
        return front.trouble(request, lines, 422)
