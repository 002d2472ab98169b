"""Labelled turns out of either database: paged, oldest first, nothing of what was swept."""

from __future__ import annotations

from core import wire
from core.asking import Answer, Candidate, Prediction, Question
from core.conversation import Conversation, resolve
from core.history import LabelledTurn, oldest_first, turns_since
from core.store.store import Store, Tx
from core.store.sweep import DAY, HOUR, forget, sweep
from core.values import Address, Author, EventKind, InboundEvent


async def opened(store: Store, chat: str) -> Conversation:
    event = InboundEvent(f"{chat}-0", EventKind.CREATED, Address("web", "us", chat), Author("a"), at=1, text="hello")
    heard = await store.write(lambda tx: tx.ledger.remember(event, 10**12, "bot", "kb"))
    assert heard is not None and heard.conversation is not None
    return heard.conversation


async def asked(store: Store, conversation: Conversation, text: str, label: str = "chosen") -> str:
    """A turn that was answered with `track-order`, and what the customer tapped then."""
    id = f"{conversation.address.chat}-{text}"
    event = InboundEvent(id, EventKind.CREATED, conversation.address, conversation.author, at=1, text=text)
    prediction = Prediction(id, 1, "r" * 64, "m", (Candidate("track-order", 0.9),), 0.9, language="en")

    async def work(tx: Tx) -> None:
        await tx.ledger.remember(event, 10**12, "bot", "kb")
        await tx.ledger.settle(conversation.id, [event.id], id)
        await tx.turns.record(
            id,
            conversation.id,
            events=[event.id],
            question=wire.dump(Question(id, "r" * 64, text, language="de")),
            prediction=wire.dump(prediction),
            decision={"kind": "answer", **wire.dump(Answer("track-order"))},
        )
        if label:
            await tx.labels.add(conversation.id, label, entry="track-order", turn=id, by="a")

    await store.write(work)
    return id


async def close(store: Store, id: str) -> None:
    async def work(tx: Tx) -> None:
        conversation = await tx.conversations.get(id)
        assert conversation is not None
        await tx.conversations.put(resolve(conversation, tx.sql.now))

    await store.write(work)


async def taken(store: Store, since: int = 0, resolved_since: int = 0) -> list[LabelledTurn]:
    return [turn async for turn in oldest_first(store, since, resolved_since=resolved_since, page=2)]


async def test_turns_come_oldest_first_from_every_page_of_ended_conversations(store: Store, clock) -> None:
    # Given five conversations at the same time, a turn each, again and again
    talks = []
    for number in range(5):
        clock.time += 1000
        talks.append(await opened(store, f"c{number}"))
    for text in ("one", "two"):
        for talk in reversed(talks):
            clock.time += 1000
            await asked(store, talk, text)
    for talk in talks[:4]:  # the last one goes on
        await close(store, talk.id)
    # Then the ended ones come in the order of their turns, whatever conversation they belong to
    turns = await taken(store)
    assert [turn.id for turn in turns] == [f"c{n}-{text}" for text in ("one", "two") for n in (3, 2, 1, 0)]
    assert [turn.at for turn in turns] == sorted(turn.at for turn in turns)
    # A moment cuts off what was asked before it
    assert [turn.id for turn in await taken(store, since=turns[5].at)] == [turn.id for turn in turns[5:]]

    async def since(tx: Tx, **options: bool) -> set[str]:
        return {turn.id async for turn in turns_since(tx, turns[4].at - 1000, page=2, **options)}

    assert await store.read(lambda tx: since(tx, ended=True)) == {turn.id for turn in turns[4:]}
    assert await store.read(since) == {*(turn.id for turn in turns[4:]), "c4-two"}


async def test_a_turn_carries_all_that_is_known(store: Store, clock) -> None:
    talk = await opened(store, "c")
    await asked(store, talk, "where is it?")
    await close(store, talk.id)
    (turn,) = await taken(store)
    assert turn == LabelledTurn(
        id="c-where is it?", conversation=talk.id, at=clock.time, text="where is it?", expect="track-order", by="tap",
        decision="answer", said="track-order", confidence=0.9, language="en", release="r" * 64, model="m",
    )  # fmt: skip


async def test_nothing_comes_of_what_was_swept_forgotten_or_is_due_to_be(store: Store, clock) -> None:
    for chat in ("old", "due", "young", "forgotten"):
        talk = await opened(store, chat)
        await asked(store, talk, "where?")
        await close(store, talk.id)
        if chat == "forgotten":
            assert await forget(store, talk.id)
        if chat == "old":
            clock.time += 30 * DAY + HOUR
            await sweep(store, retention_days=30)
        if chat == "due":
            clock.time += 10 * DAY
    assert [turn.id for turn in await taken(store)] == ["due-where?", "young-where?"]
    kept = await taken(store, resolved_since=clock.time - 9 * DAY)
    assert [turn.id for turn in kept] == ["young-where?"]
