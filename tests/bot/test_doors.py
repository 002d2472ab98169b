"""Doors: one that is shut or breaks leaves the others open, and says what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot import doors as rooms
from bot.doors import Doors
from core.errors import Broken, Retry
from core.ports import Hear
from core.values import InboundEvent
from tests.fakes.house import FakePlatform


class Troubled(FakePlatform):
    def __init__(self, *problems: Exception) -> None:
        super().__init__()
        self.problems = list(problems)
        self.opened = 0

    @asynccontextmanager
    async def running(self, hear: Hear) -> AsyncIterator[None]:
        self.opened += 1
        if self.problems:
            raise self.problems.pop(0)
        yield


async def hear(event: InboundEvent) -> bool:
    return True


async def test_a_wrong_token_shuts_only_its_own_door(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    shut = Troubled(Broken("the token is refused; get one from @BotFather"))
    broken = Troubled(ZeroDivisionError("nobody foresaw this"), Retry("no network", after=0))
    well = Troubled()
    monkeypatch.setattr(rooms, "_FIRST_PAUSE", 0.01)
    doors = Doors({"telegram": shut, "slack": broken, "web": well})
    running = asyncio.create_task(doors.run(hear))
    async with asyncio.timeout(5):
        while not (doors.states["slack"].open and doors.states["web"].open):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not doors.states["telegram"].open
    assert "@BotFather" in doors.states["telegram"].trouble
    assert (shut.opened, broken.opened, well.opened) == (1, 3, 1)
    running.cancel()
