"""Socket Mode: one WebSocket to Slack, replaced when Slack asks for it and whenever it breaks.

Reference: https://docs.slack.dev/apis/events-api/using-socket-mode. slack_sdk's own client acknowledges over another
connection than the event came by, tries a used-up address for ever, and leaves its tasks behind when it closes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import structlog

from adapters.fields import amount, child, string
from adapters.slack.client import Client
from adapters.slack.dispatch import Dispatch
from adapters.slack.gaps import Gaps
from adapters.slack.trouble import broken_off
from adapters.stumbling import stumble
from core.errors import PolydeskError, Retry
from core.ports import Standing

log = structlog.get_logger()

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between attempts to connect

_HEARTBEAT = 10.0  # seconds between pings; half of it for the answer
_HELLO = 10.0  # seconds for Slack's first word
_DRAIN = 30.0  # seconds for what is still on an old connection
_FAREWELL = 5.0  # seconds for what is being heard when the adapter closes
_BRIEF = 10.0  # seconds; a connection that lasted no longer is not replaced at once every time
_ABSENCE = 10.0  # seconds without a connection after which Slack may not deliver everything again
_MANY = 20.0  # seconds until ten connections may have become fewer
_LARGEST = 16 * 1024 * 1024  # bytes of an envelope


class Sockets:
    """Receives envelopes and acknowledges each, over the connection it came by, after it was committed."""

    def __init__(
        self,
        client: Client,
        app_token: str,
        dispatch: Dispatch,
        gaps: Gaps | None = None,
        *,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self._client = client
        self._app_token = app_token
        self._dispatch = dispatch
        self._gaps = gaps
        self._first_pause = pause
        self._takes: set[asyncio.Task[None]] = set()
        self._reads: set[asyncio.Task[None]] = set()
        self._open: set[aiohttp.ClientWebSocketResponse] = set()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Receive until the context ends.

        Raises:
            Broken: on entry, the app-level token is refused. Retry: on entry, no connection can be made now.
        """
        standing = await self._gaps.standing() if self._gaps else ()
        first = await self._connect()
        if self._gaps:
            self._gaps.read(standing)
        _beside(self._reads, self._keep(first))
        try:
            yield
        finally:
            await _stopped(self._reads)
            if self._takes:
                await asyncio.wait(self._takes, timeout=_FAREWELL)
            await _stopped(self._takes)
            await asyncio.gather(*map(self._shut, tuple(self._open)))

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        """A connection on which Slack has said hello.

        Raises:
            PolydeskError: as `Client.socket_address` says; Retry too when the connection fails.
        """
        address = await self._client.socket_address(self._app_token)
        try:
            socket = await self._client.session.ws_connect(
                address, heartbeat=_HEARTBEAT, max_msg_size=_LARGEST, proxy=self._client.proxy
            )
        # From None: the problem may quote the address, which opens the door to whoever knows it.
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            raise broken_off("Socket Mode", problem, repeatable=True) from None
        self._open.add(socket)
        try:
            async with asyncio.timeout(_HELLO):
                hello = _read(await socket.receive())
        except TimeoutError:
            hello = {}
        if string(hello, "type") == "hello":
            if amount(hello, "num_connections") > len(self._open):
                log.warning(
                    "slack.shared", why="another program uses this app, and gets a part of what customers write"
                )
            return socket
        await self._shut(socket)
        if string(hello, "reason") == "too_many_websockets":
            raise Retry("ten programs receive this app's events already; give each installation its own app", _MANY)
        raise Retry("Slack did not say hello", 2.0)

    async def _keep(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Read one connection after the other; an old one is read to its end beside the new."""
        pause = 0.0
        while True:
            began = time.monotonic()
            try:
                why = await self._listen(socket)
            except Exception as bug:
                # Nobody watches this task, and without it Slack is deaf: a new connection may do better.
                log.error("slack.connection_stumbled", **stumble(bug))
                why = "a bug of ours"
            log.info("slack.reconnecting", why=why)
            if why == "link_disabled":
                log.error("slack.disabled", do="turn Socket Mode on again: your app -> Settings -> Socket Mode")
            _beside(self._reads, self._drain(socket))
            left, broke = time.monotonic(), socket.closed
            if left - began > _BRIEF:
                pause = 0.0
            await asyncio.sleep(pause)
            pause = min(max(2 * pause, self._first_pause), LONGEST_PAUSE)
            standing = await self._standing()
            socket = await self._reconnect()
            # Nobody knows for how long a connection that broke was dead already; one that Slack has us replace is not.
            if self._gaps and (broke or time.monotonic() - left > _ABSENCE):
                self._gaps.read(standing)

    async def _standing(self) -> Sequence[Standing]:
        """What was heard before the new connection brings anything; without a store there is no use for one."""
        while self._gaps:
            try:
                return await self._gaps.standing()
            except Retry as problem:
                log.warning("slack.standing_unknown", seconds=problem.after, problem=str(problem))
                await asyncio.sleep(problem.after)
        return ()

    async def _reconnect(self) -> aiohttp.ClientWebSocketResponse:
        """Connect, however long it takes."""
        pause = self._first_pause
        while True:
            try:
                return await self._connect()
            except PolydeskError as problem:
                wait = max(pause, problem.after) if isinstance(problem, Retry) else LONGEST_PAUSE
                log.warning("slack.not_connected", seconds=wait, problem=str(problem))
            except Exception as bug:
                wait = LONGEST_PAUSE
                log.error("slack.connection_stumbled", **stumble(bug))
            await asyncio.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        """Take envelopes until Slack wants another connection or this one ends; returns why."""
        async for message in socket:
            envelope = _read(message)
            if string(envelope, "type") == "disconnect":
                return string(envelope, "reason") or "asked to"
            if string(envelope, "envelope_id"):
                _beside(self._takes, self._take(socket, envelope))
        return f"closed ({socket.close_code})"

    async def _drain(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Events that Slack put on the old connection before it saw the new one."""
        try:
            async with asyncio.timeout(_DRAIN):
                await self._listen(socket)
        except TimeoutError:
            pass
        finally:
            await self._shut(socket)

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, envelope: dict[str, Any]) -> None:
        retry = {"x-slack-retry-num": str(envelope.get("retry_attempt") or 0)}
        answer = await self._dispatch.over_socket(child(envelope, "payload"), retry)
        if answer.status != 200:
            return  # Slack delivers it again
        try:
            await socket.send_str(json.dumps({"envelope_id": string(envelope, "envelope_id")}))
        except (ConnectionError, aiohttp.ClientError):
            log.info("slack.not_acknowledged", why="the connection is gone; what comes again is known")

    async def _shut(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._open.discard(socket)
        await socket.close()


def _beside(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _stopped(tasks: set[asyncio.Task[None]]) -> None:
    left = tuple(tasks)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _read(message: aiohttp.WSMessage) -> dict[str, Any]:
    """The JSON object in a message, or an empty one."""
    if message.type is not aiohttp.WSMsgType.TEXT:
        return {}
    try:
        found = json.loads(message.data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
