"""What a request to the web chat's API must pass before its body is read."""

from __future__ import annotations

import re

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.web.chats import MESSAGES, SIGNS, SIGNS_OF_ALL, UPLOADS, Chats, address_of
from core.errors import Broken, Retry
from core.fetching import LARGEST

BODY = 2 * LARGEST + 65_536  # bytes of one request
SIGN = 2048  # bytes of one that says no more than that somebody writes
_WRITING = re.compile(r"/v1/conversations/([0-9a-f-]{36})/(messages|composing)")


class Door:
    """Refuses by headers alone: strangers, whoever writes too much, and bodies that are too large."""

    def __init__(self, app: ASGIApp, chats: Chats) -> None:
        self._app = app
        self._chats = chats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        refused = await self._refused(Request(scope)) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    async def _refused(self, request: Request) -> JSONResponse | None:
        length = request.headers.get("content-length", "" if "transfer-encoding" in request.headers else "0")
        if not (length.isascii() and length.isdigit()):
            return JSONResponse({"detail": "send a Content-Length"}, 411)
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        writing = _WRITING.fullmatch(path) if request.method == "POST" else None
        sign = writing is not None and writing[2] == "composing"
        most = SIGN if sign else BODY
        if int(length) > most:
            return JSONResponse({"detail": f"too large: at most {most} bytes"}, 413)
        try:
            if writing:
                await self._chats.check(writing[1], request.headers.get("authorization", ""))
                # Counted by themselves: typing uses up nothing of what may be said.
                each, all_of_them, name = (SIGNS, SIGNS_OF_ALL, "sign") if sign else (MESSAGES, UPLOADS, "write")
                await self._chats.allow(each, name, writing[1])
                await self._chats.allow(all_of_them, name, address_of(request))
        except HTTPException as refused:
            return JSONResponse({"detail": refused.detail}, refused.status_code, refused.headers)
        except (Retry, Broken):
            return JSONResponse({"detail": "cannot be kept right now; try again"}, 503, {"Retry-After": "2"})
        return None
