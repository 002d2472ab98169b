"""Several gateways on one database: who works on a conversation, and what happens when they stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from core.answering import Answering, Room
from core.bell import Bell
from core.clock import WallClock
from core.delivery import Courier
from core.errors import BadInput, Broken, PolydeskError
from core.fetching import Fetcher
from core.hearing import Hearing
from core.leases import TERM, Leases, Lost
from core.live import Live
from core.publishing import Publishing
from core.store.store import Store
from core.store.tables import leases, outbox
from tests.core.conftest import KNOWLEDGE, TurnableClock
from tests.fakes.house import FakeBrain, FakeCustomer, FakePlatform, sure

_STATES = select(outbox.c.state).order_by(outbox.c.seq)
_HOLDERS = select(leases.c.gateway)
ENOUGH = 6.0  # seconds; a holder stops after 5, by which it has asked and spoken, on a busy machine too
ANSWER = "See the tracking page."


class Frozen(Leases):
    """Never renewed."""

    async def _renew(self) -> None:
        pass


@dataclass
class Gateway:
    """One of several; a term that is given is never renewed, as if the process stood still."""

    name: str
    store: Store
    leases: Leases
    platform: FakePlatform
    brain: FakeBrain
    courier: Courier
    answering: Answering
    hearing: Hearing
    told: list[tuple[str, str]]

    def wake(self, conversation: str) -> None:
        self.answering.wake(conversation)
        self.courier.wake(conversation)

    async def look_around(self) -> tuple[str, ...]:
        """Wake for what nobody has the lease of, and tell what that was."""
        neglected = await self.store.read(lambda tx: tx.leases.neglected(["fake"]))
        for conversation in neglected:
            self.wake(conversation)
        return neglected


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., object]]:
    """Starts gateways on one database and one platform."""
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    seen: dict[str, list] = {}  # type: ignore[type-arg]
    first = await Store.open(url, tmp_path / "blobs", WallClock())
    publishing = Publishing(first, Bell(), WallClock(), "default")
    await publishing.bring_in(KNOWLEDGE)
    await publishing.publish()
    stack = AsyncExitStack()

    @asynccontextmanager
    async def running(name: str, term: float | None) -> AsyncIterator[Gateway]:
        clock, bell, platform = WallClock(), Bell(), FakePlatform()
        platform.seen = seen
        doors = {"fake": platform}
        brain = FakeBrain(lambda question: sure(question, "track-order"))
        store = await Store.open(url, tmp_path / "blobs", clock)
        told: list[tuple[str, str]] = []
        kind = Leases if term is None else Frozen
        leases = kind(store, clock, name, lambda *call: told.append(call), term=term or TERM)
        live = Live(store, store.blobs)
        courier = Courier(store, doors, live, bell, clock, leases)
        fetcher = Fetcher(doors, store.blobs, clock)
        answering = Answering(Room(store, brain, doors, fetcher, live, courier, bell, clock, holding=leases))
        hearing = Hearing(store, answering, bell, idle_ms=86_400_000, bot_id="default", kb_id="default")
        async with leases.running():
            yield Gateway(name, store, leases, platform, brain, courier, answering, hearing, told)
            await answering.close()
            await courier.close()
        await store.close()

    async def begin(name: str, term: float | None = None) -> Gateway:
        return await stack.enter_async_context(running(name, term))

    yield begin
    await stack.aclose()
    await first.close()


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_the_holder_works_and_the_other_tells_it(start) -> None:
    """Given a conversation that one works on, when the other hears its next words, then the first is told."""
    one, two = await start("one"), await start("two")
    ada = FakeCustomer(one.hearing.hear)
    one.brain.gate = asyncio.Event()
    await ada.says("where is my order?")
    await until(lambda: one.brain.asked)
    ada._hear = two.hearing.hear
    await ada.says("I mean the one of Monday")
    await until(lambda: two.told)
    gateway, conversation = two.told[0]
    assert gateway == "one" and two.brain.asked == []
    one.wake(conversation)
    await until(lambda: len(one.brain.asked) > 1)
    one.brain.gate.set()
    await until(lambda: one.platform.texts("c1"))
    await one.answering.idle()
    # Both messages were one turn: what came meanwhile superseded the first question.
    assert one.brain.asked[-1].text == "where is my order?\nI mean the one of Monday"
    assert one.platform.texts("c1")[-1].endswith(ANSWER) and len(one.platform.texts("c1")) == 1


async def test_who_stops_in_the_middle_of_a_turn_is_overtaken(start) -> None:
    """Given a gateway that stands still while it thinks, then another answers, and the first does not any more."""
    slow, quick = await start("slow", ENOUGH), await start("quick")
    slow.brain.gate = asyncio.Event()
    ada = FakeCustomer(slow.hearing.hear)
    await ada.says("where is my order?")
    await until(lambda: slow.brain.asked)
    await slow.answering.idle()  # its lease has run out by its own clock, so it has let go
    assert quick.platform.texts("c1") == []
    async with asyncio.timeout(20):
        while not quick.brain.asked:
            await quick.look_around()
            await asyncio.sleep(0.2)
    slow.brain.gate.set()
    await until(lambda: quick.platform.texts("c1"))
    await quick.answering.idle()
    await asyncio.sleep(0.3)
    assert len(quick.platform.texts("c1")) == 1


async def test_who_wakes_up_late_writes_nothing(start) -> None:
    """Given a holder that does not know that its lease has run out, then its transaction does."""
    slow, quick = await start("slow", 60.0), await start("quick")
    customer = FakeCustomer(quick.hearing.hear)
    event = customer.event("hello")
    heard = await slow.store.write(lambda tx: tx.ledger.remember(event, 10**9, "b", "default"))
    id = heard.conversation.id
    async with slow.leases.held(id) as ours:
        assert ours
        await slow.store.write(lambda tx: slow.leases.confirm(tx, id))
    # As after a minute of which a frozen process knows nothing
    await quick.store.write(lambda tx: tx.sql.run(leases.update().values(until=0)))
    async with quick.leases.held(id) as ours:
        assert ours
        with pytest.raises(Lost):
            await slow.store.write(lambda tx: slow.leases.confirm(tx, id))
        await quick.store.write(lambda tx: quick.leases.confirm(tx, id))
    slow.leases._kept[id].until -= 3600
    with pytest.raises(Lost):
        slow.leases.sure(id)


async def test_words_on_their_way_when_the_sender_stops_are_not_sent_again(start) -> None:
    """Given a platform that nobody can read back, then the customer is told once how to ask again."""
    slow, quick = await start("slow", ENOUGH), await start("quick")
    slow.platform.gate = asyncio.Event()
    ada = FakeCustomer(slow.hearing.hear)
    await ada.says("where is my order?")
    await until(lambda: slow.brain.asked)
    await slow.answering.idle()
    await slow.courier.idle()  # stopped in the middle of the call
    async with asyncio.timeout(20):
        while not quick.platform.texts("c1"):
            await quick.look_around()
            await asyncio.sleep(0.2)
    await quick.courier.idle()
    (notice,) = quick.platform.texts("c1")
    assert "may not have reached you" in notice
    rows = await quick.store.read(lambda tx: tx.sql.column(_STATES))
    assert sorted(rows) == ["sent", "unknown"]


async def test_an_outcome_that_is_known_late_is_written_down(start) -> None:
    """Given words that arrived just as the lease ran out, then they count as sent, and nobody sends them again."""
    slow, quick = await start("slow", ENOUGH), await start("quick")
    ada = FakeCustomer(slow.hearing.hear)
    real, going = slow.store.write, asyncio.Event()

    async def away(work):  # type: ignore[no-untyped-def]
        if slow.platform.texts("c1"):  # the database is away right after the call
            await going.wait()
        return await real(work)

    slow.store.write = away  # type: ignore[method-assign]
    await ada.says("where is my order?")
    await until(lambda: slow.platform.texts("c1"))
    await slow.courier.idle()
    async with asyncio.timeout(20):
        while not await quick.look_around():  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.1)
        while await quick.store.read(lambda tx: tx.sql.column(_HOLDERS)) != ("quick",):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    # It has the lease now, and gives the platform a moment
    going.set()
    await quick.courier.idle()
    await quick.look_around()
    await quick.courier.idle()
    assert len(quick.platform.texts("c1")) == 1
    assert await quick.store.read(lambda tx: tx.sql.column(_STATES)) == ("sent",)


async def test_chores_move_on_when_their_gateway_stops(start) -> None:
    one, two = await start("one"), await start("two")
    doing: list[str] = []

    async def chore(name: str) -> None:
        doing.append(name)
        await asyncio.Event().wait()

    first = asyncio.create_task(one.leases.alone("timers", lambda: chore("one")))
    await until(lambda: doing)
    second = asyncio.create_task(two.leases.alone("timers", lambda: chore("two")))
    await asyncio.sleep(1.5)
    assert doing == ["one"]
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await one.store.write(lambda tx: tx.leases.release("one"))
    await until(lambda: len(doing) == 2)
    assert doing == ["one", "two"]
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


@pytest.mark.parametrize("trouble", [Broken("the database failed"), BadInput("nobody foresaw this")])
async def test_a_chore_is_done_once_the_database_is_mended(start, monkeypatch, trouble: PolydeskError) -> None:
    """Given a lease that cannot be taken, whatever the reason, then it is asked for again."""
    monkeypatch.setattr("core.leases.MENDING", 0.05)
    monkeypatch.setattr("core.leases._AGAIN", 0.05)
    one = await start("one")
    real, failures, done = one.store.write, iter(range(2)), asyncio.Event()

    async def broken(work):  # type: ignore[no-untyped-def]
        if next(failures, None) is not None:
            raise trouble
        return await real(work)

    async def chore() -> None:
        done.set()

    one.store.write = broken  # type: ignore[method-assign]
    async with asyncio.timeout(20):
        await one.leases.alone("timers", chore)
    assert done.is_set()


async def test_what_the_work_of_one_gateway_raises_comes_out(start) -> None:
    one = await start("one")

    async def wrong() -> None:
        raise BadInput("the knowledge base is wrong")

    with pytest.raises(BadInput):
        await one.leases.alone("seed", wrong)


async def test_what_rests_is_let_go_of_and_what_works_is_kept(start) -> None:
    one, two = await start("one"), await start("two")
    async with one.leases.held("busy"):
        async with one.leases.held("done"):
            pass
        ours = False
        async with asyncio.timeout(20):
            while not ours:
                await asyncio.sleep(0.2)
                async with two.leases.held("done") as ours:
                    pass
        async with two.leases.held("busy") as ours:
            assert not ours
    assert ("one", "busy") in two.told


async def test_a_clock_that_is_wrong_stops_the_start(tmp_path: Path) -> None:
    clock = TurnableClock()
    clock.ahead = 20_000
    store = await Store.open(f"sqlite:///{tmp_path / 'x.db'}", None, clock)
    try:
        with pytest.raises(Broken, match="20 s ahead of the database's: set both by NTP"):
            async with Leases(store, clock, "one", lambda *call: None).running():
                pass
    finally:
        await store.close()
