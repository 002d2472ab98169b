"""Humans take over: the bot is silent from then on, and the customer always knows where they stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import BrainGone, BrainLate, PolydeskError, Retry
from core.knowledge.entries import Desk, KnowledgeBase
from core.knowledge.rules import DAYS
from core.store.transcript import MessageKind
from core.texts import say
from tests.regressions.doors import everywhere, once_each
from tests.regressions.ground import Ground
from tests.regressions.house import AND_HOURS, AND_ORDER, HOURS, KNOWLEDGE, MIA, ORDER, House, SlowBrain, heard, life
from tests.workers.media.recordings import recorded

HANDED_OVER = say("handoff", "en")
HERE = say("claimed", "en", name="Mia")


@everywhere
async def test_08_a_human_who_claims_while_the_brain_thinks_gets_its_idea_as_a_draft(house: House) -> None:
    ada = house.ground.person()
    gate = house.brain.hold(ORDER)
    await ada.says(ORDER)
    await house.until(lambda: house.brain.asked)
    conversation = await house.conversation(ada)
    await house.desk.claim(conversation.id, MIA)
    # When the prediction is there after all
    gate.set()
    assert await house.answers(ada, 1) == [HERE]
    # Then only the agent sees it
    messages = await house.store.read(lambda tx: tx.transcript.list(conversation.id))
    assert [one.text for one in messages if one.kind is MessageKind.DRAFT] == ["See the **tracking page**."]
    # and what the agent writes is what the customer hears next.
    await house.desk.say(conversation.id, MIA, "It left this morning.")
    assert [text.split("\n")[-1] for text in await house.answers(ada, 2)] == [HERE, "It left this morning."]


@once_each
async def test_08_words_of_the_bot_that_wait_for_the_platform_are_dropped_when_a_human_claims(house: House) -> None:
    ada = house.ground.person()
    house.ground.throttle(3, "tracking page")
    await ada.says(ORDER)
    await house.until(lambda: [call for call in house.ground.fake.calls if call.status == 429])
    await house.settle()
    conversation = await house.conversation(ada)
    house.clock.runs(10)
    await house.desk.claim(conversation.id, MIA)
    await house.delivered(ada)
    assert heard(ada) == [HERE]
    assert await house.rows(ada) == ["superseded", "sent"]


async def _waits(house: House, reason: str) -> bool:
    waiting = await house.store.read(lambda tx: tx.desk.waiting())
    counts = await house.store.read(lambda tx: tx.desk.counts())
    return [one.handoff.reason for one in waiting] == [reason] and counts.desk == 1 and counts.oldest > 0


@everywhere
async def test_09_a_handoff_as_the_very_first_message_is_told_and_counted(house: House) -> None:
    ada = house.ground.person()
    await ada.calls_a_person()
    assert await house.answers(ada, 1) == [HANDED_OVER]
    assert house.brain.asked == [] and await _waits(house, "asked")


@once_each
@pytest.mark.parametrize(
    "gone", [BrainGone("nobody there"), BrainLate("too slow"), Retry("the worker failed")], ids=str
)
async def test_09_without_an_answer_from_the_workers_a_human_is_asked_and_the_customer_told(
    house: House, gone: PolydeskError
) -> None:
    house.clock.runs(10)
    house.brain.think = lambda question: gone
    ada = house.ground.person()
    await ada.says(ORDER)
    assert await house.answers(ada, 1) == [f"{say('trouble', 'en')}\n\n{HANDED_OVER}"]
    assert len(house.brain.asked) == 3 and await _waits(house, "brain")
    # The workers are back, yet it is a human who has the word; the first words get a receipt.
    house.brain.think = SlowBrain.recognise
    await ada.says(HOURS)
    assert (await house.answers(ada, 2))[1:] == [say("waiting", "en")]


@once_each
async def test_09_a_voice_note_that_kills_its_worker_is_handed_over_after_one_attempt(house: House) -> None:
    house.brain.think = lambda question: BrainGone("died", held=True)
    ada = house.ground.person()
    await ada.speaks(recorded("ogg", "libopus", seconds=1.0))
    assert await house.answers(ada, 1) == [f"{say('trouble', 'en')}\n\n{HANDED_OVER}"]
    assert len(house.brain.asked) == 1 and await _waits(house, "brain")


def closed() -> KnowledgeBase:
    """A shop whose desk is staffed for an hour in three days."""
    day = DAYS[(datetime.now(UTC) + timedelta(days=3)).weekday()]
    return KnowledgeBase(KNOWLEDGE.title, entries=KNOWLEDGE.entries, desk=Desk(hours={day: ((600, 660),)}))


@once_each
async def test_09_outside_the_working_hours_the_customer_hears_when_somebody_will_be_there(
    ground: Ground, tmp_path: Path
) -> None:
    ada, bob, brain = ground.person(), ground.person("Bob"), SlowBrain()
    async with life(ground, tmp_path, brain, closed(), speed=10) as house:
        await ada.calls_a_person()
        (told,) = await house.answers(ada, 1)
        assert told.startswith("I've passed this on, but nobody is here right now. We are back on ")
        assert "10:00" in told and await _waits(house, "asked")
        # The same when nobody asked for a human, but the workers are gone; those who do not wait are still served.
        await bob.says(HOURS)
        assert await house.answers(bob, 1) == [AND_HOURS]
        brain.think = lambda question: BrainGone("nobody there")
        await bob.says(ORDER)
        assert (await house.answers(bob, 2))[1].startswith(f"{say('trouble', 'en')}\n\nI've passed this on")
        assert AND_ORDER not in heard(bob)
        assert (await house.store.read(lambda tx: tx.desk.counts())).desk == 2
