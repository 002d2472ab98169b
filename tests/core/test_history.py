"""What people said about past turns, from taps, agents and silence, over the real road."""

from __future__ import annotations

from dataclasses import replace

from core.history import AGENT, SILENCE, TAP, LabelledTurn, turns_since
from core.store.store import Tx
from core.values import Attachment, AttachmentKind, Author, EventKind, Role
from tests.core.conftest import Road
from tests.core.test_road import WHOLE, png
from tests.fakes.house import sure

MIA = Author("mia", "Mia", Role.AGENT)
DAY = 25 * 3_600_000


async def learned(road: Road, *, ended: bool = False) -> list[LabelledTurn]:
    async def work(tx: Tx) -> list[LabelledTurn]:
        return [turn async for turn in turns_since(tx, ended=ended)]

    return await road.store.read(work)


async def end(road: Road) -> None:
    """A day of silence."""
    await road.settle()
    road.clock.ahead += DAY
    await road.timers.tick()
    await road.settle()


async def test_an_answer_that_nobody_objected_to_is_a_weak_label_once_it_is_over(road: Road) -> None:
    await road.customer().says(WHOLE)
    await road.settle()
    (open_one,) = await learned(road)
    assert (open_one.said, open_one.expect, open_one.by, open_one.wrong) == ("track-order", "", "", None)
    assert not open_one.labelled and await learned(road, ended=True) == []
    await end(road)
    (turn,) = await learned(road, ended=True)
    assert (turn.expect, turn.by, turn.denied, turn.wrong) == ("track-order", SILENCE, (), False)
    assert (turn.text, turn.decision, turn.confidence, turn.language, turn.model) == (
        WHOLE, "answer", 0.95, "en", "fake"
    )  # fmt: skip
    release = await road.publishing.live()
    assert release is not None and len(turn.release) == 64


async def test_a_hand_over_a_second_asking_or_a_block_is_no_consent(road: Road) -> None:
    # Given one who asks for a person, one who asks the same again, one who blocks us, one whom an agent takes over
    for chat in ("person", "again", "block", "taken"):
        await road.customer(chat).says(WHOLE)
    await road.settle()
    person, again, block = (road.customer(chat) for chat in ("person", "again", "block"))
    await person.says("", id="p2", command="human")
    await again.says("no really, where is my order?", id="a2")
    await block.says("", id="b2", kind=EventKind.BLOCKED)
    await road.settle()
    taken = await road.conversation("taken")
    await road.desk.claim(taken.id, MIA)
    for chat in ("person", "taken"):
        await road.desk.resolve((await road.conversation(chat)).id, MIA)
    await end(road)
    turns = await learned(road, ended=True)
    assert len(turns) == 5 and {turn.said for turn in turns} == {"track-order"}
    assert not any(turn.labelled for turn in turns)


async def test_taps_say_what_it_was_and_what_it_was_not(road: Road) -> None:
    # Given an answer, then "that's not it", then "none of these"
    await road.customer().says(WHOLE)
    await road.settle()
    await road.customer().says("", id="t1", kind=EventKind.TAPPED, tap=road.platform.button("c1", "That's not it"))
    await road.settle()
    (turn,) = await learned(road)
    assert (turn.expect, turn.by, turn.denied, turn.wrong) == ("", TAP, ("track-order",), True)
    topic = road.platform.button("c1", "When are you open?")
    none = road.platform.button("c1", "None of these")
    # When a topic is tapped, that is what it was
    await road.customer().says("", id="t2", kind=EventKind.TAPPED, tap=topic)
    await road.settle()
    (turn,) = await learned(road)
    assert (turn.expect, turn.by, turn.denied) == ("opening-hours", TAP, ("track-order",))
    # A later word beats it, and the topic's own answer was no automatic one
    await road.customer().says("", id="t3", kind=EventKind.TAPPED, tap=none)
    await road.settle()
    (turn,) = await learned(road)
    assert (turn.expect, turn.by) == ("", TAP)
    assert turn.denied == ("track-order", "opening-hours", "return-damaged") and turn.said == "track-order"


async def test_an_agent_beats_a_tap_whichever_came_last(road: Road) -> None:
    await road.customer().says(WHOLE)
    await road.settle()
    wrong = road.platform.button("c1", "That's not it")
    id = (await road.conversation()).id
    (turn,) = await learned(road)
    await road.desk.claim(id, MIA)
    await road.desk.say(id, MIA, "You may send it back.", entry="return-damaged", turn=turn.id)
    await road.customer().says("", id="t1", kind=EventKind.TAPPED, tap=wrong)
    await road.settle()
    (turn,) = await learned(road)
    assert (turn.expect, turn.by, turn.denied) == ("return-damaged", AGENT, ("track-order",))
    # A later choice of an agent beats the earlier one; one that names the denied entry says that it was right
    await road.desk.say(id, MIA, "See the page.", entry="track-order", turn=turn.id)
    (turn,) = await learned(road)
    assert (turn.expect, turn.by, turn.denied, turn.wrong) == ("track-order", AGENT, (), False)


async def test_an_agent_corrects_and_takes_it_back(road: Road) -> None:
    await road.customer().says(WHOLE)
    await road.settle()
    id = (await road.conversation()).id
    (turn,) = await learned(road)
    # What was corrected was wrong, also where no entry is right
    for entry, denied in (("opening-hours", ("track-order",)), ("none", ("track-order",)), ("track-order", ())):
        await road.desk.correct(id, MIA, turn.id, entry)
        (turn,) = await learned(road)
        assert (turn.expect, turn.by, turn.denied) == (entry, AGENT, denied)
        assert turn.wrong is bool(denied)
    await road.desk.correct(id, MIA, turn.id, "")
    (turn,) = await learned(road)
    assert (turn.expect, turn.by, turn.denied, turn.wrong) == ("", "", (), None)


async def test_what_a_customer_took_back_teaches_nothing(road: Road) -> None:
    # Given one who deletes the question, one who changes it, and one whose later question has the deleted one before it
    for chat in ("gone", "changed", "later"):
        await road.customer(chat).says(WHOLE)
    await road.settle()
    await road.customer("later").says("when are you open today?", id="l2", message="2")
    await road.settle()
    for chat in ("gone", "later"):
        await road.customer(chat).says("", id=f"{chat}-del", kind=EventKind.DELETED, message="1")
    road.brain.think = lambda question: sure(question, "opening-hours")
    await road.customer("changed").says("when do you open?", id="edit", kind=EventKind.EDITED, message="1")
    await end(road)
    turns = await learned(road)
    assert {turn.text for turn in turns} == {"when are you open today?", "when do you open?"}
    assert all(turn.history == () for turn in turns)


async def test_late_photos_of_an_album_are_one_turn_with_the_labels_of_both(road: Road) -> None:
    for name in ("p1", "p2"):
        road.platform.files[name] = png()
    customer = road.customer()
    part = Attachment(AttachmentKind.PHOTO, ref="p1")
    await customer.says("what happened to my mug, please tell me?", attachments=(part,), group="g")
    await road.settle()
    (first,) = await learned(road)
    await road.store.write(lambda tx: tx.labels.add(first.conversation, "wrong", entry="track-order", turn=first.id))
    await customer.says("", attachments=(replace(part, ref="p2"),), group="g")
    await road.settle()
    (turn,) = await learned(road)
    assert turn.id != first.id and len(turn.photos) == 2
    assert (turn.denied, turn.by) == (("track-order",), TAP)


async def test_what_could_not_be_read_or_was_never_said_is_no_answer(road: Road) -> None:
    from core.values import Problem

    await road.customer("sticker").says("", attachments=(Attachment(AttachmentKind.OTHER, problem=Problem.STICKER),))
    await road.customer("hello").says(WHOLE)
    await road.settle()
    id = (await road.conversation("hello")).id

    async def withhold(tx: Tx) -> None:
        (*_, said) = await tx.transcript.list(id)
        await tx.transcript.add_facts(said.id, {"delivery": "superseded"})

    await road.store.write(withhold)
    await end(road)
    (turn,) = await learned(road)
    assert (turn.decision, turn.said, turn.expect) == ("answer", "", "")
