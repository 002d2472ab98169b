"""Tone moves a waiting customer ahead by a bounded step, and touches nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import conversation as moves
from core import wire
from core.asking import Prediction, Question, ToneBy
from core.conversation import Conversation, Owner
from core.errors import Blocked, OutcomeUnknown, PolydeskError, Refused, Retry
from core.policy import decide
from core.saying import met
from core.values import Address, Author, Role
from core.waiting import HEAD_START, STRAINED_FROM, forgotten, in_order, may_look, moved_ahead, noted
from tests.core.conftest import KNOWLEDGE, Road, TurnableClock, opened
from tests.fakes.house import FakeBrain, FakePlatform, sure

NOTICE = "We look at the tone of messages to see who is in a hurry."
NOW = 100 * HEAD_START
MINUTE = 60_000
MIA = Author("mia", "Mia", Role.AGENT)
FRESH = Conversation("1", Address("fake", "bot", "c"), Author("u"), "default", "default", 1, 1)


def waiting(id: str, minutes: float, strained: str = "") -> Conversation:
    moved = moves.hand_over(replace(FRESH, id=id), "asked", NOW - int(minutes * MINUTE))
    return replace(moved, strained=strained)


def listed(*some: Conversation, now: int = NOW) -> list[str]:
    return [one.id for one in in_order(some, now)]


def test_the_strained_come_first_but_never_before_who_has_waited_long() -> None:
    calm, late, angry = waiting("calm", 8), waiting("late", 12), waiting("angry", 1, "voice")
    assert listed(calm, late, angry) == ["late", "angry", "calm"]
    # Two minutes later the calm one has waited long enough to be overtaken by nobody
    assert listed(calm, late, angry, now=NOW + 2 * MINUTE) == ["late", "calm", "angry"]
    assert moved_ahead(angry, NOW) and not moved_ahead(calm, NOW)
    assert not moved_ahead(replace(angry, waiting_since=late.waiting_since), NOW)
    assert not moved_ahead(replace(angry, owner=Owner.AGENT), NOW)


def test_without_any_strain_it_is_first_come_first_served() -> None:
    some = [waiting(f"{minutes}", minutes) for minutes in (3, 30, 11, 9.5, 0)]
    assert listed(*some) == ["30", "11", "9.5", "3", "0"]


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=25), st.integers(1, 3))
def test_nobody_waits_longer_than_the_head_start_because_of_it(people: list[tuple[int, bool]], agents: int) -> None:
    """Customers come (minute, strained), agents take the first of the list and talk for three minutes each."""

    def served(strain: bool) -> dict[str, int]:
        left = [
            replace(waiting(f"{i}", 0), waiting_since=NOW + minute * MINUTE, strained="words" if hot and strain else "")
            for i, (minute, hot) in enumerate(people)
        ]
        free, taken, now = [NOW] * agents, {}, NOW
        while left:
            here = [one for one in left if one.waiting_since <= now]
            if here and min(free) <= now:
                first = in_order(here, now)[0]
                left.remove(first)
                taken[first.id] = now
                free[free.index(min(free))] = now + 3 * MINUTE
            else:
                now += MINUTE
        return taken

    plain, toned = served(False), served(True)
    assert plain.keys() == toned.keys()
    assert max(toned[id] - plain[id] for id in plain) <= HEAD_START + 3 * MINUTE  # the talk that is just going on


def test_looking_is_allowed_only_to_whom_it_was_told_and_only_while_no_human_has_come() -> None:
    told = replace(FRESH, noticed=True)
    assert may_look(told, NOTICE) and may_look(moves.hand_over(told, "asked", 2), NOTICE)
    assert not may_look(told, "") and not may_look(FRESH, NOTICE)
    claimed = moves.claim(told, "mia", "Mia", 2)
    assert not may_look(claimed, NOTICE) and not may_look(moves.resolve(told, 3), NOTICE)
    # What the bot was about to say when the human came was dropped, perhaps the notice with it: it is said again
    assert not may_look(moves.hand_back(claimed, "mia"), NOTICE)


def test_only_that_there_is_strain_is_noted_and_a_human_makes_it_forgotten() -> None:
    prediction = replace(sure(Question("q", "r"), "a"), tone=0.97, tone_by=ToneBy.VOICE)
    strained = noted(FRESH, prediction)
    assert (strained.strained, replace(strained, strained="")) == ("voice", FRESH)
    assert noted(FRESH, replace(prediction, tone=STRAINED_FROM - 0.01)) == FRESH
    assert noted(FRESH, replace(prediction, tone=None, tone_by=None)) == FRESH
    # Calmer words later take nobody back to the end of the list; a human, the bot again, the end do
    assert noted(strained, replace(prediction, tone=0.1)).strained == "voice"
    waits = moves.hand_over(strained, "asked", 2)
    assert waits.strained == "voice"
    for after in (moves.claim(waits, "mia", "Mia", 3), moves.ask_the_bot(waits), moves.resolve(waits, 3)):
        assert after.strained == ""
    claimed = moves.claim(FRESH, "mia", "Mia", 3)
    assert noted(claimed, prediction) == claimed


@given(st.none() | st.floats(0, 1), st.floats(0, 1), st.sampled_from(["track-order", "opening-hours", "warranty"]))
def test_tone_never_changes_what_is_decided(tone: float | None, confidence: float, entry: str) -> None:
    prediction = sure(Question("q", "r"), entry, confidence, "return-damaged")
    heard = replace(prediction, tone=tone, tone_by=ToneBy.WORDS if tone is not None else None)
    for conversation in (FRESH, waiting("1", 1), replace(FRESH, noticed=True, strained="voice", misses=1)):
        plain = replace(conversation, strained="", noticed=False)
        assert decide(conversation, heard, KNOWLEDGE) == decide(plain, prediction, KNOWLEDGE)


def test_it_travels_and_older_predictions_load() -> None:
    prediction = replace(sure(Question("q", "r"), "a"), tone=0.25, tone_by=ToneBy.VOICE)
    assert wire.loads(Prediction, wire.dumps(prediction)) == prediction
    question = Question("q", "r", tone=True)
    assert wire.loads(Question, wire.dumps(question)) == question
    older = wire.dump(prediction)
    del older["tone"], older["tone_by"]
    assert wire.load(Prediction, older) == forgotten(prediction) == replace(prediction, tone=None, tone_by=None)


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Road]:
    """A road whose customers are told that tone is looked at; words with "!!" are strained ones."""

    def think(question: Question) -> Prediction:
        tone = (0.9 if "!!" in question.text else 0.1) if question.tone else None
        return replace(sure(question, "track-order"), tone=tone, tone_by=ToneBy.WORDS if question.tone else None)

    road = await opened(tmp_path, FakePlatform(), FakeBrain(think), TurnableClock(), NOTICE)
    yield road
    await road.answering.close()
    await road.courier.close()
    await road.store.close()


async def test_nobodys_tone_is_looked_at_before_they_were_told(told: Road) -> None:
    customer = told.customer()
    await customer.says("where is my order please!!")
    await told.settle()
    (first,) = told.platform.texts("c1")
    assert first.count(NOTICE) == 1 and first.index(NOTICE) > first.index("assistant")
    assert not told.brain.asked[0].tone and (await told.conversation()).strained == ""
    await customer.says("but where is my order now!!")
    await told.settle()
    assert told.brain.asked[1].tone and (await told.conversation()).strained == "words"
    assert NOTICE not in told.platform.texts("c1")[1]


@pytest.mark.parametrize("command", ["start", "help", "human"])
async def test_the_notice_stands_in_the_first_words_whatever_they_are(told: Road, command: str) -> None:
    await told.customer().says(f"/{command}", command=command)
    await told.settle()
    (first,) = told.platform.texts("c1")
    assert first.count(NOTICE) == 1
    assert (await told.conversation()).noticed


def test_who_blocks_the_bot_was_not_told() -> None:
    assert met(FRESH, NOTICE) == replace(FRESH, welcomed=True, noticed=True)
    assert met(replace(FRESH, blocked=True), NOTICE) == replace(FRESH, welcomed=True, blocked=True)
    assert met(FRESH) == replace(FRESH, welcomed=True)


async def test_the_numbers_are_not_kept(told: Road) -> None:
    customer = told.customer()
    for words in ("where is my order please!!", "but where is my order now!!"):
        await customer.says(words)
        await told.settle()
    id = (await told.conversation()).id
    turns = await told.store.read(lambda tx: tx.turns.list(id))
    assert [(one.prediction["tone"], one.prediction["tone_by"], one.question["tone"]) for one in turns] == [
        (None, None, False)
    ] * 2
    messages = await told.store.read(lambda tx: tx.transcript.latest(id))
    assert not any("tone" in wire.dumps(one) or "strain" in wire.dumps(one) for one in messages)


async def test_a_strained_message_of_who_waits_raises_them_until_somebody_comes(told: Road) -> None:
    for chat in ("c1", "c2"):
        await told.customer(chat).says("/human", command="human")
        await told.settle()
        told.clock.ahead += MINUTE
    await told.customer("c2").says("hello, is anybody there!!", message="m", id="fake:c2:later")
    await told.settle()
    kept = await told.store.read(lambda tx: tx.conversations.list(Owner.DESK))
    assert [one.address.chat for one in kept] == ["c1", "c2"]
    ordered = in_order(kept, told.clock.now())
    assert [one.address.chat for one in ordered] == ["c2", "c1"]
    await told.desk.claim(ordered[0].id, MIA)
    assert (await told.conversation("c2")).strained == ""


async def test_without_the_notice_nothing_is_asked_said_or_kept(road: Road) -> None:
    customer = road.customer()
    for words in ("where is my order please!!", "but where is my order now!!"):
        await customer.says(words)
        await road.settle()
    assert not any(question.tone for question in road.brain.asked)
    assert not any("tone" in text for text in road.platform.texts("c1"))
    kept = await road.conversation()
    assert (kept.noticed, kept.strained) == (False, "")


async def test_words_that_never_arrived_have_told_nobody(told: Road) -> None:
    told.platform.trouble.append(Refused("no such chat"))
    await told.customer().says("where is my order please?")
    await told.settle()
    assert not (await told.conversation()).noticed


@pytest.mark.parametrize("trouble", [OutcomeUnknown("timed out"), Blocked("bot was blocked by the user")])
@pytest.mark.parametrize("command", ["", "help"])
async def test_what_may_not_have_arrived_is_said_again(told: Road, trouble: PolydeskError, command: str) -> None:
    customer = told.customer()
    told.platform.trouble.append(trouble)
    await customer.says("where is my order please!!", command=command)
    await told.settle()
    assert not any(NOTICE in text for text in told.platform.texts("c1"))
    await customer.says("but where is my order now!!")
    await told.settle()
    assert not told.brain.asked[-1].tone
    assert sum(NOTICE in text for text in told.platform.texts("c1")) == 1
    await customer.says("hello? where is my order!!")
    await told.settle()
    assert told.brain.asked[-1].tone
    assert sum(NOTICE in text for text in told.platform.texts("c1")) == 1


async def test_words_that_still_wait_have_told_nobody_but_are_not_said_twice(told: Road) -> None:
    customer = told.customer()
    told.platform.trouble.append(Retry("away", after=1.5))
    for words in ("where is my order please!!", "but where is my order now!!"):
        await customer.says(words)
        await told.settle()
    assert not told.platform.texts("c1") and not any(question.tone for question in told.brain.asked)
    await told.until(lambda: len(told.platform.texts("c1")) == 2)
    await told.settle()
    assert [NOTICE in text for text in told.platform.texts("c1")] == [True, False]
    await customer.says("hello? where is my order!!")
    await told.settle()
    assert told.brain.asked[-1].tone


async def test_a_handover_that_was_refused_has_told_nobody(told: Road) -> None:
    customer = told.customer()
    told.platform.trouble.append(Refused("no such chat"))
    await customer.says("/human", command="human")
    await told.settle()
    assert (await told.conversation()).owner is Owner.DESK
    await customer.says("is anybody there!!")
    await told.settle()
    assert not told.brain.asked[-1].tone and (await told.conversation()).strained == ""
    (receipt,) = told.platform.texts("c1")
    assert receipt.endswith(NOTICE)
    await customer.says("is really nobody there!!")
    await told.settle()
    assert told.brain.asked[-1].tone and (await told.conversation()).strained == "words"


async def test_refused_words_that_a_human_overtook_have_told_nobody(told: Road) -> None:
    customer = told.customer()
    told.platform.gate = asyncio.Event()
    told.platform.trouble.append(Refused("no such chat"))
    await customer.says("where is my order please!!")
    await told.answering.idle()
    id = (await told.conversation()).id
    await told.under_way(id)
    claiming = asyncio.create_task(told.desk.claim(id, MIA))  # waits for what is on its way
    while (await told.conversation()).owner is not Owner.AGENT:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    told.platform.gate.set()
    await claiming
    await told.settle()
    await told.desk.hand_back(id, MIA)
    await told.settle()
    await customer.says("but where is my order now!!")
    await told.settle()
    assert not told.brain.asked[-1].tone
    assert [NOTICE in text for text in told.platform.texts("c1")][-1]
    await customer.says("hello? where is my order!!")
    await told.settle()
    assert told.brain.asked[-1].tone
