"""The line between gateways, over a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from redis.asyncio import Redis

from bot.broker import embedded
from bot.line import Line
from core.bell import BUSY, Bell
from core.broker import BELL


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_rings_here_rings_there_and_calls_reach_one(tmp_path: Path) -> None:
    rung: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    called: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    gaps: list[str] = []
    with embedded(tmp_path / "run") as server:
        lines = {name: Line(server.url, name) for name in "abc"}
        ends = [
            line.running(rung[name].append, called[name].append, lambda name=name: gaps.append(name))
            for name, line in lines.items()
        ]
        async with ends[0], ends[1], ends[2]:
            await until(lambda: len(gaps) == 3)
            for _ in range(3):
                lines["a"].ring("a conversation")
            lines["a"].call("b", "another")
            await until(lambda: rung["b"] and rung["c"] and called["b"])
            assert rung == {"a": [], "b": ["a conversation"], "c": ["a conversation"]}, "once, and not to itself"
            assert called == {"a": [], "b": ["another"], "c": []}
            # Somebody else's words on our channel are nobody's business.
            redis = Redis.from_url(server.url)
            for junk in (b"\xff", "1", '{"a": 1}', '["x", 7]'):
                await redis.publish(BELL, junk)
            await redis.aclose()
            # When the server is started anew, everybody listens again, and knows of the gap.
            await asyncio.to_thread(server.stop)
            lines["a"].ring("lost")
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.start)
            await until(lambda: len(gaps) == 6, 15)
            lines["c"].ring("again")
            await until(lambda: rung["a"] == ["again"] and rung["b"][-1] == "again")


async def test_after_a_gap_every_page_looks() -> None:
    told: list[str] = []
    bell = Bell(told.append)
    async with bell.listening("chat") as chat, bell.listening() as desk, bell.listening(BUSY + "chat") as busy:
        bell.ring_all()
        assert await chat.wait(0) and await desk.wait(0) and not await busy.wait(0)
        assert told == []
        bell.hear("chat")
        assert await chat.wait(0) == {"chat"} and told == []
        bell.ring("chat")
        assert told == ["chat"]
