"""The ledger keeps every event once, in order, under the right conversation."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from core.conversation import Owner, claim, hand_over, resolve
from core.errors import Retry
from core.store.ledger import Heard
from core.store.store import Store, Tx
from core.store.tables import conversations, events
from core.values import Address, Attachment, AttachmentKind, Author, EventKind, InboundEvent

DAY = 24 * 3600 * 1000
HERE = Address("telegram", "bot", "chat-1")
ANNA = Author("7", "Anna", language="de")


def written(id: str, text: str = "hello", **more: object) -> InboundEvent:
    event = InboundEvent(id, EventKind.CREATED, HERE, ANNA, at=1_000, text=text, message=f"m-{id}")
    return replace(event, **more)  # type: ignore[arg-type]


async def remember(store: Store, event: InboundEvent) -> Heard | None:
    return await store.write(lambda tx: tx.ledger.remember(event, DAY, "bot", "kb"))


async def pending(store: Store, conversation: str) -> tuple[InboundEvent, ...]:
    return await store.read(lambda tx: tx.ledger.pending(conversation))


async def conversation_of(store: Store, event: InboundEvent) -> str:
    heard = await remember(store, event)
    assert heard is not None and heard.conversation is not None
    return heard.conversation.id


async def test_first_message_opens_a_conversation_and_survives_the_round_trip(store: Store, clock) -> None:
    photo = Attachment(AttachmentKind.PHOTO, ref="file-1", mime="image/jpeg", size=12)
    event = written("1", "Größe 🥾 \x00 \ud800?", attachments=(photo,))

    heard = await remember(store, event)

    assert heard is not None and heard.conversation is not None
    assert (heard.opened, heard.seq, heard.waits, heard.resolved) == (True, 1, True, "")
    kept = heard.conversation
    assert (kept.address, kept.author, kept.owner) == (HERE, ANNA, Owner.BOT)
    assert (kept.bot_id, kept.kb_id, kept.language) == ("bot", "kb", "de")
    assert kept.opened_at == kept.heard_at == clock.now()
    (again,) = await pending(store, kept.id)
    assert again == replace(event, text="Größe 🥾 \x00 \ufffd\ufffd\ufffd?")
    (message,) = await store.read(lambda tx: tx.transcript.list(kept.id))
    assert message.text.startswith("Größe 🥾 \ufffd") and "\x00" not in message.text
    assert (message.seq, message.event, message.platform_ids, message.at) == (1, "1", ("m-1",), 1_000)


async def test_a_redelivery_is_known(store: Store) -> None:
    here = await conversation_of(store, written("1"))
    assert await remember(store, written("1")) is None
    assert len(await pending(store, here)) == 1


async def test_what_is_known_can_be_asked(store: Store) -> None:
    await conversation_of(store, written("1"))
    await conversation_of(store, written("2"))
    assert await store.read(lambda tx: tx.ledger.known(("2", "3", "4"))) == frozenset({"2"})
    assert await store.read(lambda tx: tx.ledger.known(())) == frozenset()


async def test_the_same_event_from_two_tasks_at_once_becomes_one_row(store: Store) -> None:
    answers = await asyncio.gather(*(remember(store, written("1")) for _ in range(20)))
    assert sum(answer is not None for answer in answers) == 1
    rows = await store.read(lambda tx: tx.sql.rows(select(events.c.id)))
    assert len(rows) == 1


async def test_the_same_event_through_two_stores_at_once_becomes_one_row(store: Store, url, tmp_path, clock) -> None:
    """Two processes on one database, as with a blue and a green gateway."""
    other = await Store.open(url, tmp_path / "blobs", clock)
    try:
        for number in range(15):
            author = Author(f"author-{number}")
            both = (written(f"{number}-{part}", author=author) for part in ("a", "a", "b", "b"))
            homes = (store, other, store, other)
            answers = await asyncio.gather(*(remember(home, event) for home, event in zip(homes, both, strict=True)))
            fresh = [answer for answer in answers if answer is not None]
            assert len(fresh) == 2
            assert len({answer.conversation.id for answer in fresh if answer.conversation}) == 1
            assert sorted(answer.seq for answer in fresh) == [1, 2]
    finally:
        await other.close()


async def test_seq_is_the_order_of_arrival_not_of_the_platforms_numbers(store: Store) -> None:
    here = await conversation_of(store, written("102", "second", at=5))
    await remember(store, written("101", "first", at=3))
    await remember(store, written("103", "third", at=9))
    assert [event.text for event in await pending(store, here)] == ["second", "first", "third"]
    assert [message.seq for message in await store.read(lambda tx: tx.transcript.list(here))] == [1, 2, 3]


async def test_authors_and_threads_do_not_share_conversations(store: Store) -> None:
    one = await conversation_of(store, written("1"))
    other_author = await conversation_of(store, written("2", author=Author("8")))
    other_thread = await conversation_of(store, written("3", address=replace(HERE, thread="9")))
    assert len({one, other_author, other_thread}) == 3


async def test_silence_ends_a_conversation_and_history_does_not_cross(store: Store, clock) -> None:
    old = await conversation_of(store, written("1"))
    await store.write(lambda tx: tx.ledger.settle(old, ["1"]))
    clock.time += DAY + 1
    heard = await remember(store, written("2"))
    assert heard is not None and heard.conversation is not None
    assert heard.resolved == old != heard.conversation.id
    assert heard.opened and heard.seq == 1
    before = await store.read(lambda tx: tx.conversations.get(old))
    assert before is not None and not before.open and before.fence == 1
    assert await store.read(lambda tx: tx.transcript.history(heard.conversation.id, without=["2"])) == ()
    # and a redelivery of the first message does not bring the old one back
    assert await remember(store, written("1")) is None


async def test_who_waits_for_an_answer_is_not_silent(store: Store, clock) -> None:
    here = await conversation_of(store, written("1"))
    clock.time += DAY + 1
    assert await conversation_of(store, written("2", "is anybody there?")) == here
    assert [event.id for event in await pending(store, here)] == ["1", "2"]
    assert await remember(store, written("1")) is None


async def test_who_waits_for_a_human_is_not_silent(store: Store, clock) -> None:
    here = await conversation_of(store, written("1"))

    async def hand(tx: Tx) -> None:
        kept = await tx.conversations.get(here)
        assert kept is not None
        await tx.ledger.settle(here, ["1"])
        await tx.conversations.put(hand_over(kept, "asked", clock.now()))

    await store.write(hand)
    clock.time += 3 * DAY
    assert await conversation_of(store, written("2", "is anybody there?")) == here


async def test_after_resolving_the_next_message_opens_a_new_one(store: Store, clock) -> None:
    old = await conversation_of(store, written("1"))

    async def end(tx: Tx) -> None:
        kept = await tx.conversations.get(old)
        assert kept is not None
        await tx.conversations.put(resolve(kept, clock.now()))

    await store.write(end)
    assert await remember(store, written("1")) is None, "a late redelivery must not open a conversation"
    assert await conversation_of(store, written("2")) != old


async def test_group_talk_that_names_nobody_is_not_stored(store: Store) -> None:
    heard = await remember(store, written("1", addressed=False))
    assert heard == Heard()
    assert await store.read(lambda tx: tx.sql.rows(select(events.c.id))) == []
    # Nor once the author has asked us something: in a group without threads people go on talking to each other
    here = await conversation_of(store, written("2", group="album"))
    assert await remember(store, written("3", addressed=False)) == Heard()
    # But the rest of an album counts whose captioned part named us, and everything in the author's own thread with us
    assert await conversation_of(store, written("4", group="album", addressed=False)) == here
    inside = replace(HERE, thread="t1")
    there = await conversation_of(store, written("5", address=inside))
    assert await conversation_of(store, written("6", address=inside, addressed=False)) == there


async def test_an_edit_that_changes_nothing_visible_waits_for_nobody(store: Store) -> None:
    heard = await remember(store, written("1", "where is it?"))
    assert heard is not None and heard.conversation is not None
    here = heard.conversation.id
    await store.write(lambda tx: tx.ledger.settle(here, ["1"]))
    same = await remember(store, written("1e", "where is it?", kind=EventKind.EDITED, message="m-1"))
    other = await remember(store, written("1f", "where was it?", kind=EventKind.EDITED, message="m-1"))
    assert same is not None and other is not None
    assert (same.waits, other.waits) == (False, True)


async def test_an_edit_before_the_answer_changes_the_pending_event(store: Store) -> None:
    here = await conversation_of(store, written("1", "how do i retrun?"))
    heard = await remember(store, written("1e", "how do I return?", kind=EventKind.EDITED, message="m-1"))
    assert heard is not None and not heard.waits
    (event,) = await pending(store, here)
    assert (event.id, event.kind, event.text) == ("1", EventKind.CREATED, "how do I return?")
    (message,) = await store.read(lambda tx: tx.transcript.list(here))
    assert message.text == "how do I return?" and message.edited_at


async def test_an_edit_after_the_answer_waits_as_an_event_of_its_own(store: Store) -> None:
    here = await conversation_of(store, written("1", "shoes"))
    await store.write(lambda tx: tx.ledger.settle(here, ["1"], "turn-1"))
    heard = await remember(store, written("1e", "boots", kind=EventKind.EDITED, message="m-1"))
    assert heard is not None and heard.waits
    assert [event.id for event in await pending(store, here)] == ["1e"]
    assert await remember(store, written("1e", "older words", kind=EventKind.EDITED, message="m-1")) is None
    (message,) = await store.read(lambda tx: tx.transcript.list(here))
    assert message.text == "boots"


async def test_an_edit_that_overtakes_its_original_wins(store: Store) -> None:
    here = await conversation_of(store, written("1e", "boots", kind=EventKind.EDITED, message="m-1"))
    heard = await remember(store, written("1", "shoes"))
    assert heard is not None and not heard.waits
    assert [event.text for event in await pending(store, here)] == ["boots"]
    assert [message.text for message in await store.read(lambda tx: tx.transcript.list(here))] == ["boots"]


async def test_an_edit_in_a_resolved_conversation_opens_nothing(store: Store, clock) -> None:
    old = await conversation_of(store, written("1"))
    await store.write(lambda tx: tx.ledger.settle(old, ["1"]))
    clock.time += DAY + 1
    new = await conversation_of(store, written("2"))
    heard = await remember(store, written("1e", "late", kind=EventKind.EDITED, message="m-1"))
    assert heard is not None and heard.conversation is not None
    assert (heard.conversation.id, heard.waits) == (old, False)
    assert [event.id for event in await pending(store, new)] == ["2"]


async def test_a_deleted_message_does_not_wait_any_longer(store: Store) -> None:
    here = await conversation_of(store, written("1"))
    heard = await remember(store, written("1d", "", kind=EventKind.DELETED, message="m-1"))
    assert heard is not None and not heard.waits
    assert await pending(store, here) == ()
    (message,) = await store.read(lambda tx: tx.transcript.list(here))
    assert message.deleted_at and message.text == "hello"
    assert await remember(store, written("9d", kind=EventKind.DELETED, message="never seen")) == Heard()


async def test_blocking_concerns_the_whole_chat(store: Store) -> None:
    one = await conversation_of(store, written("1"))
    heard = await remember(store, written("b", "", kind=EventKind.BLOCKED, message=""))
    assert heard is not None and heard.conversation is not None and heard.conversation.blocked
    assert [event.id for event in await pending(store, one)] == ["1"]
    heard = await remember(store, written("u", "", kind=EventKind.UNBLOCKED, message=""))
    assert heard is not None and heard.conversation is not None and not heard.conversation.blocked
    nobody = replace(HERE, chat="elsewhere")
    assert await remember(store, written("b2", kind=EventKind.BLOCKED, address=nobody)) == Heard()


async def test_settled_events_are_purged_and_pending_ones_kept(store: Store, clock) -> None:
    here = await conversation_of(store, written("1"))
    await remember(store, written("2"))
    assert await store.write(lambda tx: tx.ledger.settle(here, ["1", "unknown"], "t")) == 1
    assert await store.write(lambda tx: tx.ledger.purge(clock.now() + 1)) == 1
    assert [event.id for event in await pending(store, here)] == ["2"]
    assert await store.read(lambda tx: tx.ledger.unanswered()) == (here,)


async def test_at_most_one_open_conversation_is_the_databases_own_rule(store: Store) -> None:
    await remember(store, written("1"))

    async def second(tx: Tx) -> None:
        row = await tx.sql.row(select(conversations))
        assert row is not None
        await tx.sql.run(insert(conversations), dict(row._mapping) | {"id": "another"})

    with pytest.raises(Retry) as caught:
        await store.write(second)
    assert isinstance(caught.value.__cause__, IntegrityError)


async def test_a_claimed_conversation_keeps_hearing(store: Store, clock) -> None:
    here = await conversation_of(store, written("1"))

    async def take(tx: Tx) -> None:
        kept = await tx.conversations.get(here)
        assert kept is not None
        await tx.conversations.put(claim(kept, "a", "Ada", clock.now()))

    await store.write(take)
    heard = await remember(store, written("2"))
    assert heard is not None and heard.conversation is not None
    assert (heard.conversation.id, heard.conversation.owner, heard.conversation.fence) == (here, Owner.AGENT, 1)
