"""The sweep takes what its time is over for, and nothing else."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

from sqlalchemy import func, select

from core.conversation import Conversation, hand_over, resolve
from core.store.store import Store, Tx
from core.store.sweep import DAY, HOUR, forget, sweep
from core.store.tables import metadata
from core.values import Address, Author, Call, EventKind, InboundEvent, Role


async def opened(store: Store, chat: str, platform: str = "web") -> Conversation:
    event = InboundEvent(f"e-{chat}", EventKind.CREATED, Address(platform, "us", chat), Author("a"), at=1, text=chat)
    heard = await store.write(lambda tx: tx.ledger.remember(event, 10**12, "bot", "kb"))
    assert heard is not None and heard.conversation is not None
    return heard.conversation


async def furnish(store: Store, conversation: Conversation) -> str:
    """Hang one of everything on a conversation; returns the SHA-256 of its photo."""
    sha = await store.keep(f"photo of {conversation.id}".encode())

    async def work(tx: Tx) -> None:
        await tx.ledger.settle(conversation.id, [f"e-{conversation.address.chat}"])
        await tx.turns.record(f"t-{conversation.id}", conversation.id)
        await tx.outbox.add(conversation.id, [Call("say", {})], Role.BOT)
        await tx.buttons.make(conversation.id, {}, tx.sql.now + 1000 * DAY)
        await tx.desk.open(conversation.id, "asked")
        await tx.labels.add(conversation.id, "wrong", detail={"text": "private"})
        await tx.blobs.refer(sha, conversation.id, "attachment")
        await tx.web.open(conversation.address.chat, "hash")
        await tx.web.append(conversation.address.chat, {"text": "private"})

    await store.write(work)
    os.utime(store.blobs.path(sha), (time.time() - 10 * 365 * 86400,) * 2)
    return sha


async def count(store: Store) -> dict[str, int]:
    async def work(tx: Tx) -> dict[str, int]:
        tables = metadata.sorted_tables
        return {table.name: await tx.sql.value(select(func.count()).select_from(table)) for table in tables}

    return await store.read(work)


async def test_an_old_conversation_goes_with_all_that_hangs_on_it(store: Store, clock) -> None:
    old = await opened(store, "old")
    photo = await furnish(store, old)
    await store.write(lambda tx: tx.conversations.put(resolve(old, clock.now())))
    clock.time += 30 * DAY + 1
    young = await opened(store, "young")
    kept = await furnish(store, young)
    before = await count(store)

    swept = await sweep(store, retention_days=30)

    assert (swept.conversations, swept.blobs) == (1, 1)
    after = await count(store)
    assert after == {name: number // 2 for name, number in before.items()}
    assert not store.blobs.exists(photo) and store.blobs.exists(kept)
    assert await store.read(lambda tx: tx.conversations.get(young.id)) is not None
    assert await sweep(store, retention_days=30) == type(swept)()


async def test_who_waits_for_a_human_is_not_swept_the_silent_are(store: Store, clock) -> None:
    waiting, silent = await opened(store, "waiting"), await opened(store, "silent")
    await store.write(lambda tx: tx.conversations.put(hand_over(waiting, "asked", clock.now())))
    clock.time += 31 * DAY
    assert (await sweep(store, retention_days=30)).conversations == 1
    assert await store.read(lambda tx: tx.conversations.get(waiting.id)) is not None
    assert await store.read(lambda tx: tx.conversations.get(silent.id)) is None


async def test_keys_and_buttons_expire(store: Store, clock) -> None:
    here = await opened(store, "chat")
    await store.write(lambda tx: tx.buttons.make(here.id, {}, clock.now() + HOUR))
    clock.time += 2 * DAY + 1
    pending = await sweep(store, retention_days=30)
    assert (pending.events, pending.buttons) == (0, 1), "what was never answered is not forgotten"
    await store.write(lambda tx: tx.ledger.settle(here.id, ["e-chat"]))
    assert (await sweep(store, retention_days=30)).events == 1


async def test_a_blob_has_an_hour_before_anybody_refers_to_it(store: Store, clock) -> None:
    clock.time = int(time.time() * 1000)
    stray, fresh = await store.keep(b"stray"), await store.keep(b"fresh")
    dropped = await store.keep(b"dropped")
    await store.write(lambda tx: tx.blobs.refer(dropped, "somebody", "photo", clock.now() + HOUR // 2))
    os.utime(store.blobs.path(stray), (time.time() - 25 * 3600,) * 2)
    clock.time += HOUR // 2 + 1
    swept = await sweep(store, retention_days=30)
    assert (swept.blobs, swept.strays) == (0, 1)
    assert not store.blobs.exists(stray) and store.blobs.exists(fresh) and store.blobs.exists(dropped)
    clock.time += HOUR
    assert (await sweep(store, retention_days=30)).blobs == 1
    assert not store.blobs.exists(dropped)


async def test_no_sweep_takes_what_somebody_has_just_begun_to_want(store: Store, url: str, tmp_path: Path) -> None:
    sha = await store.keep(b"a snapshot")
    os.utime(store.blobs.path(sha), (time.time() - 10 * 365 * 86400,) * 2)
    await store.write(lambda tx: tx.blobs.refer(sha, "training:1", "snapshot", tx.sql.now - 1))  # its day is over
    other = await Store.open(url, tmp_path / "blobs", store.clock)
    wants, sweeping = threading.Event(), threading.Event()

    async def begin(tx: Tx) -> None:
        await tx.blobs.refer(sha, "training:2", "snapshot")
        wants.set()
        sweeping.wait(1)  # while the sweep looks for whoever wants it

    async def swept() -> None:
        await asyncio.to_thread(wants.wait, 5)
        asyncio.get_running_loop().call_later(0.3, sweeping.set)
        await sweep(other, retention_days=30)

    try:
        await asyncio.gather(store.write(begin), swept())
        assert await store.read(lambda tx: tx.blobs.wanted(sha)) and store.blobs.exists(sha)
    finally:
        await other.close()


async def test_a_customer_may_be_forgotten_at_once(store: Store) -> None:
    here = await opened(store, "chat")
    await furnish(store, here)
    other = await opened(store, "other")
    assert await forget(store, here.id)
    assert not await forget(store, here.id)
    left = await count(store)
    assert (left["conversations"], left["messages"], left["labels"], left["web_messages"]) == (1, 1, 0, 0)
    assert await store.read(lambda tx: tx.conversations.get(other.id)) is not None
