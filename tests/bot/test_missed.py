"""Catching up with the store behind it: what was missed is committed once, and people learn of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import select

from bot.doors import Doors
from bot.measures import Measures
from bot.missed import Missed
from core.bell import Bell
from core.clock import WallClock
from core.conversation import resolve
from core.leases import Alone, Holding, Leases
from core.ports import Reading
from core.store.store import Store, Tx
from core.store.tables import events, messages
from core.values import InboundEvent
from tests.adapters.slack.stage import by_sockets
from tests.fakes.slack import FakeSlack
from tests.migrated import migrated

DAY = 24 * 3600 * 1000


@dataclass
class Gate:
    """A gateway as far as hearing is concerned."""

    store: Store
    measures: Measures
    running: asyncio.Task[None]
    before: list[Callable[[InboundEvent], Awaitable[None]]]

    def counted(self, name: str) -> float:
        return float(self.measures.registry.get_sample_value(name, {"platform": "slack"}) or 0)

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(hurry=600) as platform:
        platform.events.patience = 1.0
        yield platform


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(migrated(tmp_path / "polydesk.db"), None, WallClock())
    yield opened
    await opened.close()


@pytest.fixture
async def begin(slack: FakeSlack, store: Store) -> AsyncIterator[Callable[..., Gate]]:
    async with AsyncExitStack() as stack:

        def start(holding: Holding | None = None) -> Gate:
            measures, before = Measures(), []  # type: ignore[var-annotated]

            async def hear(event: InboundEvent) -> bool:
                for work in before:
                    await work(event)
                heard = await store.write(lambda tx: tx.ledger.remember(event, DAY, "bot", "kb"))
                return heard is None or heard.conversation is not None

            adapter = by_sockets(slack)
            adapter.catch_up_from(Missed("slack", store, Bell(), measures))
            doors = Doors({"slack": adapter}, holding or Alone())
            gate = Gate(store, measures, asyncio.create_task(doors.run(hear)), before)
            stack.push_async_callback(gate.stop)
            return gate

        yield start


async def until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)


async def heard(store: Store) -> list[str]:
    """The words of every event, as committed."""
    rows = await store.read(lambda tx: tx.sql.rows(select(events.c.payload).order_by(events.c.seq, events.c.id)))
    return [row.payload["text"] for row in rows]


async def notes(store: Store) -> list[str]:
    rows = await store.read(lambda tx: tx.sql.rows(select(messages.c.text).where(messages.c.kind == "note")))
    return [row.text for row in rows]


async def test_what_was_missed_is_heard_once_and_agents_see_so(
    slack: FakeSlack, store: Store, begin: Callable[..., Gate]
) -> None:
    ada = slack.customer("Ada")
    gate = begin()
    await until(lambda: slack.sockets.count == 1)
    await ada.says("live")
    await slack.settled()
    await gate.stop()
    # Given words that Slack will never deliver
    ada.writes_unheard("missed")
    ada.writes_unheard("missed, too")
    # When a gateway starts, and starts again
    gate = begin()
    await until(lambda: gate.counted("polydesk_missed_messages_total") == 2)
    (note,) = await until(lambda: notes(store))
    await gate.stop()
    gate = begin()
    await until(lambda: len(slack.calls_of("conversations.history")) == 2)
    await asyncio.sleep(0.2)
    # Then each is there once, and agents see how it came
    assert await heard(store) == ["live", "missed", "missed, too"]
    assert note.startswith("2 messages were not delivered by Slack") and await notes(store) == [note]
    assert gate.counted("polydesk_missed_messages_total") == 0


async def test_a_delivery_whose_commit_is_under_way_is_not_doubled(
    slack: FakeSlack, store: Store, begin: Callable[..., Gate]
) -> None:
    ada = slack.customer("Ada")
    gate = begin()
    await until(lambda: slack.sockets.count == 1)
    await ada.says("live")
    await slack.settled()
    # Given a message that was delivered, and whose commit takes its time
    asked: list[str] = []
    go_on = asyncio.Event()

    async def wait(event: InboundEvent) -> None:
        asked.append(event.id)
        await go_on.wait()

    gate.before.append(wait)
    await ada.says("once")
    await until(lambda: len(asked) == 1)
    # When the gateway that takes over finds it in the history, and both commit at once
    begin().before.append(wait)
    await until(lambda: len(slack.calls_of("conversations.history")) == 1 and len(asked) == 2)
    go_on.set()
    await slack.settled()
    await asyncio.sleep(0.2)
    # Then the ledger has it once
    assert len(asked) >= 2 and len(set(asked)) == 1
    assert await heard(store) == ["live", "once"]


async def test_what_has_ended_is_not_read(slack: FakeSlack, store: Store, begin: Callable[..., Gate]) -> None:
    ada = slack.customer("Ada")
    gate = begin()
    await until(lambda: slack.sockets.count == 1)
    await ada.says("live")
    await slack.settled()
    await gate.stop()
    (conversation,) = await store.read(lambda tx: tx.conversations.list())
    await store.write(lambda tx: tx.conversations.put(resolve(conversation, store.clock.now())))
    ada.writes_unheard("after the end")
    before = len(slack.calls_of("conversations.history"))
    begin()
    await until(lambda: slack.sockets.count == 1)
    await asyncio.sleep(0.3)
    assert len(slack.calls_of("conversations.history")) == before and await heard(store) == ["live"]


async def test_only_the_gateway_that_receives_reads(slack: FakeSlack, store: Store, begin: Callable[..., Gate]) -> None:
    ada = slack.customer("Ada")
    gate = begin()
    await until(lambda: slack.sockets.count == 1)
    await ada.says("live")
    await slack.settled()
    await gate.stop()
    ada.writes_unheard("missed")
    before = len(slack.calls_of("conversations.history"))
    async with AsyncExitStack() as stack:
        gates = []
        for name in ("one", "two"):
            leases = Leases(store, WallClock(), name, lambda *call: None)
            await stack.enter_async_context(leases.running())
            gates.append(begin(leases))
        await until(lambda: sum(gate.counted("polydesk_missed_messages_total") for gate in gates) == 1)
        await asyncio.sleep(1.5)
        assert len(slack.calls_of("conversations.history")) == before + 1
        for gate in gates:
            await gate.stop()
    assert await heard(store) == ["live", "missed"]


async def test_what_could_not_be_read_is_said(
    slack: FakeSlack, store: Store, begin: Callable[..., Gate], capsys: pytest.CaptureFixture[str]
) -> None:
    ada, bob = slack.customer("Ada"), slack.customer("Bob")
    gate = begin()
    await until(lambda: slack.sockets.count == 1)
    await ada.says("a secret")
    await bob.says("another")
    await slack.settled()
    await gate.stop()
    slack.workspace.scopes.discard("im:history")
    gate = begin()
    await until(lambda: gate.counted("polydesk_unread_conversations_total") == 2)
    told = await until(lambda: notes(store))
    assert len(told) == 2 and all("look in Slack" in note for note in told)
    # And again, but agents need no second note about the same trouble
    await slack.sockets.cut()
    await until(lambda: gate.counted("polydesk_unread_conversations_total") == 4)
    await asyncio.sleep(0.2)
    assert await notes(store) == told
    printed = "".join(capsys.readouterr())
    assert "gap.unread" in printed and "im:history" in printed and "secret" not in printed
    assert b"polydesk_unread_conversations_total" in generate_latest(gate.measures.registry)


async def test_a_conversation_that_was_forgotten_meanwhile_needs_no_note(store: Store) -> None:
    missed = Missed("slack", store, Bell(), Measures())
    await missed.caught_up((Reading("gone", 1), Reading("", 2), Reading("gone too", 0, "why")))

    async def count(tx: Tx) -> int:
        return len(await tx.conversations.list())

    assert await store.read(count) == 0
