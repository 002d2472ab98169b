"""The console's routes, joined: log-in, desk, knowledge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from bot.console import desk, knowledge
from bot.console.front import Front, NotLoggedIn
from bot.doors import Doors
from bot.wiring import House
from core.errors import BadInput, NotAllowed, Retry

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def mount_console(app: FastAPI, home: House, doors: Doors) -> None:
    """Serve the console under /console."""
    front = Front(home, doors)
    router = APIRouter(prefix="/console", include_in_schema=False)
    router.include_router(front.router())
    router.include_router(desk.router(front))
    router.include_router(knowledge.router(front))
    app.include_router(router)
    app.mount("/console/static", StaticFiles(directory=str(files("bot.console").joinpath("static"))), name="static")

    @app.middleware("http")
    async def _guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        if request.url.path.startswith("/console"):
            response.headers["Content-Security-Policy"] = _POLICY
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "same-origin"
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.exception_handler(NotLoggedIn)
    async def _log_in(request: Request, _: NotLoggedIn) -> Response:
        target = f"/console/login?next={request.url.path}"
        if "hx-request" in request.headers:
            return Response(status_code=204, headers={"HX-Redirect": target})
        return RedirectResponse(target, 303)

    @app.exception_handler(BadInput)
    async def _wrong(request: Request, problem: BadInput) -> Response:
        return front.trouble(request, str(problem), 409 if isinstance(problem, NotAllowed) else 400)

    @app.exception_handler(Retry)
    async def _later(request: Request, problem: Retry) -> Response:
        if request.url.path.startswith("/console"):
            return front.trouble(request, f"{problem}; try again", 503)
        return JSONResponse({"detail": "try again"}, 503, headers={"Retry-After": "2"})
