"""Leases: one holder at a time, by the database's clock; what is written under one compares its token."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.conversation import Conversation, claim
from core.errors import Retry
from core.store.outbox import Delivery
from core.store.store import Store, Tx
from core.store.tables import conversations
from core.values import Address, Author, Call, EventKind, InboundEvent, Role

LONG = 60_000


@pytest.fixture
async def other(url: str, tmp_path: Path, store: Store, clock) -> AsyncIterator[Store]:
    """A second process on the same database."""
    opened = await Store.open(url, tmp_path / "blobs", clock)
    yield opened
    await opened.close()


async def heard(store: Store, chat: str = "chat") -> Conversation:
    event = InboundEvent(chat, EventKind.CREATED, Address("web", "us", chat), Author("a"), at=1, text="hi")
    known = await store.write(lambda tx: tx.ledger.remember(event, 10**9, "bot", "kb"))
    assert known is not None and known.conversation is not None
    return known.conversation


async def take(store: Store, name: str, gateway: str, ms: int = LONG) -> str:
    return (await store.write(lambda tx: tx.leases.take(name, gateway, ms))).token


async def test_one_has_it_the_other_hears_who(store: Store, other: Store) -> None:
    token = await take(store, "c", "one")
    assert token
    taken = await other.write(lambda tx: tx.leases.take("c", "two", LONG))
    assert (taken.gateway, taken.token) == ("one", "")
    assert await take(other, "d", "two")
    again = await take(store, "c", "one")
    assert again and again != token, "a fresh take is a fresh lease"
    await store.write(lambda tx: tx.leases.release("one", [again]))
    assert await take(other, "c", "two")


async def test_of_many_who_take_at_once_one_gets_it(store: Store, other: Store) -> None:
    for name in map(str, range(20)):
        got = await asyncio.gather(take(store, name, "one"), take(other, name, "two"))
        assert sorted(map(bool, got)) == [False, True]


async def test_a_lease_runs_out_by_the_database_s_own_time(store: Store, other: Store, clock) -> None:
    """Given a gateway whose clock is wrong by a day, then its leases are as long as anybody's."""
    clock.time += 86_400_000
    assert await take(store, "brief", "three", 150)
    old = await take(store, "c", "one")
    assert not await take(other, "c", "two")
    # A renewed lease lasts from now on: this one ends sooner than it would have
    assert await store.write(lambda tx: tx.leases.renew("one", 150)) == {"c": old}
    await asyncio.sleep(0.2)
    assert await store.write(lambda tx: tx.leases.renew("one", 150)) == {}, "too late to renew"
    assert await take(other, "c", "two")
    assert await take(other, "brief", "two")
    before = time.time() * 1000
    now = await store.read(lambda tx: tx.leases.now())
    assert before - 2000 < now < time.time() * 1000 + 2000


async def test_what_is_written_under_a_lease_compares_it(store: Store, other: Store) -> None:
    here = await heard(store)
    old = await take(store, here.id, "one", 1)
    assert await store.write(lambda tx: tx.leases.confirm(here.id, old)), "nobody has taken it yet"
    await asyncio.sleep(0.02)
    new = await take(other, here.id, "two")
    assert not await store.write(lambda tx: tx.leases.confirm(here.id, old))
    assert await other.write(lambda tx: tx.leases.confirm(here.id, new))


async def test_nobody_overtakes_in_the_middle_of_a_transaction(url: str, store: Store, other: Store) -> None:
    """Given a lease that has run out, when its holder writes under it, then the next holder waits and sees that."""
    here = await heard(store)
    old = await take(store, here.id, "one", 1)
    await asyncio.sleep(0.02)
    inside, go_on = threading.Event(), threading.Event()

    async def settle(tx: Tx) -> None:
        assert await tx.leases.confirm(here.id, old)
        inside.set()
        go_on.wait(10)
        assert await tx.ledger.settle(here.id, ["chat"]) == 1

    settling = asyncio.create_task(store.write(settle))
    await asyncio.to_thread(inside.wait, 10)
    taking = asyncio.create_task(take(other, here.id, "two"))
    claiming = asyncio.create_task(_claim(other, here.id))
    await asyncio.sleep(0.2)
    assert not taking.done() and not claiming.done()
    go_on.set()
    await settling
    assert await taking
    assert await other.read(lambda tx: tx.ledger.pending(here.id)) == ()
    await claiming


async def _claim(store: Store, id: str) -> None:
    async def work(tx: Tx) -> None:
        kept = await tx.conversations.get(id)
        assert kept is not None
        await tx.conversations.put(claim(kept, "ada", "Ada", 5))

    await store.write(work)


async def test_work_that_nobody_does(store: Store, clock) -> None:
    """Heard and not answered, ready and due, being sent: whatever has no lease in force."""
    asked, spoken, sending, held, later, idle = [await heard(store, chat) for chat in "asphli"]
    for one in (spoken, sending, held, later, idle):
        await store.write(lambda tx, one=one: tx.ledger.settle(one.id, [one.address.chat]))
    for one in (spoken, sending, held):
        await store.write(lambda tx, one=one: tx.outbox.add(one.id, [Call("say", {})], Role.BOT))
    await store.write(
        lambda tx: tx.outbox.add(later.id, [Call("say", {})], Role.BOT, not_before=clock.now() + 1000),
    )
    await store.write(lambda tx: tx.outbox.take(sending.id, clock.now(), "gone"))
    await take(store, held.id, "one")
    await take(store, asked.id, "dead", 1)
    await asyncio.sleep(0.02)

    async def neglected() -> set[str]:
        return set(await store.read(lambda tx: tx.leases.neglected(["web"])))

    assert await neglected() == {asked.id, spoken.id, sending.id}
    clock.time += 1000
    assert later.id in await neglected()
    assert await store.read(lambda tx: tx.leases.neglected(["telegram"])) == ()
    await store.write(lambda tx: tx.leases.release("one"))
    assert held.id in await neglected()


async def test_a_row_is_changed_only_under_the_lease_that_took_it(store: Store, clock) -> None:
    here = await heard(store)
    await store.write(lambda tx: tx.outbox.add(here.id, [Call("say", {})], Role.BOT))
    row = await store.write(lambda tx: tx.outbox.take(here.id, clock.now(), "mine"))
    assert row is not None and row.holder == "mine"
    await store.write(lambda tx: tx.outbox.later(row.id, 0, holder="other"))
    assert not await store.write(lambda tx: tx.outbox.failed(row.id, Delivery.REFUSED, "other"))
    (stuck,) = await store.read(lambda tx: tx.outbox.stuck(here.id))
    assert stuck.holder == "mine"
    await store.write(lambda tx: tx.outbox.later(row.id, 0, holder="mine"))
    assert await store.read(lambda tx: tx.outbox.stuck()) == ()


async def test_gateways_that_wait_for_each_other_both_get_on(store: Store, other: Store) -> None:
    """Given groups of two gateways that lock the same conversations the other way round, then all is written."""
    a, b = await heard(store, "a"), await heard(store, "b")
    if store.writer._engine.dialect.name == "sqlite":
        return  # one writes at a time there
    meet = threading.Barrier(2)
    met: set[str] = set()

    async def both(tx: Tx, name: str, first: str, second: str) -> str:
        await tx.sql.run(conversations.update().where(conversations.c.id == first).values(author_name=name))
        if name not in met:
            met.add(name)
            meet.wait(10)
        await tx.sql.run(conversations.update().where(conversations.c.id == second).values(author_name=name))
        return name

    done = await asyncio.gather(
        store.write(lambda tx: both(tx, "x", a.id, b.id)), other.write(lambda tx: both(tx, "y", b.id, a.id))
    )
    assert done == ["x", "y"]
    names = await store.read(
        lambda tx: tx.sql.column(conversations.select().with_only_columns(conversations.c.author_name))
    )
    assert len(set(names)) == 1


async def test_who_freezes_inside_a_transaction_does_not_stop_the_others(store: Store, other: Store) -> None:
    """Given a process that says nothing for longer than three seconds with a row locked, then the others get on."""
    here = await heard(store)
    if store.writer._engine.dialect.name == "sqlite":
        return  # one process writes there
    name = conversations.update().where(conversations.c.id == here.id)
    locked, go_on = threading.Event(), threading.Event()

    async def freeze(tx: Tx) -> None:
        await tx.sql.run(name.values(author_name="frozen"))
        locked.set()
        go_on.wait(20)
        await tx.sql.run(name.values(author_name="late"))

    freezing = asyncio.create_task(store.write(freeze))
    await asyncio.to_thread(locked.wait, 10)
    async with asyncio.timeout(15):  # the frozen one keeps still for longer
        await other.write(lambda tx: tx.sql.run(name.values(author_name="quick")))
    go_on.set()
    with pytest.raises(Retry):
        await freezing
    kept = await store.read(lambda tx: tx.conversations.get(here.id))
    assert kept is not None and kept.author.name == "quick"
    await store.write(lambda tx: tx.ledger.settle(here.id, ["chat"]))  # over a new connection


async def test_old_leases_of_dead_gateways_are_forgotten(store: Store) -> None:
    await take(store, "c", "dead", -3600_001)
    await take(store, "d", "dead", 1)
    assert await store.write(lambda tx: tx.leases.purge()) == 1


def test_errors_of_waiting_are_worth_trying_again() -> None:
    from core.leases import Lost

    assert issubclass(Lost, Retry)
