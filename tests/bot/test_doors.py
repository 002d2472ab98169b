"""Doors: one that is shut or breaks leaves the others open, and says what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

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


async def test_a_door_that_was_shut_is_tried_again_and_told_without_alarm(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Given the page of a proxy instead of the platform's answer, then the door opens once it is gone."""
    monkeypatch.setattr(rooms, "_MENDING", 0.01)
    page = [Broken("404: is POLYDESK_TELEGRAM_API_URL right?") for _ in range(3)]
    door = Troubled(*page, Broken("the token is refused"))
    doors = Doors({"telegram": door})
    with capture_logs() as logged:
        running = asyncio.create_task(doors.run(hear))
        async with asyncio.timeout(5):
            while not doors.open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert doors.open == ("telegram",) and doors.states["telegram"].trouble == ""
    told = [line for line in logged if line["event"] == "door.shut"]
    assert [line["log_level"] for line in told] == ["error", "warning", "warning", "error"]
    assert not any("exc_info" in line for line in told)
    running.cancel()


async def test_nobody_reads_where_the_database_is(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(rooms, "_FIRST_PAUSE", 60)
    away = Retry('the database is busy or away: connection to server at "10.1.2.3" failed for user "shop"')
    away.__cause__ = OperationalError("", {}, Exception())
    doors = Doors({"slack": Troubled(away)})
    with capture_logs() as logged:
        running = asyncio.create_task(doors.run(hear))
        async with asyncio.timeout(5):
            while not doors.states["slack"].trouble:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert doors.states["slack"].trouble == "the database is busy or away"
    assert "10.1.2.3" in str(logged)
    running.cancel()
