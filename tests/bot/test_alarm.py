"""The alarm posts once for each waiting customer, and again when the timers remind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bot.alarm import Alarm
from core.timers import MINUTE
from tests.core.conftest import Road, road

__all__ = ["road"]


class Hook:
    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.heard.append(await request.json())
        return web.Response(status=status)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield made
    await runner.cleanup()


async def test_a_waiting_customer_is_told_once_and_a_reminder_again(road: Road, hook: Hook) -> None:
    hook.statuses = [500]  # the first delivery fails, the next ring tries again
    alarm = asyncio.create_task(Alarm(road.store, road.bell, hook.url, "https://desk.example").run())
    await road.customer().says("/human", command="human")
    await road.settle()
    await road.until(lambda: not hook.statuses)
    road.bell.ring("anything")
    await road.until(lambda: hook.heard)
    road.bell.ring("anything else")
    road.clock.ahead += 11 * MINUTE
    await road.timers.tick()
    await road.until(lambda: len(hook.heard) == 2)
    alarm.cancel()
    conversation = await road.conversation()
    assert [told["event"] for told in hook.heard] == ["waiting", "reminder"]
    assert hook.heard[0]["url"] == f"https://desk.example/console/desk/{conversation.id}"
    assert hook.heard[0]["reason"] == "asked"
