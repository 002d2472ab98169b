"""What a request to the web chat's API must pass before its body is read."""

from __future__ import annotations

import re

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.web.chats import MESSAGES, UPLOADS, Chats, address_of
from core.errors import Retry
from core.fetching import LARGEST

BODY = 2 * LARGEST + 65_536  # bytes of one request
_WRITING = re.compile(r"/v1/conversations/([0-9a-f-]{36})/messages")


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
        if int(length) > BODY:
            return JSONResponse({"detail": f"too large: at most {BODY} bytes"}, 413)
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        writing = _WRITING.fullmatch(path) if request.method == "POST" else None
        try:
            if writing:
                await self._chats.check(writing[1], request.headers.get("authorization", ""))
                await self._chats.allow(MESSAGES, "write", writing[1])
                await self._chats.allow(UPLOADS, "write", address_of(request))
        except HTTPException as refused:
            return JSONResponse({"detail": refused.detail}, refused.status_code, refused.headers)
        except Retry:
            return JSONResponse({"detail": "cannot be kept right now; try again"}, 503, {"Retry-After": "2"})
        return None
