"""What every request to the console must pass before a page sees it, and the headers every answer carries."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import Retry
from core.fetching import LARGEST

if TYPE_CHECKING:
    from bot.console.front import Front

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
}
_SAFE = ("GET", "HEAD")
FORM = 1024 * 1024  # bytes; a form without files
UPLOAD = LARGEST + FORM
WHOLE = 128 * 1024 * 1024  # a knowledge base with its photos
# Longest first; what is not named here is a form.
_ROOM = {"/knowledge/import": WHOLE, "/knowledge/try": 2 * LARGEST + FORM, "/uploads": UPLOAD, "/login": 16 * 1024}


class Guard:
    """Looks at headers alone, so that a stranger's body is never read.

    A request that changes something must come from one of our own pages (its origin is ours and, past the log-in, it
    carries the visitor's token), from somebody who is logged in, and with a body that is not too large.
    """

    def __init__(self, app: ASGIApp, front: Front) -> None:
        self._app = app
        self._front = front
        address = urlsplit(front.home.settings.public_url)
        self._host = address.netloc.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache" if path.startswith("/static/") else "no-store")
            await send(message)

        request = Request(scope)
        if request.method not in _SAFE:
            try:
                refused = await self._refused(request, path)
            except Retry as problem:
                refused = 503, f"{problem}; try again"
            if refused is not None:
                status, words = refused
                await self._front.trouble(request, words, status)(scope, receive, dressed)
                return
        await self._app(scope, receive, dressed)

    async def _refused(self, request: Request, path: str) -> tuple[int, str] | None:
        if not self._ours(request):
            return 403, "this request comes from another site"
        length = request.headers.get("content-length", "" if "transfer-encoding" in request.headers else "0")
        if not (length.isascii() and length.isdigit()):
            return 411, "send a Content-Length"
        room = next((size for start, size in _ROOM.items() if path.startswith(start)), FORM)
        if int(length) > room:
            return 413, f"that is too large: at most {room // 1024 // 1024 or 1} MB at once"
        if path == "/login":
            return None
        visitor = await self._front.sessions.visitor(request)
        if visitor is None:
            return 401, "you are logged out; log in again in another tab, then repeat this"
        if not hmac.compare_digest(visitor.csrf.encode(), request.headers.get("x-csrf", "").encode()):
            return 403, "this page is too old; reload it and try again"
        return None

    def _ours(self, request: Request) -> bool:
        """Whether the browser says that one of our own pages asks; programs that say nothing have no cookies to lose.

        Browsers say so in Sec-Fetch-Site where the connection can be trusted (W3C Fetch Metadata), else in Origin
        (RFC 6454).
        """
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = request.headers.get("origin")
        if origin is None:
            return True
        try:
            host = urlsplit(origin).netloc.lower()
        except ValueError:  # brackets that hold no address: no browser's
            return False
        return host in {request.headers.get("host", "").lower(), self._host} - {""}
