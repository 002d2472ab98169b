"""Strict order inside a conversation, none across: what belongs together, what must not wait."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import BrainLate
from tests.adapters.stage import picture
from tests.fakes.house import sure
from tests.fakes.telegram import Customer
from tests.regressions.doors import on_slack, on_telegram, once_each
from tests.regressions.ground import OnTelegram
from tests.regressions.house import (
    AND_BROKEN,
    AND_HOURS,
    AND_ORDER,
    BROKEN,
    HOURS,
    ORDER,
    House,
    heard,
)
from tests.workers.media.recordings import recorded

NOTE = recorded("ogg", "libopus", seconds=1.0)


@once_each
async def test_06_a_quick_second_message_does_not_overtake_a_slow_first(house: House) -> None:
    ada = house.ground.person()
    # Given a question that is thought about for so long that what follows is a turn of its own
    gate = house.brain.hold(ORDER)
    await ada.says(ORDER)
    await house.until(lambda: house.brain.asked)
    house.clock.ahead += 11_000
    await asyncio.sleep(0.6)
    await ada.says(HOURS)
    await house.ground.settled()
    await asyncio.sleep(0.3)
    # Then the second waits behind it, although its answer would be there at once
    assert heard(ada) == []
    gate.set()
    assert await house.answers(ada, 2) == [AND_ORDER, AND_HOURS]
    assert [question.text for question in house.brain.asked] == [ORDER, HOURS]


@once_each
async def test_06_what_follows_at_once_belongs_to_the_question_that_is_being_thought_about(house: House) -> None:
    ada = house.ground.person()
    gate = house.brain.hold(ORDER)
    await ada.says(ORDER)
    await house.until(lambda: house.brain.asked)
    await ada.says("I mean the one that came damaged.")
    await house.until(lambda: len(house.brain.asked) == 2)
    gate.set()
    assert await house.answers(ada, 1) == [AND_BROKEN]
    assert house.brain.asked[-1].text == f"{ORDER}\nI mean the one that came damaged."


@once_each
async def test_06_a_photo_that_loads_slowly_stays_before_the_words_that_followed_it(house: House) -> None:
    ada = house.ground.person()
    house.ground.fake.slow_next("download", 0.6)
    await ada.shows(picture())
    await ada.says("is that my order, and where is it?")
    assert await house.answers(ada, 1) == [AND_ORDER]
    assert [len(question.photos) for question in house.brain.asked] == [1]


@once_each
@pytest.mark.parametrize("topic", [0, 7], ids=["chats", "topics"])
async def test_07_a_slow_chat_does_not_delay_another(house: House, topic: int) -> None:
    ada, bob = house.ground.person(), house.ground.person("Bob")
    gate = house.brain.hold(ORDER)
    # Given a question that nobody finishes, in Ada's chat or in a topic of it, and a photo that does not load
    await ada.says(ORDER, topic)
    house.ground.fake.slow_next("download", 4.0)
    await house.ground.person("Cleo").shows(picture(), "is that damaged, or what?")
    await house.until(lambda: [call for call in house.ground.fake.calls if call.method == "download"])
    await house.until(lambda: house.brain.asked)
    # Then somebody else, and Ada herself in another topic, are answered meanwhile
    other = ada if topic else bob
    await other.says(HOURS, 8 if topic else 0)
    await house.until(lambda: heard(other) == [AND_HOURS], 3.5)
    await bob.says(BROKEN)
    await house.until(lambda: AND_BROKEN in heard(bob))
    gate.set()
    await house.until(lambda: AND_ORDER in heard(ada))
    await house.settle()


@on_telegram
async def test_13_an_album_whose_last_picture_is_late_gets_one_reply(house: House) -> None:
    # Given a brain that changes its mind about Ada's album when it has seen all of it, but not about Bob's
    def think(question):  # type: ignore[no-untyped-def]
        changed = "Ada" in question.text and len(question.photos) == 10
        return sure(question, "return-damaged" if changed else "track-order")

    house.brain.think = think
    ada, bob = house.ground.fake.customer("Ada"), house.ground.fake.customer("Bob")

    async def sends(person: Customer, album: str, number: int, name: str) -> None:
        caption = f"is that the order of {name}?" if number == 4 else ""
        await person.sends_photo(picture(size=(32, 24 + number)), caption=caption, album=album)

    # When nine items come at once, the caption on the fourth, and the tenth three seconds later
    for number in range(1, 10):
        await sends(ada, "11", number, "Ada")
        await sends(bob, "22", number, "Bob")
    await asyncio.sleep(3.0)
    await house.until(lambda: heard(OnTelegram(ada)) and heard(OnTelegram(bob)))
    first = [heard(OnTelegram(ada)), heard(OnTelegram(bob))]
    await sends(ada, "11", 10, "Ada")
    await sends(bob, "22", 10, "Bob")
    await house.until(lambda: len([one for one in house.brain.asked if len(one.photos) == 10]) == 2)
    await house.settle()
    # Then each has one reply, and Ada's is the right one now
    assert first == [[AND_ORDER], [AND_ORDER]]
    assert [heard(OnTelegram(ada)), heard(OnTelegram(bob))] == [[AND_BROKEN], [AND_ORDER]]
    assert [len(one.photos) for one in house.brain.asked if "Ada" in one.text] == [9, 10]


@on_slack
async def test_13_ten_pictures_in_one_message_get_one_reply(house: House) -> None:
    ada = house.ground.fake.customer("Ada")
    await ada.shares_photos([picture(size=(32, 24 + number)) for number in range(10)], "is that my order, please?")
    await house.until(lambda: [one for one in ada.seen if one.by_bot])
    await house.settle()
    assert len([one for one in ada.seen if one.by_bot]) == 1
    assert [len(one.photos) for one in house.brain.asked] == [10]


@once_each
async def test_14_a_voice_note_and_the_text_after_it_are_one_question(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.quiet._LONE_VOICE", 6.0)
    ada = house.ground.person()
    await ada.speaks(NOTE if isinstance(ada, OnTelegram) else recorded("mp4", "aac", seconds=1.0))
    await asyncio.sleep(0.3)
    await ada.says("that was about my order, by the way")
    assert await house.answers(ada, 1) == [AND_ORDER]
    (asked,) = house.brain.asked
    assert len(asked.voices) == 1 and asked.text == "that was about my order, by the way"


@once_each
async def test_14_a_note_that_is_not_heard_in_time_is_answered_by_its_words_and_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.quiet._LONE_VOICE", 6.0)
    house.brain.think = lambda question: BrainLate("too slow") if question.voices else sure(question, "opening-hours")
    ada = house.ground.person()
    await ada.speaks(NOTE if isinstance(ada, OnTelegram) else recorded("mp4", "aac", seconds=1.0))
    await ada.says(HOURS)
    (told,) = await house.answers(ada, 1)
    assert told.startswith(AND_HOURS)
    assert [bool(question.voices) for question in house.brain.asked] == [True, True, False]
