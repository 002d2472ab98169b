"""The chat page and its files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_HEADERS = {
    # Everything comes from us; `blob:` is how the page shows pictures that need the chat's token.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
        "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def routes() -> list[Route]:
    """`/` and what it needs."""
    return [
        Route("/", _serve("chat.html"), methods=["GET"]),
        Route("/chat/chat.css", _serve("chat.css"), methods=["GET"]),
        Route("/chat/chat.js", _serve("chat.js"), methods=["GET"]),
        Route("/chat/stream.js", _serve("stream.js"), methods=["GET"]),
    ]


def _serve(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        text = files("adapters.web").joinpath("static", name).read_bytes()
        return Response(text, media_type=_TYPES[name.rsplit(".", 1)[1]], headers=_HEADERS)

    return serve
