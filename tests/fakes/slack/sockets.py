"""Socket Mode: WebSocket connections of our app, each envelope to one of them."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes.platform import Platform
from tests.fakes.slack.world import World, slack_id

CONNECTION_LIMIT = 10


class Sockets:
    """The open connections; `seed` decides which one gets an envelope."""

    def __init__(self, platform: Platform, world: World, *, seed: int) -> None:
        self._platform = platform
        self._world = world
        self._random = random.Random(seed)
        self._tickets: set[str] = set()
        self._open: dict[web.WebSocketResponse, web.Request] = {}
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        platform.app.router.add_get("/link/", self._serve)

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def new_url(self) -> str:
        """A WebSocket address that is good for one connection."""
        ticket = str(uuid.uuid4())
        self._tickets.add(ticket)
        return f"{self._platform.url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={self._world.app_id}"

    async def send(self, kind: str, payload: dict[str, Any], patience: float, **more: Any) -> tuple[str, bool]:
        """Send an envelope to one random connection: its envelope_id, and whether it was acknowledged in time."""
        envelope_id = str(uuid.uuid4())
        envelope = {
            "type": kind,
            "envelope_id": envelope_id,
            "payload": payload,
            "accepts_response_payload": kind == "interactive",
            **more,
        }
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = future
        try:
            if self._open:
                await self._random.choice(list(self._open)).send_json(envelope)
            # With nobody connected the envelope is as good as unanswered.
            await asyncio.wait_for(future, patience)
        except (TimeoutError, ConnectionError):
            return envelope_id, False
        finally:
            self._waiting.pop(envelope_id, None)
        return envelope_id, True

    async def refresh(self, reason: str = "refresh_requested", grace: float = 0.2) -> None:
        """Ask every connection to be replaced, as Slack does every few hours, and close it after `grace` seconds."""
        old = list(self._open)
        debug = {"host": "applink-7fc4fdbb64-4x5xq"}
        for socket in old:
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": debug})
        for socket in old:
            self._open.pop(socket, None)
            self._platform.spawn(self._close_later(socket, grace))

    async def cut(self) -> None:
        """Break every connection without a word."""
        for request in list(self._open.values()):
            if request.transport is not None:
                request.transport.abort()
        self._open.clear()

    async def close(self) -> None:
        """Close every connection."""
        for socket in list(self._open):
            await socket.close()

    async def _close_later(self, socket: web.WebSocketResponse, grace: float) -> None:
        await asyncio.sleep(grace)
        await socket.close()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        if request.query.get("ticket") not in self._tickets:
            raise web.HTTPNotFound
        self._tickets.discard(request.query["ticket"])
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if len(self._open) >= CONNECTION_LIMIT:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await socket.close()
            return socket
        self._open[socket] = request
        hello = {
            "type": "hello",
            "num_connections": len(self._open),
            "debug_info": {"host": "applink", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": self._world.app_id},
        }
        await socket.send_json(hello)
        self._platform.changed()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._heard(message.data)
        finally:
            self._open.pop(socket, None)
            self._platform.changed()
        return socket

    def _heard(self, text: str) -> None:
        try:
            answer = json.loads(text)
            envelope_id = answer["envelope_id"]
        except (ValueError, KeyError, TypeError):
            self._platform.complain(f"a Socket Mode message without envelope_id: {text[:100]}")
            return
        waiting = self._waiting.get(envelope_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


def new_trigger() -> str:
    """A trigger_id, good for three seconds on the real Slack."""
    return f"{random.getrandbits(40)}.{random.getrandbits(40)}.{slack_id('')}"
