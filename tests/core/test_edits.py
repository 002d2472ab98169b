"""What a customer changes, before or after it was answered."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import pytest
from PIL import Image

from core.asking import Prediction, Question
from core.errors import BrainLate, Throttled
from core.values import Attachment, AttachmentKind, Author, EventKind, Role
from tests.core.conftest import Road
from tests.fakes.house import FakeCustomer, sure

ONE, TWO = (Attachment(AttachmentKind.PHOTO, ref=name) for name in ("one", "two"))


@pytest.fixture
def album(road: Road) -> Road:
    """A road whose brain finds another entry once it sees two photos."""
    for name, colour in (("one", "red"), ("two", "blue")):
        content = io.BytesIO()
        Image.new("RGB", (8, 8), colour).save(content, "PNG")
        road.platform.files[name] = content.getvalue()
    road.brain.think = lambda question: sure(question, "return-damaged" if len(question.photos) == 2 else "track-order")
    return road


async def given_back(album: Road) -> FakeCustomer:
    """A customer whose first photo was seen to, and whom an agent took over and gave back without a word."""
    mia = Author("mia", "Mia", Role.AGENT)
    ada = album.customer()
    await ada.says("is this my order?", attachments=(ONE,), group="album")
    await album.settle()
    id = (await album.conversation()).id
    await album.desk.claim(id, mia)
    await album.desk.hand_back(id, mia)
    return ada


async def test_an_edit_that_finds_an_earlier_answer_is_answered(road: Road) -> None:
    def think(question: Question) -> Prediction:
        if "unclear" in question.text:
            return sure(question, "track-order", 0.1, "opening-hours")
        return sure(question, "track-order")

    road.brain.think = think
    ada = road.customer()
    await ada.says("where is my order please?")
    await road.settle()
    second = await ada.says("some unclear words here ok?")
    await road.settle()
    # When what we were unsure about is put in words that we have answered before
    await ada.says("tell me where my order is?", kind=EventKind.EDITED, message=second.message)
    await road.settle()
    assert road.platform.texts("c1")[2:] == ["See the tracking page."]


async def test_an_edit_that_changes_nothing_is_not_answered_again_even_after_another_answer(road: Road) -> None:
    road.brain.think = lambda question: sure(question, "opening-hours" if "open" in question.text else "track-order")
    ada = road.customer()
    first = await ada.says("where is my oder please?")
    await road.settle()
    await ada.says("when are you open on Monday?")
    await road.settle()
    said = len(road.platform.texts("c1"))
    for words in ("where is my order please?", "where is my order, please?"):
        await ada.says(words, kind=EventKind.EDITED, message=first.message)
        await road.settle()
    assert len(road.platform.texts("c1")) == said


async def test_a_photo_that_is_replaced_while_the_bot_thinks_is_looked_at(album: Road) -> None:
    ada = album.customer()
    album.brain.gate = asyncio.Event()
    first = await ada.says("is this my order here?", attachments=(ONE,))
    await album.until(lambda: album.brain.asked)
    await ada.says("is this my order here?", kind=EventKind.EDITED, message=first.message, attachments=(TWO,))
    await album.until(lambda: len(album.brain.asked) == 2)
    album.brain.gate.set()
    await album.settle()
    old, new = (question.photos for question in album.brain.asked)
    assert old != new
    assert len(album.platform.texts("c1")) == 1


async def test_an_edited_caption_takes_the_place_of_the_old_one(album: Road) -> None:
    ada = album.customer()
    first = await ada.says("is this a tent question?", attachments=(ONE,), group="album")
    await album.settle()
    edit = {"kind": EventKind.EDITED, "message": first.message, "attachments": (ONE,), "group": "album"}
    await ada.says("is this a mug question?", **edit)
    await album.settle()
    last = album.brain.asked[-1]
    assert last.text == "is this a mug question?"
    assert len(last.photos) == 1


async def test_what_was_deleted_is_not_asked_with_a_late_photo(album: Road) -> None:
    ada = album.customer()
    first = await ada.says("is this a secret question?", attachments=(ONE,), group="album")
    await album.settle()
    await ada.says("", kind=EventKind.DELETED, message=first.message)
    await ada.says("", attachments=(TWO,), group="album")
    await album.settle()
    last = album.brain.asked[-1]
    assert "secret" not in last.text
    assert len(last.photos) == 1


async def test_words_that_ask_for_a_moment_do_not_keep_an_answer_from_being_replaced(
    album: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.company._HOLDING_AFTER", 0.2)
    album.brain.gate = asyncio.Event()
    ada = album.customer()
    await ada.says("is this my order?", attachments=(ONE,), group="album")
    await album.until(lambda: album.platform.texts("c1"))
    album.brain.gate.set()
    await album.settle()
    await ada.says("", attachments=(TWO,), group="album")
    await album.settle()
    calls = album.platform.seen["c1"]
    assert [bool(call.arguments["edits"]) for call in calls] == [False, False, True]
    assert album.platform.texts("c1")[-1] == "Send us a photo."  # who is speaking was said before


async def test_an_answer_that_is_on_its_way_is_replaced_once_it_has_arrived(album: Road) -> None:
    album.platform.gate = asyncio.Event()
    ada = album.customer()
    await ada.says("is this my order?", attachments=(ONE,), group="album")
    await album.under_way((await album.conversation()).id)
    await ada.says("", attachments=(TWO,), group="album")
    await album.until(lambda: len(album.brain.asked) == 2)
    album.platform.gate.set()
    await album.settle()
    assert [bool(call.arguments["edits"]) for call in album.platform.seen["c1"]] == [False, True]


async def test_an_answer_that_cannot_be_replaced_is_corrected_in_words(album: Road) -> None:
    ada = album.customer()
    await ada.says("is this my order?", attachments=(ONE,), group="album")
    await album.settle()
    # Given that nobody knows what the platform called it
    conversation = await album.conversation()
    (row,) = await album.store.read(lambda tx: tx.outbox.list(conversation.id))
    await album.store.write(lambda tx: tx.outbox.sent(row.id))
    await ada.says("", attachments=(TWO,), group="album")
    await album.settle()
    assert "have to correct myself" in album.platform.texts("c1")[-1]


async def test_a_late_part_does_not_change_words_above_what_we_said_since(album: Road) -> None:
    ada = await given_back(album)
    await album.settle()
    await ada.says("", attachments=(TWO,), group="album")
    await album.settle()
    last = album.platform.seen["c1"][-1].arguments
    assert not last["edits"]
    assert "have to correct myself" in str(last["text"])


async def test_a_third_part_takes_the_place_of_a_change_that_has_not_left(album: Road) -> None:
    def think(question: Question) -> Prediction:
        return sure(question, ("track-order", "return-damaged", "opening-hours")[len(question.photos) - 1])

    album.brain.think = think
    album.platform.files["three"] = album.platform.files["one"] + b" "
    ada = album.customer()
    await ada.says("is this my order?", attachments=(ONE,), group="album")
    await album.settle()
    album.platform.trouble = [Throttled("wait", 2.0)]
    await ada.says("", attachments=(TWO,), group="album")
    await album.until(lambda: not album.platform.trouble)
    await ada.says("", attachments=(replace(ONE, ref="three"),), group="album")
    await album.until(lambda: len(album.platform.texts("c1")) == 2)
    await album.settle()
    assert [bool(call.arguments["edits"]) for call in album.platform.seen["c1"]] == [False, True]
    assert str(album.platform.texts("c1")[-1]).endswith("Nine to five.")


async def test_an_edit_that_was_deleted_while_the_bot_thinks_is_not_answered(road: Road) -> None:
    ada = road.customer()
    first = await ada.says("where is my order please?")
    await road.settle()
    road.brain.gate = asyncio.Event()
    road.brain.think = lambda question: sure(question, "opening-hours")
    await ada.says("when are you open on Monday?", kind=EventKind.EDITED, message=first.message)
    await road.until(lambda: len(road.brain.asked) == 2)
    await ada.says("", kind=EventKind.DELETED, message=first.message)
    road.brain.gate.set()
    await road.settle()
    assert len(road.platform.texts("c1")) == 1


async def test_a_late_part_asks_for_a_human_again_when_the_first_one_has_gone(album: Road) -> None:
    album.brain.think = lambda question: BrainLate("nobody is there")
    ada = await given_back(album)
    await ada.says("", attachments=(TWO,), group="album")
    await album.settle()
    assert (await album.conversation()).owner == "desk"
    assert "asked a colleague" in album.platform.texts("c1")[-1]
