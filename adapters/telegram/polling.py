"""Fetching updates by long polling, each confirmed only after it was committed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog

from adapters.fields import whole
from adapters.stumbling import stumble
from adapters.telegram.client import Client
from adapters.telegram.intake import Intake
from adapters.telegram.parse import UPDATES
from adapters.telegram.trouble import Conflict
from core.errors import Broken, PolydeskError, Retry
from core.values import InboundEvent

log = structlog.get_logger()

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between attempts after trouble

_CONFLICT = (
    "another program receives this bot's messages: stop it, or give each its own bot from @BotFather. Where a webhook "
    "was set elsewhere, start that program no more and restart this one, which removes it"
)


class _Stopped(Exception):
    """The adapter is closing."""


class Polling:
    """One loop over getUpdates, until `stop` is set.

    The next getUpdates, which confirms a batch, is made only after every event of it was heard; a crash in between
    brings the whole batch again, and the gateway knows what it knows. Events of one chat stay in order, chats do not
    wait for each other.
    """

    def __init__(self, client: Client, intake: Intake, stop: asyncio.Event, sleep: Sleep = asyncio.sleep) -> None:
        self._client = client
        self._intake = intake
        self._stop = stop
        self._sleep = sleep
        self._offset = 0
        self._pause = FIRST_PAUSE

    async def run(self) -> None:
        """Receive until stopped; no trouble ends it."""
        try:
            while not self._stop.is_set():
                try:
                    await self._round()
                    self._pause = FIRST_PAUSE
                except PolydeskError as trouble:
                    await self._after(trouble)
                except _Stopped:
                    raise
                except Exception as bug:
                    log.error("telegram.polling_stumbled", **stumble(bug))
                    await self._wait(LONGEST_PAUSE)
        except _Stopped:
            return

    async def _round(self) -> None:
        batch = await self._unless_stopped(self._client.updates(self._offset, UPDATES))
        lanes: dict[str, list[InboundEvent]] = {}
        for update in batch:
            event = self._intake.read(update)
            if event is not None:
                lanes.setdefault(event.address.chat, []).append(event)
        async with asyncio.TaskGroup() as group:
            hearings = [group.create_task(self._hear_all(events)) for events in lanes.values()]
        if not all(hearing.result() for hearing in hearings):
            raise _Stopped
        numbers = [number for update in batch if (number := whole(update, "update_id")) is not None]
        if numbers:
            self._offset = max(self._offset, *(number + 1 for number in numbers))
        else:
            # All is confirmed. After a week of silence update ids start anew at random, perhaps below ours, and a
            # stale offset would throw those away unread.
            self._offset = 0

    async def _hear_all(self, events: list[InboundEvent]) -> bool:
        """Hear a chat's events in order, however long it takes; False when stopped before the last."""
        for event in events:
            pause = FIRST_PAUSE
            while True:
                if self._stop.is_set():
                    return False
                try:
                    await self._intake.take(event)
                    break
                except Retry as trouble:
                    pause = max(pause, min(trouble.after, LONGEST_PAUSE))
                    log.warning("telegram.not_committed", event_id=event.id, seconds=pause, problem=str(trouble))
                try:
                    await self._wait(pause)
                except _Stopped:
                    return False
                pause = min(pause * 2, LONGEST_PAUSE)
        return True

    async def _after(self, trouble: PolydeskError) -> None:
        if isinstance(trouble, Conflict):
            log.error("telegram.conflict", problem=str(trouble), seconds=self._pause, advice=_CONFLICT)
        elif isinstance(trouble, Broken):
            self._pause = LONGEST_PAUSE
            log.error("telegram.refused", problem=str(trouble), seconds=self._pause)
        else:
            log.warning("telegram.unreachable", problem=str(trouble), seconds=self._pause)
        after = trouble.after if isinstance(trouble, Retry) else 0.0
        await self._wait(max(self._pause, after))
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _wait(self, seconds: float) -> None:
        await self._unless_stopped(self._sleep(seconds))

    async def _unless_stopped(self, work: Awaitable[T]) -> T:
        """The result of `work`, which is abandoned when the adapter closes."""
        doing: asyncio.Future[Any] = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise _Stopped
            result: T = doing.result()
            return result
        finally:
            for task in (doing, stopping):
                task.cancel()
            await asyncio.gather(doing, stopping, return_exceptions=True)
