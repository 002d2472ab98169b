"""Words that the platform does not take, or takes late."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.asking import Prediction, Question
from core.conversation import Owner
from core.errors import Blocked, BrainGone, Refused, Retry, Throttled
from core.store.store import Store
from core.values import Attachment, AttachmentKind, Author, Role
from tests.core.conftest import Road
from tests.core.test_edits import ONE, album
from tests.fakes.house import FakeCustomer, sure

__all__ = ["album"]

MIA = Author("mia", "Mia", Role.AGENT)
WHOLE = "where is my order please?"


async def claimed(road: Road) -> tuple[FakeCustomer, str]:
    """A customer who was answered, and whose conversation Mia has taken over."""
    ada = road.customer()
    await ada.says(WHOLE)
    await road.settle()
    id = (await road.conversation()).id
    await road.desk.claim(id, MIA)
    await road.settle()
    return ada, id


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


async def test_whoever_an_agent_leaves_without_a_word_is_asked_for_what_is_open(road: Road) -> None:
    # Given an answer that waits for the platform when an agent takes over
    road.platform.trouble = [Throttled("wait", 1.0)]
    await road.customer().says(WHOLE)
    await road.answering.idle()
    await road.until(lambda: not road.platform.trouble)
    id = (await road.conversation()).id
    await road.desk.claim(id, MIA)
    await road.desk.hand_back(id, MIA)
    await road.until(lambda: len(road.platform.texts("c1")) == 2)
    assert "please ask it again" in road.platform.texts("c1")[1]


async def test_who_wrote_since_they_blocked_us_gets_a_human_for_what_did_not_arrive(road: Road) -> None:
    road.platform.gate = asyncio.Event()
    road.platform.trouble = [Blocked("bot was blocked by the user")]
    ada = road.customer()
    await ada.says(WHOLE)
    await road.under_way((await road.conversation()).id)
    await ada.says("/help", command="help")
    road.platform.gate.set()
    await road.settle()
    conversation = await road.conversation()
    assert not conversation.blocked
    assert conversation.owner is Owner.DESK


async def test_the_last_words_of_a_conversation_come_before_the_first_of_the_next(road: Road) -> None:
    ada, id = await claimed(road)
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


async def test_looks_for_a_turn_do_not_multiply(road: Road) -> None:
    ada, id = await claimed(road)
    road.platform.trouble = [Retry("bad gateway", after=60.0)]
    await road.desk.say(id, MIA, "Use code X.")
    await road.until(lambda: not road.platform.trouble)
    await road.desk.resolve(id, MIA)
    await ada.says("when are you open on Monday?")
    await road.answering.idle()
    behind = (await road.conversation()).id
    for _ in range(20):
        road.courier.wake(behind)
        await asyncio.sleep(0.01)
    assert len(road.courier._later) <= 2
