"""The outbox: in order, one at a time, never under a fence that has risen."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from core.conversation import Conversation, claim, hand_over
from core.errors import Retry
from core.store.outbox import Delivery, Outgoing
from core.store.store import Store, Tx
from core.values import Address, Author, Call, EventKind, InboundEvent, Role


async def opened(store: Store, chat: str = "chat") -> Conversation:
    event = InboundEvent(chat, EventKind.CREATED, Address("web", "us", chat), Author("a"), at=1, text="hi")
    heard = await store.write(lambda tx: tx.ledger.remember(event, 10**9, "bot", "kb"))
    assert heard is not None and heard.conversation is not None
    return heard.conversation


async def add(store: Store, where: Conversation, *words: str, role: Role = Role.BOT, **more: object) -> tuple[str, ...]:
    calls = [Call("say", {"text": word, "buttons": [1, None, True]}) for word in words]
    return await store.write(lambda tx: tx.outbox.add(where.id, calls, role, **more))  # type: ignore[arg-type]


async def take(store: Store, where: Conversation, now: int) -> Outgoing | None:
    return await store.write(lambda tx: tx.outbox.take(where.id, now))


async def claimed(store: Store, where: Conversation) -> None:
    async def work(tx: Tx) -> None:
        kept = await tx.conversations.get(where.id)
        assert kept is not None
        await tx.conversations.put(claim(kept, "ada", "Ada", 5))

    await store.write(work)


async def states(store: Store, where: Conversation) -> list[str]:
    return [row.state.value for row in await store.read(lambda tx: tx.outbox.list(where.id))]


async def test_rows_leave_in_order_one_at_a_time(store: Store, clock) -> None:
    here = await opened(store)
    await add(store, here, "one", "two", turn="t")
    await add(store, here, "three")
    said = []
    while row := await take(store, here, clock.now()):
        assert row.state is Delivery.SENDING and row.attempts == 1
        assert await take(store, here, clock.now()) is None, "nothing leaves while one is on its way"
        assert await store.read(lambda tx: tx.outbox.in_flight(here.id))
        said.append(row.call.arguments["text"])
        await store.write(lambda tx, row=row: tx.outbox.sent(row.id, f"m{row.seq}"))
    assert said == ["one", "two", "three"]
    assert await states(store, here) == ["sent"] * 3
    assert not await store.read(lambda tx: tx.outbox.in_flight(here.id))


async def test_two_senders_at_once_never_take_the_same_row(store: Store, url, tmp_path, clock) -> None:
    here = await opened(store)
    await add(store, here, *"abcdef")
    other = await Store.open(url, tmp_path / "blobs", clock)
    try:
        for _ in range(6):
            homes = (store, other, store, other)
            rows = [row for row in await asyncio.gather(*(take(home, here, clock.now()) for home in homes)) if row]
            assert len(rows) == 1
            await store.write(lambda tx, row=rows[0]: tx.outbox.sent(row.id))
    finally:
        await other.close()


async def test_a_claim_silences_what_the_bot_had_queued(store: Store, clock) -> None:
    """Given three rows, one on its way, when a human claims, then only what announces the human still leaves."""
    here = await opened(store)
    await add(store, here, "on its way", "never said")
    await add(store, here, "a human was asked", fenced=False)
    await add(store, here, "system words", role=Role.SYSTEM)
    first = await take(store, here, clock.now())
    assert first is not None
    await claimed(store, here)
    await add(store, here, "Ada: hello", role=Role.AGENT)
    assert await take(store, here, clock.now()) is None
    await store.write(lambda tx: tx.outbox.sent(first.id))
    said = []
    while row := await take(store, here, clock.now()):
        said.append(row.call.arguments["text"])
        await store.write(lambda tx, row=row: tx.outbox.sent(row.id))
    assert said == ["a human was asked", "Ada: hello"]
    assert await states(store, here) == ["sent", "superseded", "sent", "superseded", "sent"]


async def test_claim_and_take_at_once_agree_on_one_order(store: Store, url, tmp_path, clock) -> None:
    """Whatever the interleaving: either the row left under the old fence, or it never leaves."""
    other = await Store.open(url, tmp_path / "blobs", clock)
    try:
        for number in range(12):
            here = await opened(store, f"chat-{number}")
            await add(store, here, "bot words")
            await asyncio.gather(claimed(other, here), take(store, here, clock.now()))
            later = await take(store, here, clock.now())
            assert later is None
            assert (await states(store, here))[0] in ("sending", "superseded")
    finally:
        await other.close()


async def test_what_must_wait_holds_back_what_follows(store: Store, clock) -> None:
    here = await opened(store)
    await add(store, here, "one", "two")
    row = await take(store, here, clock.now())
    assert row is not None
    await store.write(lambda tx: tx.outbox.later(row.id, clock.now() + 22_000))
    assert await take(store, here, clock.now() + 21_999) is None
    again = await take(store, here, clock.now() + 22_000)
    assert again is not None and (again.id, again.attempts) == (row.id, 2)


async def test_an_unknown_outcome_is_not_sent_again_and_holds_nothing_back(store: Store, clock) -> None:
    here = await opened(store)
    first, second = await add(store, here, "one", "two")
    await take(store, here, clock.now())
    # Given the process dies here, when it starts again
    (stuck,) = await store.read(lambda tx: tx.outbox.stuck())
    assert stuck.id == first
    await store.write(lambda tx: tx.outbox.failed(stuck.id, Delivery.UNKNOWN))
    row = await take(store, here, clock.now())
    assert row is not None and row.id == second
    await store.write(lambda tx: tx.outbox.failed(row.id, Delivery.REFUSED))
    assert await states(store, here) == ["unknown", "refused"]
    with pytest.raises(ValueError):
        await store.write(lambda tx: tx.outbox.failed(row.id, Delivery.READY))


async def test_waiting_lists_the_conversations_with_something_to_say(store: Store, clock) -> None:
    here, there = await opened(store, "1"), await opened(store, "2")
    await add(store, there, "one", "two")
    await add(store, here, "one")
    assert await store.read(lambda tx: tx.outbox.waiting()) == (there.id, here.id)
    await take(store, here, clock.now())
    assert await store.read(lambda tx: tx.outbox.waiting()) == (there.id,)


async def test_a_row_that_may_have_left_keeps_that_it_may(store: Store, clock) -> None:
    here = await opened(store)
    await add(store, here, "one", turn="t1")
    row = await take(store, here, clock.now())
    assert row is not None
    doubtful = replace(row.call, since=clock.now())
    await store.write(lambda tx: tx.outbox.later(row.id, 0, doubtful))
    again = await take(store, here, clock.now())
    assert again is not None and again.call == doubtful


async def test_the_transcript_learns_the_platforms_ids(store: Store, clock) -> None:
    here = await opened(store)
    line = await store.write(lambda tx: tx.transcript.append(here.id, Author("bot", role=Role.BOT), "long text"))
    await add(store, here, "part one", "part two", message=line.id)
    for number in (1, 2):
        row = await take(store, here, clock.now())
        assert row is not None
        await store.write(lambda tx, row=row, number=number: tx.outbox.sent(row.id, f"m{number}"))
    kept = await store.read(lambda tx: tx.transcript.get(line.id))
    assert kept is not None and kept.platform_ids == ("m1", "m2")
    (first, _) = await store.read(lambda tx: tx.outbox.list(here.id, message=line.id))
    assert first.message_id == "m1"


async def test_rows_carry_the_fence_of_their_time(store: Store) -> None:
    here = await opened(store)
    await store.write(lambda tx: tx.conversations.put(replace(hand_over(here, "asked", 1))))
    await claimed(store, here)
    await add(store, here, "draft")
    (row,) = await store.read(lambda tx: tx.outbox.list(here.id))
    assert row.fence == 1 and row.fenced
    assert await add(store, here) == ()
    with pytest.raises(Retry):
        await store.write(lambda tx: tx.outbox.add("nowhere", [Call("say", {})], Role.BOT))
