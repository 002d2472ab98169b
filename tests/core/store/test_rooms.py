"""The smaller rooms of the store: what goes in comes out, and only what is allowed goes in."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace

import pytest

from core.asking import Candidate, Prediction
from core.conversation import Conversation, Owner, claim, hand_back, hand_over, resolve
from core.errors import Retry
from core.store.store import Store, Tx
from core.store.tables import conversations as table
from core.store.transcript import MessageKind
from core.store.trouble import Conflict
from core.values import Address, Attachment, AttachmentKind, Author, EventKind, InboundEvent, Role
from core.wire import dump, load

DAY = 24 * 3600 * 1000


def sha(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


async def opened(store: Store, chat: str = "chat", text: str = "hello", name: str = "Anna") -> Conversation:
    event = InboundEvent(
        f"{chat}-{text}", EventKind.CREATED, Address("web", "us", chat), Author(f"a-{chat}", name), at=1, text=text
    )
    heard = await store.write(lambda tx: tx.ledger.remember(event, DAY, "bot", "kb"))
    assert heard is not None and heard.conversation is not None
    return heard.conversation


async def get(store: Store, id: str) -> Conversation:
    kept = await store.read(lambda tx: tx.conversations.get(id))
    assert kept is not None
    return kept


# conversations


def test_every_field_of_a_conversation_has_its_column() -> None:
    names = {field.name for field in fields(Conversation)} - {"address", "author"}
    assert names <= {column.name for column in table.c}


async def test_a_move_is_stored_whole(store: Store) -> None:
    kept = await opened(store)
    moved = replace(
        hand_over(kept, "asked", 7),
        language="pt-BR",
        misses=2,
        welcomed=True,
        reminded_at=8,
        acknowledged=True,
        blocked=True,
        agent_at=9,
    )
    stored = await store.write(lambda tx: tx.conversations.put(moved))
    assert stored == await get(store, kept.id)
    assert stored == replace(moved, version=kept.version + 1)  # type: ignore[call-arg, attr-defined]


async def test_a_move_of_a_stale_copy_is_refused(store: Store) -> None:
    """Given two agents who look at the same conversation, when both claim it, then one of them hears so."""
    seen = await opened(store)
    await store.write(lambda tx: tx.conversations.put(claim(seen, "ada", "Ada", 5)))
    with pytest.raises(Conflict):
        await store.write(lambda tx: tx.conversations.put(claim(seen, "bob", "Bob", 6)))
    assert (await get(store, seen.id)).agent == "ada"


async def test_hearing_more_does_not_make_a_copy_stale_nor_is_it_forgotten(store: Store, clock) -> None:
    seen = await opened(store)
    clock.time += 1000
    await opened(store, text="more")
    stored = await store.write(lambda tx: tx.conversations.put(hand_over(seen, "asked", clock.now())))
    assert stored.owner is Owner.DESK
    assert stored.heard_at == clock.now() > seen.heard_at


async def test_a_conversation_made_by_hand_cannot_be_put(store: Store) -> None:
    mine = Conversation("x", Address("web", "us", "c"), Author("a"), "bot", "kb", 1, 1)
    with pytest.raises(TypeError):
        await store.write(lambda tx: tx.conversations.put(mine))


async def test_of_finds_the_open_conversation_only(store: Store) -> None:
    kept = await opened(store)
    assert await store.read(lambda tx: tx.conversations.of(kept.address, kept.author.id)) == kept
    await store.write(lambda tx: tx.conversations.put(resolve(kept, 5)))
    assert await store.read(lambda tx: tx.conversations.of(kept.address, kept.author.id)) is None


async def test_standing_tells_how_far_every_open_conversation_was_heard(store: Store, clock) -> None:
    async def hear(event: InboundEvent) -> str:
        heard = await store.write(lambda tx: tx.ledger.remember(event, DAY, "bot", "kb"))
        assert heard is not None and heard.conversation is not None
        clock.time += 1
        return heard.conversation.id

    def at(chat: str, id: str, moment: int, **more: object) -> InboundEvent:
        address, author = Address("slack", "T1", chat, "1.0" if chat == "c" else ""), Author(f"a-{chat}")
        event = InboundEvent(id, EventKind.CREATED, address, author, at=moment, text="hello", message=id)
        return replace(event, **more)  # type: ignore[arg-type]

    direct = await hear(at("d", "1.1", 1100))
    threaded = await hear(at("c", "2.1", 2100))
    tapped = await hear(at("t", "3.1", 3100, kind=EventKind.TAPPED, tap="k", text=""))
    gone = await hear(at("g", "4.1", 4100))
    await opened(store, "elsewhere")
    # What others say moves nothing; an edit and a deleted message neither
    await hear(at("d", "1.2", 1200))
    await hear(at("d", "1.1:edited", 1900, kind=EventKind.EDITED, message="1.1", text="hello?"))
    await hear(at("d", "1.2:deleted", 1950, kind=EventKind.DELETED, message="1.2"))
    await store.write(lambda tx: tx.transcript.append(direct, Author("bot", role=Role.BOT), "An answer."))
    await store.write(lambda tx: tx.transcript.note(direct, Author("bob", role=Role.AGENT), "hm"))
    kept = await get(store, gone)
    await store.write(lambda tx: tx.conversations.put(resolve(kept, clock.now())))

    found = await store.read(lambda tx: tx.conversations.standing("slack"))

    assert [(one.conversation, one.address.chat, one.author, one.message, one.at) for one in found] == [
        (direct, "d", "a-d", "1.2", 1200),
        (tapped, "t", "a-t", "", 3100),
        (threaded, "c", "a-c", "2.1", 2100),
    ]
    assert found[2].address == Address("slack", "T1", "c", "1.0")


async def test_timers_see_what_is_due(store: Store, clock) -> None:
    start = clock.now()
    idle, waiting, agent = [await opened(store, chat) for chat in ("idle", "waiting", "agent")]
    await store.write(lambda tx: tx.conversations.put(hand_over(waiting, "asked", start)))
    await store.write(lambda tx: tx.conversations.put(claim(agent, "ada", "Ada", start)))

    async def due(since: int):
        return await store.read(
            lambda tx: tx.conversations.due(waiting_before=since, silent_before=since, idle_before=since)
        )

    # Whoever waits for an answer is not idle
    assert (await due(start)).idle == ()
    for chat in (idle, waiting, agent):
        await store.write(lambda tx, chat=chat: tx.ledger.settle(chat.id, [f"{chat.address.chat}-hello"]))  # type: ignore[misc]
    nothing = await due(start - 1)
    assert (nothing.waiting, nothing.silent, nothing.idle) == ((), (), ())
    all_three = await due(start)
    assert [one.id for one in all_three.waiting] == [waiting.id]
    assert [one.id for one in all_three.silent] == [agent.id]
    assert {one.id for one in all_three.idle} == {idle.id, agent.id}
    # When the customer was told that nobody came, it is due again only after another while
    told = replace(await get(store, waiting.id), reminded_at=start + 10)
    await store.write(lambda tx: tx.conversations.put(told))
    assert (await due(start + 9)).waiting == ()
    assert len((await due(start + 10)).waiting) == 1


async def test_the_desk_lists_and_searches(store: Store, clock) -> None:
    first = await opened(store, "1", "where is my 100% wool coat?", "Müller")
    clock.time += 5
    second = await opened(store, "2", "100 questions", "Chen")
    await store.write(lambda tx: tx.conversations.put(hand_over(second, "asked", clock.now())))
    clock.time += 5
    third = await opened(store, "3", "hi")
    await store.write(lambda tx: tx.conversations.put(resolve(third, clock.now())))

    async def ids(work) -> list[str]:
        return [one.id for one in await store.read(work)]

    assert await ids(lambda tx: tx.conversations.list()) == [second.id, first.id]
    assert await ids(lambda tx: tx.conversations.list(Owner.BOT)) == [first.id]
    assert await ids(lambda tx: tx.conversations.list(resolved=True)) == [third.id]
    assert await ids(lambda tx: tx.conversations.list(limit=1, offset=1)) == [first.id]
    assert await ids(lambda tx: tx.conversations.search("100% WOOL")) == [first.id]
    assert await ids(lambda tx: tx.conversations.search("chen")) == [second.id]
    assert await ids(lambda tx: tx.conversations.search("a-3")) == [third.id]
    assert await ids(lambda tx: tx.conversations.search("%")) == [first.id]


# the transcript


async def test_the_transcript_keeps_order_notes_and_facts(store: Store, clock) -> None:
    kept = await opened(store, text="broken mug")
    agent = Author("ada", "Ada", Role.AGENT)
    photo = Attachment(AttachmentKind.PHOTO, blob=sha("photo"), mime="image/png")

    async def talk(tx: Tx) -> str:
        said = await tx.transcript.append(kept.id, agent, "Sorry!", attachments=[photo], facts={"entry": "broken"})
        await tx.transcript.note(kept.id, agent, "looks like a carrier case")
        await tx.transcript.draft(kept.id, "We replace it.", {"entry": "replace"})
        await tx.transcript.append(kept.id, Author("s", role=Role.SYSTEM), "Ada joined", kind=MessageKind.SYSTEM)
        await tx.transcript.add_facts(said.id, {"seen": True})
        return said.id

    said = await store.write(talk)
    lines = await store.read(lambda tx: tx.transcript.list(kept.id))
    assert [(line.seq, line.kind.value) for line in lines] == [
        (1, "said"), (2, "said"), (3, "note"), (4, "draft"), (5, "system"),
    ]  # fmt: skip
    assert lines[1].id == said and lines[1].attachments == (photo,)
    assert lines[1].facts == {"entry": "broken", "seen": True}
    assert lines[1].author == agent and lines[1].at == clock.now()
    assert await store.read(lambda tx: tx.transcript.list(kept.id, after=4)) == lines[4:]
    assert await store.read(lambda tx: tx.transcript.latest(kept.id, limit=2)) == lines[3:]
    assert await store.read(lambda tx: tx.transcript.get(said)) == lines[1]
    assert await store.read(lambda tx: tx.transcript.of_event("chat-broken mug")) == lines[0]


async def test_history_is_what_the_customer_said_before(store: Store) -> None:
    kept = await opened(store, text="I bought shoes")
    for text in ("second", "", "fourth", "fifth"):
        await opened(store, text=text)

    async def hear(tx: Tx) -> None:
        voice = await tx.transcript.of_event("chat-")
        deleted = await tx.transcript.of_event("chat-fourth")
        assert voice is not None and deleted is not None
        await tx.transcript.add_facts(voice.id, {"transcript": "can I return them"})
        await tx.transcript.delete(deleted.id)
        await tx.transcript.append(kept.id, Author("bot", role=Role.BOT), "Yes.")
        tap = InboundEvent("t", EventKind.TAPPED, kept.address, kept.author, at=1, text="None of these", tap="k")
        await tx.ledger.remember(tap, DAY, "bot", "kb")

    await store.write(hear)
    history = await store.read(lambda tx: tx.transcript.history(kept.id, without=["chat-fifth"]))
    assert history == ("I bought shoes", "second", "can I return them")
    assert await store.read(lambda tx: tx.transcript.history(kept.id, limit=1)) == ("fifth",)


async def test_changes_of_messages_that_do_not_exist_say_so(store: Store) -> None:
    assert not await store.write(lambda tx: tx.transcript.edit("nothing", "x"))
    assert not await store.write(lambda tx: tx.transcript.delete("nothing"))
    assert not await store.write(lambda tx: tx.transcript.add_facts("nothing", {}))
    assert not await store.write(lambda tx: tx.transcript.set_attachments("nothing", ()))
    with pytest.raises(Retry):
        await store.write(lambda tx: tx.transcript.append("nowhere", Author("a"), "x"))


# turns, buttons, labels


async def test_a_turn_grows_until_it_is_decided(store: Store, clock) -> None:
    kept = await opened(store)
    prediction = Prediction("t1", 1, sha("release"), "model", (Candidate("a", 0.7, {"text": 0.9}),), confidence=0.6)

    async def grow(tx: Tx) -> list[str]:
        states = [(await tx.turns.record("t1", kept.id, events=["e1", "e2"])).state]
        states.append((await tx.turns.record("t1", kept.id, question={"id": "t1"}, attempt=2, deadline=99)).state)
        states.append((await tx.turns.record("t1", kept.id, prediction=dump(prediction))).state)
        states.append((await tx.turns.record("t1", kept.id, decision={"kind": "answer"}, release="r")).state)
        return states

    assert await store.write(grow) == ["open", "asked", "predicted", "decided"]
    clock.time -= 300_000
    await store.write(lambda tx: tx.turns.record("t0", kept.id))
    turn = await store.read(lambda tx: tx.turns.get("t1"))
    assert turn is not None and turn.prediction is not None
    assert load(Prediction, turn.prediction) == prediction
    assert (turn.events, turn.attempt, turn.deadline, turn.release) == (("e1", "e2"), 2, 99, "r")
    last = await store.read(lambda tx: tx.turns.last(kept.id))
    assert last is not None and (last.id, last.state) == ("t0", "open")


async def test_a_button_means_something_until_it_expires(store: Store, clock) -> None:
    kept = await opened(store)
    meaning = {"do": "entry", "entry": "return-shoes", "label": "Returns"}
    key = await store.write(lambda tx: tx.buttons.make(kept.id, meaning, clock.now() + 10))
    assert len(key.encode()) <= 32
    assert await store.read(lambda tx: tx.buttons.take(key)) == meaning
    assert await store.read(lambda tx: tx.buttons.take("guess")) is None

    # When it is tapped, the transcript shows the label
    tap = InboundEvent("tap", EventKind.TAPPED, kept.address, kept.author, at=1, tap=key)
    heard = await store.write(lambda tx: tx.ledger.remember(tap, DAY, "bot", "kb"))
    assert heard is not None and heard.waits
    line = await store.read(lambda tx: tx.transcript.get(heard.message))
    assert line is not None and (line.text, line.facts) == ("Returns", {"tap": key})

    clock.time += 10
    assert await store.read(lambda tx: tx.buttons.take(key)) is None
    assert await store.write(lambda tx: tx.buttons.expire(clock.now() + 1)) == 1


async def test_labels_are_listed_in_order(store: Store) -> None:
    kept = await opened(store)

    async def add(tx: Tx) -> None:
        await tx.labels.add(kept.id, "chosen", entry="a", turn="t", release="r", model="m", by="7", detail={"shown": 2})
        await tx.labels.add("", "tried", entry="b")

    await store.write(add)
    first, second = await store.read(lambda tx: tx.labels.list())
    assert (first.entry, first.turn, first.release, first.model, first.by) == ("a", "t", "r", "m", "7")
    assert first.detail == {"shown": 2} and second.conversation == ""
    assert await store.read(lambda tx: tx.labels.list(after=first.id)) == (second,)
    assert await store.read(lambda tx: tx.labels.list(kind="chosen")) == (first,)
    assert await store.read(lambda tx: tx.labels.of(kept.id)) == (first,)


# the desk


async def test_the_desk_shows_who_waits_why_and_since_when(store: Store, clock) -> None:
    first, second = await opened(store, "1"), await opened(store, "2")

    async def hand(tx: Tx, kept: Conversation, reason: str) -> None:
        await tx.conversations.put(hand_over(kept, reason, clock.now()))
        await tx.desk.open(kept.id, reason)

    await store.write(lambda tx: hand(tx, second, "asked"))
    since = clock.now()
    clock.time += 60_000
    await store.write(lambda tx: hand(tx, first, "unsure"))
    again = await store.write(lambda tx: tx.desk.open(second.id, "asked twice"))
    assert (again.reason, again.opened_at) == ("asked", since)

    waiting = await store.read(lambda tx: tx.desk.waiting())
    assert [(one.conversation.id, one.handoff.reason) for one in waiting] == [
        (second.id, "asked"),
        (first.id, "unsure"),
    ]
    counts = await store.read(lambda tx: tx.desk.counts())
    assert (counts.bot, counts.desk, counts.agent, counts.oldest) == (0, 2, 0, since)

    async def take(tx: Tx) -> None:
        await tx.conversations.put(claim(waiting[0].conversation, "ada", "Ada", clock.now()))
        await tx.desk.claim(second.id, "ada")

    await store.write(take)
    (mine,) = await store.read(lambda tx: tx.desk.claimed("ada"))
    assert (mine.handoff.agent, mine.handoff.claimed_at) == ("ada", clock.now())
    assert await store.read(lambda tx: tx.desk.claimed("bob")) == ()
    await store.write(lambda tx: tx.desk.unclaim(second.id))
    assert (await store.read(lambda tx: tx.desk.of(second.id))).agent == ""  # type: ignore[union-attr]

    async def back(tx: Tx) -> None:
        await tx.conversations.put(hand_back(mine.conversation, "ada"))
        await tx.desk.close(second.id)

    await store.write(back)
    assert await store.read(lambda tx: tx.desk.of(second.id)) is None
    reopened = await store.write(lambda tx: tx.desk.open(second.id, "wrong"))
    assert [one.id for one in await store.read(lambda tx: tx.desk.history(second.id))][1] == reopened.id
