"""Several gateways with one token: one of them receives, all of them send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.telegram.adapter import TelegramAdapter
from bot.doors import Doors
from core.clock import WallClock
from core.leases import Leases
from core.ports import Adapter
from core.store.store import Store
from core.values import InboundEvent, Reply
from tests.adapters.slack.stage import by_sockets
from tests.fakes.slack import FakeSlack
from tests.fakes.telegram import TOKEN, FakeTelegram


class Gate:
    """A gateway as far as doors are concerned."""

    def __init__(self, adapter: Adapter, store: Store, leases: Leases) -> None:
        self.adapter, self.store, self.leases = adapter, store, leases
        self.doors = Doors({adapter.platform: adapter}, leases)
        self.heard: list[InboundEvent] = []
        self.running = asyncio.create_task(self.doors.run(self._hear))

    @property
    def open(self) -> bool:
        return all(door.open for door in self.doors.states.values())

    async def _hear(self, event: InboundEvent) -> bool:
        self.heard.append(event)
        return True


@pytest.fixture(params=["telegram", "slack"])
async def platform(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Any, Callable[[], Adapter]]]:
    if request.param == "telegram":
        async with FakeTelegram() as telegram:
            yield telegram, lambda: TelegramAdapter(TOKEN, api_url=telegram.url, blob=lambda name: b"")
    else:
        async with FakeSlack(hurry=20) as slack:
            yield slack, lambda: by_sockets(slack)


@pytest.fixture
async def gates(platform: tuple[Any, Callable[[], Adapter]], tmp_path: Path) -> AsyncIterator[list[Gate]]:
    async with AsyncExitStack() as stack:
        made = []
        for name in ("one", "two"):
            store = await Store.open(f"sqlite:///{tmp_path / 'shared.db'}", None, WallClock())
            stack.push_async_callback(store.close)
            leases = Leases(store, WallClock(), name, lambda *call: None)
            await stack.enter_async_context(leases.running())
            made.append(Gate(platform[1](), store, leases))
        yield made
        for gate in made:
            gate.running.cancel()
        await asyncio.gather(*(gate.running for gate in made), return_exceptions=True)


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_one_receives_all_send_and_another_takes_over(
    platform: tuple[Any, Callable[[], Adapter]], gates: list[Gate]
) -> None:
    fake = platform[0]
    await until(lambda: all(gate.open for gate in gates))
    ada = fake.customer("Ada")
    await ada.says("hello")
    await until(lambda: any(gate.heard for gate in gates))
    (receiver,) = [gate for gate in gates if gate.heard]
    (other,) = [gate for gate in gates if not gate.heard]
    if isinstance(fake, FakeSlack):
        assert fake.sockets.count == 1
    else:
        assert 409 not in [call.status for call in fake.calls_of("getUpdates")]
    # Both speak.
    for number, gate in enumerate(gates):
        (call,) = gate.adapter.render(receiver.heard[0].address, Reply(f"answer {number}"))
        await gate.adapter.send(call)
        await ada.hears(f"answer {number}")
    # When the lease is taken from the receiver, it stops, and one of them goes on: never both for long, never none.
    await other.store.write(lambda tx: tx.leases.release(receiver.leases._gateway))
    taken = await other.store.write(lambda tx: tx.leases.take(f"door:{other.adapter.platform}", "two's friend", 2500))
    assert taken.token
    await until(lambda: f"door:{receiver.adapter.platform}" not in receiver.leases._kept)
    if isinstance(fake, FakeSlack):
        await until(lambda: fake.sockets.count == 0)
    await ada.says("is anybody there?")
    before = sum(len(gate.heard) for gate in gates)
    await until(lambda: sum(len(gate.heard) for gate in gates) > before)
    assert all(gate.open for gate in gates)
    # When the receiver goes away, the other receives.
    (receiver,) = [gate for gate in gates if f"door:{gate.adapter.platform}" in gate.leases._kept]
    (other,) = [gate for gate in gates if gate is not receiver]
    receiver.running.cancel()
    await asyncio.gather(receiver.running, return_exceptions=True)
    await receiver.store.write(lambda tx: tx.leases.release(receiver.leases._gateway))
    count = len(other.heard)
    await ada.says("still there?")
    await until(lambda: len(other.heard) > count)
    assert other.heard[-1].text == "still there?"
