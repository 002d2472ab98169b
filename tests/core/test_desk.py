"""What agents do, and that the bot never talks over them."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import BadInput, NotAllowed
from core.timers import MINUTE
from core.values import Author, EventKind, Role
from tests.core.conftest import Road

MIA = Author("mia", "Mia", Role.AGENT)
TOM = Author("tom", "Tom", Role.AGENT)
WHOLE = "where is my order please?"


async def waiting(road: Road) -> str:
    await road.customer().says("/human", command="human")
    await road.settle()
    return (await road.conversation()).id


async def test_claim_answer_hand_back_and_the_customer_is_told_each_time(road: Road) -> None:
    id = await waiting(road)
    await road.desk.claim(id, MIA)
    await road.desk.say(id, MIA, "Hello, I am Mia.")
    await road.desk.hand_back(id, MIA)
    await road.settle()
    texts = road.platform.texts("c1")
    assert "Mia" in texts[1]
    assert texts[2] == "Hello, I am Mia."
    assert "assistant is back" in texts[3]
    await road.customer().says(WHOLE, message="99")
    assert (await road.conversation()).owner == "bot"


async def test_only_one_agent_can_have_it(road: Road) -> None:
    id = await waiting(road)
    await road.desk.claim(id, MIA)
    with pytest.raises(NotAllowed, match="Mia"):
        await road.desk.claim(id, TOM)
    with pytest.raises(NotAllowed):
        await road.desk.say(id, TOM, "me too")
    with pytest.raises(BadInput):
        await road.desk.say(id, MIA, "  ")


async def test_an_agent_hears_of_words_that_are_still_under_way(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a platform that does not say whether it took an answer, then the claim does not promise silence."""
    monkeypatch.setattr("core.desk.CONFIRM_SECONDS", 0.3)
    road.platform.gate = asyncio.Event()
    await road.customer().says(WHOLE)
    id = (await road.conversation()).id
    await road.under_way(id)
    await road.desk.claim(id, MIA)
    kept = await road.store.read(lambda tx: tx.transcript.latest(id))
    road.platform.gate.set()
    await road.settle()
    assert [one for one in kept if one.author.id == "system" and "it may still appear" in one.text]


async def test_a_claim_while_the_worker_thinks_turns_its_answer_into_a_draft(road: Road) -> None:
    # Given a question whose answer is on its way
    road.brain.gate = asyncio.Event()
    customer = road.customer()
    await customer.says(WHOLE)
    await road.until(lambda: road.brain.asked)
    id = (await road.conversation()).id
    # When a human claims, and only then the prediction comes
    await road.desk.claim(id, MIA)
    road.brain.gate.set()
    await road.settle()
    # Then the customer hears of the human alone, and the agent sees the draft
    assert len(road.platform.texts("c1")) == 1 and "Mia" in road.platform.texts("c1")[0]
    messages = await road.store.read(lambda tx: tx.transcript.list(id))
    assert [message.text for message in messages if message.kind == "draft"] == ["See the tracking page."]


async def test_what_the_bot_had_queued_is_never_said_after_a_claim(road: Road) -> None:
    # Given an answer that cannot leave yet, and another queued behind it
    road.platform.gate = asyncio.Event()
    customer = road.customer()
    await customer.says(WHOLE)
    await road.answering.idle()
    await customer.says("and when do you open?")
    await road.answering.idle()
    id = (await road.conversation()).id
    await road.under_way(id)
    # When a human claims: the confirmation waits for what is on its way
    claim = asyncio.create_task(road.desk.claim(id, MIA))
    await asyncio.sleep(0.1)
    assert not claim.done()
    road.platform.gate.set()
    await claim
    said_before = len(road.platform.texts("c1"))
    await road.settle()
    # Then only what had left before, and the word about the human, was said
    texts = road.platform.texts("c1")
    assert said_before >= 1
    assert [("Mia" in text) for text in texts] == [False, True]


async def test_a_note_reaches_no_customer(road: Road) -> None:
    id = await waiting(road)
    before = len(road.platform.texts("c1"))
    await road.desk.note(id, MIA, "difficult one")
    await road.settle()
    assert len(road.platform.texts("c1")) == before


async def test_after_resolve_the_next_message_opens_a_new_conversation(road: Road) -> None:
    id = await waiting(road)
    await road.desk.claim(id, MIA)
    await road.desk.resolve(id, MIA)
    await road.customer().says(WHOLE, message="77", id="fake:c1:later")  # type: ignore[arg-type]
    await road.settle()
    assert (await road.conversation()).id != id
    assert road.brain.asked[-1].history == ()


async def test_nobody_came_is_told_once_and_alerts_again(road: Road) -> None:
    id = await waiting(road)
    before = len(road.platform.texts("c1"))
    for _ in range(3):
        road.clock.ahead += 11 * MINUTE
        await road.timers.tick()
    await road.settle()
    assert len(road.platform.texts("c1")) == before + 1
    assert "11 min" in road.platform.texts("c1")[-1]
    assert (await road.store.read(lambda tx: tx.conversations.get(id))).reminded_at > 0  # type: ignore[union-attr]


async def test_a_silent_agent_is_reminded_then_loses_it_to_the_desk(road: Road) -> None:
    # Given an agent who claimed and never wrote a word
    id = await waiting(road)
    await road.desk.claim(id, MIA)
    for owner in ("agent", "desk"):
        road.clock.ahead += 31 * MINUTE
        await road.timers.tick()
        assert (await road.conversation()).owner == owner
    notes = [m.text for m in await road.store.read(lambda tx: tx.transcript.list(id)) if m.kind == "note"]
    assert len(notes) == 2


@pytest.mark.parametrize("owner", ["agent", "desk"])
async def test_nobody_is_shown_typing_by_a_bot_that_has_not_the_word(road: Road, owner: str) -> None:
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    shown = road.platform.busy
    assert shown
    if owner == "agent":
        await road.desk.claim((await road.conversation()).id, MIA)
    else:
        await customer.says("/human", command="human")
        await road.settle()
    road.brain.gate = asyncio.Event()
    await customer.says("and when are you open?")
    await road.until(lambda: len(road.brain.asked) == 2)
    await asyncio.sleep(0.2)
    road.brain.gate.set()
    await road.settle()
    assert road.platform.busy == shown


async def test_an_agent_says_what_a_question_was_about_whoever_has_it(road: Road) -> None:
    await road.customer().says(WHOLE)
    await road.settle()
    id = (await road.conversation()).id
    turn = await road.store.read(lambda tx: tx.turns.last(id))
    assert turn is not None
    await road.desk.correct(id, TOM, turn.id, "opening-hours")
    await road.desk.resolve(id, MIA)
    await road.desk.correct(id, MIA, turn.id, "none")
    told = await road.store.read(lambda tx: tx.labels.of(id))
    assert [(label.kind, label.entry, label.by) for label in told] == [
        ("corrected", "opening-hours", "tom"),
        ("resolve", "", "mia"),
        ("corrected", "none", "mia"),
    ]
    assert {(label.turn, label.release, label.model) for label in told} == {(turn.id, turn.release, "fake")}
    # The customer noticed nothing but the end
    assert len(road.platform.texts("c1")) == 2


async def test_a_correction_names_an_entry_and_a_question_that_there_are(road: Road) -> None:
    await road.customer().says(WHOLE)
    await road.customer("c2").says(WHOLE)
    await road.settle()
    id, other = (await road.conversation()).id, (await road.conversation("c2")).id
    turn, stranger = [(await road.store.read(lambda tx, one=one: tx.turns.list(one)))[0].id for one in (id, other)]
    for about, entry, words in (
        (turn, "no-such", "no such entry"),
        (stranger, "none", "no such question"),
        ("", "none", "no such question"),
    ):
        with pytest.raises(BadInput, match=words):
            await road.desk.correct(id, MIA, about, entry)
    assert await road.store.read(lambda tx: tx.labels.list()) == ()
    # What an agent sends with another conversation's question counts for the last one of this conversation
    await road.desk.claim(id, MIA)
    await road.desk.say(id, MIA, "Nine to five.", entry="opening-hours", turn=stranger)
    (*_, label) = await road.store.read(lambda tx: tx.labels.of(id))
    assert (label.kind, label.turn) == ("agent_entry", turn)


async def test_what_an_agent_sends_again_with_the_same_key_is_said_once(road: Road) -> None:
    id = await waiting(road)
    await road.desk.claim(id, MIA)
    for _ in range(2):
        await road.desk.say(id, MIA, "Hello, I am Mia.", key="k1")
        await road.desk.note(id, MIA, "a regular", key="k2")
    await road.desk.say(id, MIA, "Hello, I am Mia.", key="k3")
    await road.settle()
    assert road.platform.texts("c1").count("Hello, I am Mia.") == 2
    lines = await road.store.read(lambda tx: tx.transcript.list(id))
    assert [line.text for line in lines].count("a regular") == 1


async def test_the_latest_resolved_conversations_come_first(road: Road) -> None:
    ids = []
    for chat in ("c1", "c2", "c3"):
        await road.customer(chat).says("/human", command="human")
        await road.settle()
        ids += [one.id for one in await road.store.read(lambda tx: tx.conversations.list()) if one.id not in ids]
    for id in (ids[2], ids[0], ids[1]):
        await road.desk.resolve(id, MIA)
        road.clock.ahead += 1000
    latest = await road.store.read(lambda tx: tx.conversations.list(resolved=True, limit=2))
    assert [one.id for one in latest] == [ids[1], ids[0]]


async def test_words_that_came_since_keep_a_conversation_open_and_edits_of_seen_ones_do_not(road: Road) -> None:
    id = await waiting(road)
    await road.desk.claim(id, MIA)
    ada = road.customer()
    said = await ada.says("one more thing: when are you open?", id="x-2", message="x-2")
    await road.settle()

    async def last() -> int:
        return max(line.seq for line in await road.store.read(lambda tx: tx.transcript.list(id)))

    with pytest.raises(NotAllowed, match="in the meantime"):
        await road.desk.resolve(id, MIA, seen=1)
    await ada.says("one more thing: when do you open?", kind=EventKind.EDITED, id="x-3", message=said.message)
    await road.settle()
    await road.desk.resolve(id, MIA, seen=await last())
