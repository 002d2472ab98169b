"""What becomes of words that wait for an answer when their conversation ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from core.asking import Prediction, Question
from core.errors import BrainGone, PolydeskError
from core.values import Author, Role
from tests.core.conftest import Road
from tests.fakes.house import sure

MIA = Author("mia", "Mia", Role.AGENT)
WHOLE = "where is my order please?"
HOUR = 3600 * 1000
CLOSED = "This conversation is closed now. If anything else comes up, just write again."


def _knows(question: Question) -> Prediction | PolydeskError:
    return sure(question, "track-order")


def _wants_a_person(question: Question) -> Prediction | PolydeskError:
    return replace(sure(question, "track-order", 0.1), builtin="person")


def _is_dead(question: Question) -> Prediction | PolydeskError:
    return BrainGone("dead", held=True)


def _breaks(question: Question) -> Prediction | PolydeskError:
    raise ZeroDivisionError("nobody foresaw this")


@contextmanager
def thinking(road: Road) -> Iterator[None]:
    """A brain that answers when the block has ended."""
    road.brain.gate = asyncio.Event()
    yield
    road.brain.gate.set()


async def drafts(road: Road, id: str) -> list[str]:
    kept = await road.store.read(lambda tx: tx.transcript.list(id))
    return [message.text for message in kept if message.kind == "draft"]


async def nothing_waits(road: Road) -> None:
    """Every lane comes to its end, and nothing is left for it; a lane that fails for ever never does."""
    async with asyncio.timeout(20):
        await road.settle()
    assert await road.store.read(lambda tx: tx.ledger.unanswered()) == ()


@pytest.mark.parametrize("think", [_knows, _wants_a_person, _is_dead, _breaks])
async def test_whatever_the_bot_thinks_of_a_closed_conversation_is_not_said(road: Road, think) -> None:  # type: ignore[no-untyped-def]
    road.brain.think = think
    with thinking(road):
        await road.customer().says(WHOLE)
        await road.until(lambda: road.brain.asked)
        id = (await road.conversation()).id
        await road.desk.resolve(id, MIA)
    await nothing_waits(road)
    assert road.platform.texts("c1") == [CLOSED]
    assert await drafts(road, id) == (["See the tracking page."] if think in (_knows, _wants_a_person) else [])
    # And who writes again is answered
    road.brain.think = _knows
    await road.customer().says(WHOLE, id="again", message="again")
    await road.settle()
    assert road.platform.texts("c1")[-1].endswith("See the tracking page.")


async def test_who_waited_for_a_human_gets_no_receipt_after_the_closing_words(road: Road) -> None:
    customer = road.customer()
    await customer.says("/human", command="human")
    await road.settle()
    with thinking(road):
        await customer.says(WHOLE)
        await road.until(lambda: road.brain.asked)
        await road.desk.resolve((await road.conversation()).id, MIA)
    await nothing_waits(road)
    assert road.platform.texts("c1")[1:] == [CLOSED]


async def test_a_tap_and_a_command_behind_a_closed_question_are_settled_without_words(road: Road) -> None:
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    with thinking(road):
        await customer.says("and when are you open?")
        await road.until(lambda: len(road.brain.asked) == 2)
        await customer.says("/human", command="human")
        await customer.taps(road.platform.button("c1", "That's not it"))
        await road.desk.resolve((await road.conversation()).id, MIA)
    await nothing_waits(road)
    assert road.platform.texts("c1")[1:] == [CLOSED]


async def test_one_moment_is_not_said_after_the_closing_words(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.company._HOLDING_AFTER", 0.3)
    with thinking(road):
        await road.customer().says(WHOLE)
        await road.until(lambda: road.brain.asked)
        await road.desk.resolve((await road.conversation()).id, MIA)
        await asyncio.sleep(0.6)
    await nothing_waits(road)
    assert road.platform.texts("c1") == [CLOSED]


async def test_time_ends_no_conversation_in_which_somebody_waits_for_an_answer(road: Road) -> None:
    """Given words that were heard before a day of standstill, then they get their apology, and a human."""
    event = road.customer().event(WHOLE)
    await road.store.write(lambda tx: tx.ledger.remember(event, 24 * HOUR, "default", "default"))
    id = (await road.conversation()).id
    road.clock.ahead += 25 * HOUR
    await road.timers.tick()
    await road.answering.recover()
    await nothing_waits(road)
    assert "sorry this took so long" in road.platform.texts("c1")[0]
    assert ((await road.conversation()).id, (await road.conversation()).owner) == (id, "desk")


async def test_words_after_a_day_of_standstill_join_those_that_nobody_answered(road: Road) -> None:
    customer = road.customer()
    event = customer.event("my parcel is late.")
    await road.store.write(lambda tx: tx.ledger.remember(event, 24 * HOUR, "default", "default"))
    id = (await road.conversation()).id
    road.clock.ahead += 25 * HOUR
    await customer.says(WHOLE, at=road.clock.now())
    await nothing_waits(road)
    assert (await road.conversation()).id == id
    assert [asked.text for asked in road.brain.asked] == [f"my parcel is late.\n{WHOLE}"]
    assert len(road.platform.texts("c1")) == 1


async def test_what_is_said_while_the_timers_look_keeps_the_conversation_open(road: Road) -> None:
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    road.clock.ahead += 25 * HOUR
    read = road.store.read
    late = customer.event("and when are you open?", at=road.clock.now())

    async def slow(work):  # type: ignore[no-untyped-def]
        due = await read(work)
        if getattr(due, "idle", ()):
            # A process with more patience hears the customer between the look and the move.
            await road.store.write(lambda tx: tx.ledger.remember(late, 99 * HOUR, "default", "default"))
        return due

    road.store.read = slow  # type: ignore[method-assign]
    await road.timers.tick()
    road.store.read = read  # type: ignore[method-assign]
    await road.answering.recover()
    await nothing_waits(road)
    assert len(road.brain.asked) == 2
    assert (await road.conversation()).open
