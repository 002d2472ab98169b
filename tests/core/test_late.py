"""What comes late: edits at the last moment, and items of an album that was answered already."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import pytest
from PIL import Image

from core.asking import Prediction, Question
from core.errors import OutcomeUnknown, Throttled
from core.values import Attachment, AttachmentKind, EventKind, Role
from tests.core.conftest import Road
from tests.fakes.house import sure

WHOLE = "where is my order please?"
ASK_AGAIN = "My last message may not have reached you. If an answer is missing, please ask again and I'll repeat it."


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


async def test_an_edit_at_the_last_moment_is_answered_not_the_words_before_it(road: Road) -> None:
    customer = road.customer()
    first = customer.event(WHOLE)
    edit = customer.event("when are you open on Monday?", kind=EventKind.EDITED, message=first.message)

    def think(question: Question) -> Prediction:
        return sure(question, "opening-hours" if "open" in question.text else "track-order")

    road.brain.think = think
    write = road.store.write
    edited = False

    async def late(work):  # type: ignore[no-untyped-def]
        nonlocal edited
        if road.brain.asked and not edited:
            edited = True
            await write(lambda tx: tx.ledger.remember(edit, 86_400_000, "default", "default"))
        return await write(work)

    road.store.write = late  # type: ignore[method-assign]
    await road.hearing.hear(first)
    await road.settle()
    road.store.write = write  # type: ignore[method-assign]
    road.answering.wake((await road.conversation()).id)
    await road.settle()
    assert [text.split("\n")[-1] for text in road.platform.texts("c1")] == ["Nine to five."]


@pytest.mark.parametrize("matters", [False, True])
async def test_a_late_item_of_an_album_changes_the_answer_instead_of_adding_one(road: Road, matters: bool) -> None:
    customer = road.customer()
    road.platform.files |= {"one": png(), "two": png()}

    def think(question: Question) -> Prediction:
        return sure(question, "return-damaged" if matters and len(question.photos) == 2 else "track-order")

    road.brain.think = think
    part = Attachment(AttachmentKind.PHOTO, ref="one")
    await customer.says("is this my order?", attachments=(part,), group="album")
    await road.settle()
    # When its last picture comes after the answer
    await customer.says("", attachments=(replace(part, ref="two"),), group="album")
    await road.settle()
    calls = road.platform.seen["c1"]
    assert len(road.brain.asked[-1].photos) == 2
    assert road.brain.asked[-1].text == "is this my order?"
    assert [call.arguments["edits"] for call in calls] == (["", "1"] if matters else [""])
    assert str(calls[-1].arguments["text"]).endswith("Send us a photo." if matters else "See the tracking page.")
    assert "automated assistant" in str(calls[-1].arguments["text"])


async def test_after_a_question_that_was_deleted_the_next_is_heard_out_too(road: Road) -> None:
    """Whatever became of one turn, the quiet window of the next begins with its own first word."""
    customer = road.customer()
    road.brain.gate = asyncio.Event()
    first = await customer.says(WHOLE)
    await road.until(lambda: road.brain.asked)
    await customer.says("", kind=EventKind.DELETED, message=first.message)
    await road.settle()
    road.brain.gate.set()
    road.clock.ahead += 3600 * 1000
    road.platform.files["one"] = png()
    await customer.says("", attachments=(Attachment(AttachmentKind.PHOTO, ref="one"),))
    await customer.says("is this my order?")
    await road.settle()
    assert [(question.text, len(question.photos)) for question in road.brain.asked[1:]] == [("is this my order?", 1)]


async def test_each_late_item_of_an_album_knows_all_that_came_before(road: Road) -> None:
    customer = road.customer()
    road.platform.files |= {name: png() for name in ("one", "two", "three")}
    for name in ("one", "two", "three"):
        part = Attachment(AttachmentKind.PHOTO, ref=name)
        await customer.says("is this my order?" if name == "one" else "", attachments=(part,), group="album")
        await road.settle()
    last = road.brain.asked[-1]
    assert (last.text, len(last.photos)) == ("is this my order?", 3)
    assert len(road.platform.texts("c1")) == 1


async def test_an_answer_that_has_not_left_is_taken_back_for_the_one_that_knows_more(road: Road) -> None:
    """Given a platform that makes us wait, when a late item changes the answer, then only the new one is said."""
    customer = road.customer()
    road.platform.files |= {"one": png(), "two": png()}
    road.brain.think = lambda question: sure(question, "return-damaged" if len(question.photos) == 2 else "track-order")
    road.platform.trouble = [Throttled("wait", 30.0)]
    part = Attachment(AttachmentKind.PHOTO, ref="one")
    await customer.says("is this my order?", attachments=(part,), group="album")
    await road.settle()
    assert not road.platform.seen
    await customer.says("", attachments=(replace(part, ref="two"),), group="album")
    await road.settle()
    await road.until(lambda: road.platform.texts("c1"))
    await road.settle()
    (said,) = road.platform.texts("c1")
    assert "automated assistant" in said and said.endswith("Send us a photo.")
    # And the agent who looks at the conversation sees that the first one was never said.
    known = await road.conversation()
    kept = await road.store.read(lambda tx: tx.transcript.latest(known.id, limit=9))
    assert [one.facts.get("delivery") for one in kept if one.author.role is Role.BOT] == ["superseded", None]


async def test_a_late_item_of_an_album_is_no_second_miss(road: Road) -> None:
    """Given an album whose first part says too little, when the rest says no more, then nobody is sent to a human."""
    customer = road.customer()
    road.platform.files |= {name: png() for name in ("one", "two")}

    def think(question: Question) -> Prediction:
        others = ("opening-hours",) if len(question.photos) == 2 else ("return-damaged",)
        return sure(question, "track-order", 0.05, *others)

    road.brain.think = think
    for name in ("one", "two"):
        part = Attachment(AttachmentKind.PHOTO, ref=name)
        await customer.says("is this it?" if name == "one" else "", attachments=(part,), group="album")
        await road.settle()
        conversation = await road.conversation()
        assert (conversation.owner, conversation.misses) == ("bot", 1)
    assert [call.arguments["edits"] for call in road.platform.seen["c1"]] == ["", "1"]
    # The next turn's miss is the second
    await customer.says("no, another one altogether?")
    await road.settle()
    assert (await road.conversation()).owner == "desk"


async def test_an_answer_that_arrives_while_we_think_of_a_late_item_is_edited(road: Road) -> None:
    customer = road.customer()
    road.platform.files |= {"one": png(), "two": png()}
    road.brain.think = lambda question: sure(question, "return-damaged" if len(question.photos) == 2 else "track-order")
    part = Attachment(AttachmentKind.PHOTO, ref="one")
    # Given an answer that the platform has not taken yet when its album goes on
    road.platform.gate = asyncio.Event()
    await customer.says("is this my order?", attachments=(part,), group="album")
    await road.answering.idle()
    road.brain.gate = asyncio.Event()
    await customer.says("", attachments=(replace(part, ref="two"),), group="album")
    await road.until(lambda: len(road.brain.asked) == 2)
    # When it arrives before the new one is thought of
    road.platform.gate.set()
    await road.courier.idle()
    road.brain.gate.set()
    await road.settle()
    assert [call.arguments["edits"] for call in road.platform.seen["c1"]] == ["", "1"]


async def test_an_edit_after_an_answer_that_may_not_have_arrived_is_answered(road: Road) -> None:
    """Given the same answer twice, the second perhaps lost, when its question is edited, then it comes again."""
    customer = road.customer()
    road.brain.think = lambda question: sure(question, "opening-hours" if "open" in question.text else "track-order")
    await customer.says(WHOLE)
    await road.settle()
    road.platform.trouble.append(OutcomeUnknown("who knows"))
    event = await customer.says("where is my other order please?")
    await road.settle()
    assert road.platform.texts("c1")[1:] == [ASK_AGAIN]
    await customer.says("where is my other order, please?", kind=EventKind.EDITED, message=event.message)
    await road.settle()
    assert road.platform.texts("c1")[2:] == ["See the tracking page."]


async def test_a_moment_is_asked_for_once_however_often_a_turn_begins_anew(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.company._HOLDING_AFTER", 0.3)
    customer = road.customer()

    def moments() -> int:
        return sum("One moment" in text for text in road.platform.texts("c1"))

    async def waits(*texts: str) -> None:
        road.brain.gate, asked, said = asyncio.Event(), len(road.brain.asked), moments()
        for number, text in enumerate(texts, asked + 1):
            await customer.says(text)
            await road.until(lambda number=number: len(road.brain.asked) == number)
            await road.until(lambda: moments() > said)
            await asyncio.sleep(0.6)  # in which another one would be asked for
        road.brain.gate.set()
        await road.settle()

    await waits(WHOLE, "I mean the order of last week?", "the one with the mug?")
    assert moments() == 1
    # And again for what is asked later
    await waits("when are you open on Monday?")
    assert moments() == 2
