"""A database that is locked, a disk that is full: in a running installation, with a customer who writes meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.flows.agent import Agent
from tests.flows.installation import PATIENT, Browserless, Installation

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[[], Awaitable[Browserless]]


@contextlib.asynccontextmanager
async def locked(shop: Installation) -> AsyncIterator[None]:
    """Somebody else writes to the database and does not come to an end, as a backup tool might."""
    other = sqlite3.connect(shop.data / "polydesk.db", isolation_level=None, timeout=30)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextlib.asynccontextmanager
async def full(shop: Installation) -> AsyncIterator[None]:
    """No file of the gateway can grow: every write fails."""
    gateway = shop.child("gateway")
    before = resource.prlimit(gateway, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(gateway, resource.RLIMIT_FSIZE, before)


async def accepted(ada: Browserless, text: str) -> int:
    """Post it as the page does, again and again under the same id; how often it was refused first."""
    for refused in range(1000):
        words = {"client_id": "again", "text": text}
        answer = await ada.http.post(f"/api/v1/conversations/{ada.id}/messages", data=words)
        if answer.status_code == 202:
            return refused
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0, answer.text
        await asyncio.sleep(0.2)
    raise AssertionError("never accepted")


async def trouble(agent: Agent) -> str:
    """The note that every open page of the console shows."""
    async with agent.http.stream("GET", "/console/live") as live:
        async for line in live.aiter_lines():
            if line.startswith("data:"):
                return str(json.loads(line[5:])["trouble"])
    return ""


@pytest.mark.parametrize("broken", [locked, full])
async def test_nothing_is_lost_while_nothing_can_be_written(
    web: Open,
    shop: Installation,
    agent: Agent,
    broken: Callable[[Installation], contextlib.AbstractAsyncContextManager[None]],
) -> None:
    ada, bob = await web(), await web()
    await ada.says("cancel my order")  # acknowledged, and not asked about yet, since more may follow
    async with broken(shop):
        writing = asyncio.create_task(accepted(bob, "how do i cancel my order?"))
        began = time.monotonic()
        seen = False
        while time.monotonic() - began < 12:
            seen = seen or "cannot be written" in await trouble(agent)
            await asyncio.sleep(0.5)
        assert not writing.done(), "nobody may be told that something was kept"
        assert seen, "the agents see it"
        told = (await agent.http.get("/readyz")).json()
        assert any("database" in one for one in told["missing"]), told
    # Then everything goes on by itself: each message is answered, once.
    await asyncio.wait_for(writing, PATIENT)
    for one in (ada, bob):
        await one.sees("As long as the order says")
    await shop.healthy()
    await asyncio.sleep(1.0)
    for one in (ada, bob):
        assert len(await one.told()) == 1
    assert "cannot be written" not in await trouble(agent)
