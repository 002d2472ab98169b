"""Words that change or vanish, platforms that ask to wait, answers longer than a message."""

from __future__ import annotations

import re

import pytest

from adapters.slack.splitting import SECTION_LIMIT
from tests.fakes.slack.checks import texts_of
from tests.fakes.telegram.markup import units
from tests.regressions.doors import everywhere, on_slack, on_telegram, once_each
from tests.regressions.ground import OnSlack, OnTelegram
from tests.regressions.house import AND_BROKEN, AND_HOURS, AND_ORDER, BROKEN, HOURS, LONG, ORDER, House, heard

TERMS = "tell me all your terms, please"
FASTER = 8  # seconds that pass in one, where 22 are waited for


@everywhere
async def test_17_an_edit_before_the_question_is_asked_is_what_is_asked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.quiet._FRAGMENT", 6.0)  # the edit comes before that on any machine
    ada = house.ground.person()
    message = await ada.says("my parcel")  # a fragment, after which more may come
    await ada.edits(message, HOURS)
    assert await house.answers(ada, 1) == [AND_HOURS]
    assert [question.text for question in house.brain.asked] == [HOURS]


@once_each
async def test_17_an_edit_while_the_brain_thinks_is_what_is_answered(house: House) -> None:
    ada = house.ground.person()
    gate = house.brain.hold(ORDER)
    message = await ada.says(ORDER)
    await house.until(lambda: house.brain.asked)
    await ada.edits(message, HOURS)
    await house.until(lambda: len(house.brain.asked) == 2)
    gate.set()
    assert await house.answers(ada, 1) == [AND_HOURS]


@everywhere
async def test_17_an_edit_after_the_answer_is_answered_anew_and_once(house: House) -> None:
    ada = house.ground.person()
    message = await ada.says(ORDER)
    assert await house.answers(ada, 1) == [AND_ORDER]
    await ada.edits(message, HOURS)
    assert await house.answers(ada, 2) == [AND_ORDER, AND_HOURS]
    # A change that nobody can see, and one that changes nothing about the answer, are not answered again.
    await ada.edits(message, HOURS)
    await house.settle()
    await ada.edits(message, f"{HOURS} thanks")
    assert await house.answers(ada, 2) == [AND_ORDER, AND_HOURS]
    assert len(house.brain.asked) <= 3


@on_slack
async def test_17_what_is_deleted_before_the_answer_is_not_answered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.quiet._FRAGMENT", 6.0)
    ada, bob = house.ground.person(), house.ground.person("Bob")
    assert isinstance(ada, OnSlack) and isinstance(bob, OnSlack)
    gate = house.brain.hold(ORDER)
    # Given a fragment, and a question that is thought about
    fragment, question = await ada.says("my parcel"), await bob.says(ORDER)
    await house.until(lambda: house.brain.asked)
    await ada.customer.deletes(fragment)
    await bob.customer.deletes(question)
    await house.ground.settled()
    gate.set()
    await house.settle()
    assert heard(ada) == heard(bob) == []
    assert [one.text for one in house.brain.asked] == [ORDER]
    # The next question is answered by itself.
    await bob.says(HOURS)
    assert await house.answers(bob, 1) == [AND_HOURS]
    assert house.brain.asked[-1].text == HOURS and house.brain.asked[-1].history == ()


@once_each
async def test_18_a_429_of_22_seconds_delays_everything_and_loses_nothing(house: House) -> None:
    ada, bob = house.ground.person(), house.ground.person("Bob")
    house.clock.runs(FASTER)
    house.door._sender._pace._now = house.clock.seconds
    # Given a long answer, in the middle of which the platform asks us to wait for 22 s
    house.ground.throttle(22, "Clause 30.")
    await ada.says(TERMS)
    await house.until(lambda: [call for call in house.ground.fake.calls if call.status == 429])
    parts = len(ada.seen())
    (asked,) = [call for call in house.ground.fake.calls if call.status == 429]
    # When she goes on, and somebody else writes
    for question in (HOURS, BROKEN):
        await ada.says(question)
        await house.settle()
    await bob.says(ORDER)
    await house.until(lambda: heard(bob) == [AND_ORDER])
    assert len(ada.seen()) == parts
    await house.delivered(ada)
    await house.settle()
    # Then all of it comes after those 22 s, in order, once
    later = [call for call in house.ground.fake.calls_of(house.ground.posting) if call.at > asked.at]
    hers = [call for call in later if "tracking" not in str(call.arguments)]
    assert all((call.at - asked.at) * FASTER >= 22 for call in hers) and hers
    numbers = [int(found) for found in re.findall(r"Clause (\d+)\.", "\n".join(ada.seen()))]
    assert numbers == list(range(1, 41))
    assert heard(ada)[-2:] == [AND_HOURS, AND_BROKEN]
    assert set(await house.rows(ada)) == {"sent"}


def visible(markdown: str) -> str:
    """The words of a Markdown text, without mark-up or white space."""
    plain = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", markdown)
    return re.sub(r"[*`\s\u200b]", "", plain)


@on_telegram
async def test_19_a_very_long_answer_arrives_whole_in_pieces_that_telegram_takes(house: House) -> None:
    ada = house.ground.person()
    assert isinstance(ada, OnTelegram) and len(LONG) > 9000
    await ada.says(TERMS)
    await house.until(lambda: "Clause 40." in "".join(ada.seen()))
    await house.settle()
    pieces = [one for one in ada.customer.seen if one.by_bot]
    assert len(pieces) >= 3 and all(0 < units(one.text) <= 4096 for one in pieces)
    assert visible("".join(heard(ada))) == visible(LONG)
    # Every mark-up is whole, and the button stands under the last piece only.
    marks = [mark for one in pieces for mark in one.styled]
    assert len([mark for mark in marks if mark[0] == "text_link" and mark[1] == "map"]) == 40
    assert [mark[1] for mark in marks if mark[0] == "bold"][-40:] == [f"Clause {number}." for number in range(1, 41)]
    assert [one.buttons for one in pieces] == [()] * (len(pieces) - 1) + [("That's not it",)]
    assert not [call for call in house.ground.fake.calls_of("sendMessage") if not call.ok]


@on_slack
async def test_19_a_very_long_answer_arrives_whole_in_pieces_that_slack_takes(house: House) -> None:
    ada = house.ground.person()
    await ada.says(TERMS)
    await house.until(lambda: "Clause 40." in "".join(ada.seen()))
    await house.settle()
    posted = house.ground.fake.calls_of("chat.postMessage")
    assert all(call.ok and len(call.arguments["blocks"]) <= 50 for call in posted)
    assert all(0 < units(call.arguments["text"]) <= 4000 for call in posted)
    sections = [text for call in posted for block in call.arguments["blocks"] for text in texts_of([block])]
    assert all(units(text) <= SECTION_LIMIT for text in sections)
    assert all(sum(units(text) for text in texts_of(call.arguments["blocks"])) <= 13_200 for call in posted)
    shown = "".join(heard(ada))
    assert visible(re.sub(r"<https://example.com/map\|map>", "map", shown)) == visible(LONG)
