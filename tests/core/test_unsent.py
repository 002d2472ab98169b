"""Words that the platform does not take, or takes late."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.asking import Prediction, Question
from core.conversation import Owner
from core.errors import BrainGone, OutcomeUnknown, Refused, Retry, Throttled
from core.store.store import Store
from core.values import Attachment, AttachmentKind, Author, EventKind, Role
from tests.core.conftest import Road
from tests.core.test_edits import ONE, album
from tests.fakes.house import sure

__all__ = ["album"]

MIA = Author("mia", "Mia", Role.AGENT)
WHOLE = "where is my order please?"


async def test_whoever_cannot_be_answered_gets_a_human(road: Road) -> None:
    road.platform.trouble = [Refused("400: can't parse entities")]
    await road.customer().says(WHOLE)
    await road.settle()
    conversation = await road.conversation()
    assert conversation.owner is Owner.DESK
    assert conversation.reason == "unsent"
    assert "asked a colleague" in road.platform.texts("c1")[0]


async def test_a_platform_that_takes_nothing_at_all_is_not_told_so_for_ever(road: Road) -> None:
    road.platform.trouble = [Refused("403: no rights to send")] * 10
    await road.customer().says(WHOLE)
    await road.settle()
    assert (await road.conversation()).owner is Owner.DESK
    assert len(road.platform.trouble) == 8  # the answer, and that a human was asked


async def test_an_answer_that_cannot_be_replaced_because_it_is_gone_is_told_to_a_human(album: Road) -> None:
    ada = album.customer()
    await ada.says("is this my order?", attachments=(ONE,), group="album")
    await album.settle()
    album.platform.trouble = [Refused("message to edit not found, nor can it be said anew")]
    await ada.says("", attachments=(Attachment(AttachmentKind.PHOTO, ref="two"),), group="album")
    await album.settle()
    assert (await album.conversation()).owner is Owner.DESK


async def test_what_was_withheld_for_an_agent_who_said_nothing_is_answered_after_all(road: Road) -> None:
    # Given an answer that waits for the platform when an agent takes over
    road.platform.trouble = [Throttled("wait", 1.0)]
    ada = road.customer()
    await ada.says(WHOLE)
    await road.answering.idle()
    await road.until(lambda: not road.platform.trouble)
    id = (await road.conversation()).id
    await road.desk.claim(id, MIA)
    # And a question that came meanwhile
    await ada.says("when are you open on Monday?")
    await road.answering.idle()
    # When the agent gives it back without a word
    await road.desk.hand_back(id, MIA)
    await road.settle()
    # Then the bot answers both, once
    assert road.brain.asked[-1].text == f"{WHOLE}\nwhen are you open on Monday?"
    assert [text for text in road.platform.texts("c1") if "tracking page" in text] == ["See the tracking page."]


@pytest.mark.parametrize("speaks", [False, True])
async def test_who_was_not_told_how_to_ask_again_is_told_once_an_agent_left_without_a_word(
    road: Road, speaks: bool
) -> None:
    road.platform.trouble = [OutcomeUnknown("the connection broke off"), Throttled("wait", 1.0)]
    await road.customer().says(WHOLE)
    await road.until(lambda: not road.platform.trouble)
    id = (await road.conversation()).id
    await road.desk.claim(id, MIA)
    if speaks:
        await road.desk.say(id, MIA, "It is on its way.")
    await road.desk.hand_back(id, MIA)
    await road.settle()
    await road.until(lambda: any("back" in text for text in road.platform.texts("c1")))
    await road.settle()
    told = [text for text in road.platform.texts("c1") if "may not have reached" in text]
    assert len(told) == (0 if speaks else 1)


@pytest.mark.parametrize("taken_back", [False, True])
async def test_what_an_agent_answered_or_the_customer_took_back_is_not_answered_again(
    road: Road, taken_back: bool
) -> None:
    ada = road.customer()
    await ada.says("/human", command="human")
    await road.settle()
    id = (await road.conversation()).id
    await road.desk.claim(id, MIA)
    asked = await ada.says("when are you open on Monday?")
    await road.settle()
    if taken_back:
        await ada.says("", kind=EventKind.DELETED, message=asked.message)
    else:
        await road.desk.say(id, MIA, "Nine to five.")
    thought = len(road.brain.asked)
    await road.desk.hand_back(id, MIA)
    await road.settle()
    assert len(road.brain.asked) == thought


async def test_the_last_words_of_a_conversation_come_before_the_first_of_the_next(road: Road) -> None:
    ada = road.customer()
    await ada.says(WHOLE)
    await road.settle()
    id = (await road.conversation()).id
    await road.desk.claim(id, MIA)
    await road.settle()
    road.platform.trouble = [Retry("bad gateway", after=1.0)]
    await road.desk.say(id, MIA, "Use code X.")
    await road.desk.resolve(id, MIA)
    await road.until(lambda: not road.platform.trouble)
    await ada.says("when are you open on Monday?")
    await road.until(lambda: len(road.platform.texts("c1")) == 5)
    code, closed, answer = road.platform.texts("c1")[2:]
    assert code == "Use code X."
    assert "closed now" in closed
    assert "tracking page" in answer


async def test_a_photo_that_kills_a_worker_kills_it_once_though_nobody_can_note_it(
    album: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, away = album.store.write, [0]

    def think(question: Question) -> Prediction | BrainGone:
        if question.photos:
            away[0] = 3
            return BrainGone("dead", held=True)
        return sure(question, "track-order")

    async def flaky(store: Store, work: object) -> object:
        if away[0]:
            away[0] -= 1
            raise Retry("database is locked", after=0.1)
        return await write(work)  # type: ignore[arg-type]

    album.brain.think = think  # type: ignore[assignment]
    monkeypatch.setattr(Store, "write", flaky)
    await album.customer().says("is this my order here?", attachments=(ONE,))
    await album.until(lambda: album.platform.texts("c1"))
    assert [bool(question.photos) for question in album.brain.asked].count(True) == 1
    assert "damaged" in album.platform.texts("c1")[0]


async def test_a_row_whose_taking_nobody_confirmed_is_seen_to(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that breaks at COMMIT: the row is marked as being sent, and nobody sends it."""
    holding = road.courier._holding
    monkeypatch.setattr(type(holding), "confirm", _token)
    monkeypatch.setattr("core.delivery._LOOK_AFTER", 0.05)
    write, broken = road.store.write, asyncio.Event()

    async def flaky(store: Store, work: object) -> object:
        done = await write(work)  # type: ignore[arg-type]
        if isinstance(done, tuple) and not broken.is_set():
            broken.set()
            raise Retry("the connection broke: COMMIT", after=0.1)
        return done

    monkeypatch.setattr(Store, "write", flaky)
    await road.customer().says(WHOLE)
    await road.until(broken.is_set)
    await road.until(lambda: road.platform.texts("c1"))


async def _token(*_: object) -> str:
    return "lease-1"
