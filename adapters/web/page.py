"""The chat page and its files."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import PolydeskError
from core.store.store import Store

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_PARTS = (
    "chat.css", "chat.js", "icon.svg", "lines.js", "outbox.js", "recorder.js", "stream.js", "voice-note.js"
)  # fmt: skip
_HEADERS = {
    # Everything comes from us; `blob:` is how the page shows pictures that need the chat's token.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
        "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_NAMELESS = "Support"


def routes(store: Store) -> list[Route]:
    """`/` and what it needs."""
    return [Route("/", _page(store)), *(Route(f"/chat/{name}", _part(name)) for name in _PARTS)]


def _page(store: Store) -> Callable[[Request], Awaitable[Response]]:
    """The page under the name of the knowledge base; a database that is away keeps nobody from writing."""

    async def page(request: Request) -> Response:
        try:
            bases = await store.read(lambda tx: tx.knowledge.bases())
        except PolydeskError:
            bases = ()
        title = html.escape(next((title for _, title in bases if title), _NAMELESS))
        text = _read("chat.html").decode().replace("{title}", title)
        return Response(text, media_type=_TYPES["html"], headers=_HEADERS)

    return page


def _part(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def part(request: Request) -> Response:
        return Response(_read(name), media_type=_TYPES[name.rsplit(".", 1)[1]], headers=_HEADERS)

    return part


@cache
def _read(name: str) -> bytes:
    return files("adapters.web").joinpath("static", name).read_bytes()
