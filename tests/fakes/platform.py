"""A local HTTP server with a log of calls, from which both fake platforms are made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import web

from tests.fakes.faults import Fault, Faults, Where, Wrong

T = TypeVar("T")

UPLOAD_LIMIT = 60 * 1024 * 1024


@dataclass(slots=True)
class ApiCall:
    """A call our side made, and what it was answered; `status` is 0 when the connection was dropped."""

    method: str
    arguments: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    at: float = field(default_factory=time.monotonic)
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the platform answered that it was done."""
        return bool(self.answer.get("ok"))


class Platform:
    """A server on a free port of 127.0.0.1, used as an async context manager.

    What a real platform would swallow silently although it is a mistake of the sender lands in `complaints`; leaving
    the context raises AssertionError when there are any, unless `strict` is False.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.calls: list[ApiCall] = []
        self.complaints: list[str] = []
        self.faults = Faults()
        self.app = web.Application(client_max_size=UPLOAD_LIMIT)
        self.url = ""
        self.closing = asyncio.Event()
        self._changed = asyncio.Event()
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.2)
        self._session: aiohttp.ClientSession | None = None
        self._running: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        # Deliveries to us need as many connections as the platform would open.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.changed()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        await self._runner.cleanup()
        if kind is None and self.strict and self.complaints:
            raise AssertionError("the platform was sent things it would not have liked:\n" + "\n".join(self.complaints))

    @property
    def session(self) -> aiohttp.ClientSession:
        """The HTTP client with which the platform reaches us."""
        if self._session is None:
            raise RuntimeError("the platform is not running: use `async with`")
        return self._session

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something beside the tests until it ends or the platform closes."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def changed(self) -> None:
        """Wake whoever waits in `until`."""
        self._changed.set()

    async def until(self, what: Callable[[], T | None], timeout: float = 20.0) -> T:  # noqa: ASYNC109 - part of the wording
        """Wait until `what()` is truthy, then return it.

        Raises:
            AssertionError: it was not within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            if value := what():
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"did not come true within {timeout} s; last calls: {self._last_calls()}")
            self._changed.clear()
            try:
                # The condition may look at things that do not announce themselves, so look again soon.
                await asyncio.wait_for(self._changed.wait(), 0.02)
            except TimeoutError:
                continue

    def calls_of(self, method: str) -> list[ApiCall]:
        """The calls of one API method, in order."""
        return [call for call in self.calls if call.method.lower() == method.lower()]

    def complain(self, what: str) -> None:
        """Note a mistake that the real platform would not answer with an error."""
        self.complaints.append(what)

    def drop_next(self, method: str, *, after_effect: bool, times: int = 1, where: Where | None = None) -> None:
        """Cut the connection of the next call(s), before or after the platform did what was asked."""
        wrong = Wrong.DROP_AFTER if after_effect else Wrong.DROP_BEFORE
        self.faults.plan(method, Fault(wrong, left=times, where=where))

    def slow_next(self, method: str, seconds: float, *, times: int = 1, where: Where | None = None) -> None:
        """Do what the next call(s) ask at once, but answer only after `seconds`."""
        self.faults.plan(method, Fault(Wrong.SLOW, seconds=seconds, left=times, where=where))

    async def dropped(self, request: web.Request, fault: Fault | None, *, done: bool) -> bool:
        """Let a drop or a delay happen, before (`done` False) or after the effect; True when the connection is cut."""
        if fault is None:
            return False
        if fault.wrong is (Wrong.DROP_AFTER if done else Wrong.DROP_BEFORE):
            if request.transport is not None:
                request.transport.abort()
            return True
        if done and fault.wrong is Wrong.SLOW:
            await asyncio.sleep(fault.seconds)
        return False

    def _last_calls(self) -> list[str]:
        return [
            f"{call.method} -> {call.status} {call.answer.get('description') or call.answer.get('error') or ''}"
            for call in self.calls[-6:]
        ]
