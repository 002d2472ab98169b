"""The chat page and its files."""

from __future__ import annotations

import contextlib
import html
import json
import re
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
    "chat.css", "chat.js", "composing.js", "early.js", "icon.svg", "lines.js", "outbox.js", "recorder.js", "stream.js",
    "voice-note.js", "words.js",
)  # fmt: skip
_SAY = re.compile(r"\{\{(.+?)\}\}")
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


def languages() -> tuple[str, ...]:
    """The languages that the page speaks besides English."""
    return tuple(sorted(path.name[:-5] for path in files("adapters.web").joinpath("words").iterdir()))


def spoken(header: str) -> str:
    """The first language of an Accept-Language header (RFC 9110, 12.5.4) that the page speaks, else English."""
    wishes = []
    for part in header[:500].split(","):
        tag, _, quality = part.strip().partition(";q=")
        with contextlib.suppress(ValueError):
            wishes.append((float(quality or 1), tag.split("-")[0].lower()))
    known = ("en", *languages())
    return next((tag for _, tag in sorted(wishes, key=lambda wish: -wish[0]) if tag in known), "en")


def _page(store: Store) -> Callable[[Request], Awaitable[Response]]:
    """The page under the name of the knowledge base; a database that is away keeps nobody from writing."""

    async def page(request: Request) -> Response:
        try:
            bases = await store.read(lambda tx: tx.knowledge.bases())
        except PolydeskError:
            bases = ()
        title = next((title for _, title in bases if title), _NAMELESS)
        text = _written(spoken(request.headers.get("accept-language", ""))).replace("{title}", html.escape(title))
        return Response(text, media_type=_TYPES["html"], headers={**_HEADERS, "Vary": "Accept-Language"})

    return page


@cache
def _written(language: str) -> str:
    """The page in a language, `{title}` still open; its scripts find their words in a block of JSON."""
    words = (
        json.loads(files("adapters.web").joinpath("words", f"{language}.json").read_bytes()) if language != "en" else {}
    )
    text = _SAY.sub(lambda found: html.escape(str(words.get(found[1], found[1]))), _read("chat.html").decode())
    block = json.dumps(words, ensure_ascii=False).replace("<", "\\u003c")
    return text.replace("{lang}", language).replace("{words}", block)


def _part(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def part(request: Request) -> Response:
        return Response(_read(name), media_type=_TYPES[name.rsplit(".", 1)[1]], headers=_HEADERS)

    return part


@cache
def _read(name: str) -> bytes:
    return files("adapters.web").joinpath("static", name).read_bytes()
