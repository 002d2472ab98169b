"""More questions than the brain can take: late answers, in the order in which they were asked, not void ones."""

from __future__ import annotations

import asyncio
import time

from core.admission import Admission
from core.asking import Prediction, Question
from core.clock import WallClock
from core.errors import BrainLate
from core.thinking import TEXT_SECONDS, think
from core.values import Problem
from tests.fakes.house import sure

SLOW = 0.1


class Narrow:
    """A brain that takes its time over each question and remembers how many it had at once."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.left: list[float] = []  # seconds to the deadline, when asked
        self.now = self.most = 0

    async def ask(self, question: Question) -> Prediction:
        self.asked.append(question)
        self.left.append(question.deadline / 1000 - WallClock().now() / 1000)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(SLOW)
        finally:
            self.now -= 1
        return sure(question, "track-order")

    async def prepare(self, release: str, seconds: float, *, media: bool) -> None: ...


async def test_a_crowd_waits_for_its_turn_with_its_whole_deadline() -> None:
    brain, admission = Narrow(), Admission(typed=2)
    asked = [think(brain, WallClock(), Question(str(n), "r", text="where?"), admission) for n in range(8)]
    predictions = await asyncio.gather(*asked)
    assert all(predictions) and brain.most == 2
    assert [question.id for question in brain.asked] == [str(n) for n in range(8)]
    assert min(brain.left) > TEXT_SECONDS - SLOW / 2


async def test_whoever_waits_too_long_gets_a_human() -> None:
    brain, admission = Narrow(), Admission(typed=1, seconds=SLOW / 2)
    first, second = (think(brain, WallClock(), Question(str(n), "r", text="where?"), admission) for n in range(2))
    assert [bool(one) for one in await asyncio.gather(first, second)] == [True, False]


async def test_words_do_not_wait_for_a_photo_that_nobody_has_time_for() -> None:
    brain, admission = Narrow(), Admission(media=1, seconds=SLOW / 2)
    shown = [Question(str(n), "r", text="where?", photos=("a" * 64,)) for n in range(2)]
    _, second = await asyncio.gather(*(think(brain, WallClock(), one, admission) for one in shown))
    assert second is not None and [one.problem for one in second.unread] == [Problem.NOT_DELIVERED]
    assert brain.asked[-1].photos == ()


class Failing(Narrow):
    """A brain that never answers in time."""

    async def ask(self, question: Question) -> Prediction:
        self.asked.append(question)
        await asyncio.sleep(SLOW)
        raise BrainLate("too late")


async def test_further_attempts_keep_their_place() -> None:
    """Given a crowd whose attempts all fail, then nobody goes back to the end of the line between two of them."""
    brain, admission = Failing(), Admission(typed=1)
    await asyncio.gather(*(think(brain, WallClock(), Question(str(n), "r", text="?"), admission) for n in range(2)))
    assert [question.id for question in brain.asked] == ["0"] * 3 + ["1"] * 3


async def test_a_turn_waits_for_its_places_once() -> None:
    """Given no place of either kind, then photo and words together wait for no longer than words alone would."""
    admission = Admission(typed=1, media=1, seconds=3 * SLOW)
    with admission.turn() as typed, admission.turn() as media:
        await typed.take(media=False)
        await media.take(media=True)
        began = time.monotonic()
        both = Question("1", "r", text="where?", photos=("a" * 64,))
        assert await think(Narrow(), WallClock(), both, admission) is None
        assert 3 * SLOW <= time.monotonic() - began < 5 * SLOW
    assert await think(Narrow(), WallClock(), both, admission), "the places are free again"


async def test_words_keep_half_of_the_wait() -> None:
    """Given no place for photos, then the words beside one do not spend all of their time on waiting for it."""
    admission = Admission(media=1, seconds=10 * SLOW)
    with admission.turn() as media:
        await media.take(media=True)
        began = time.monotonic()
        both = Question("1", "r", text="where?", photos=("a" * 64,))
        assert await think(Narrow(), WallClock(), both, admission)
        assert 5 * SLOW <= time.monotonic() - began < 9 * SLOW


async def test_a_question_that_fails_or_is_given_up_leaves_its_place() -> None:
    admission = Admission(typed=1, seconds=1.0)
    assert await think(Failing(), WallClock(), Question("1", "r", text="where?"), admission) is None
    given_up = asyncio.create_task(think(Narrow(), WallClock(), Question("2", "r", text="where?"), admission))
    await asyncio.sleep(SLOW / 2)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert await think(Narrow(), WallClock(), Question("3", "r", text="where?"), admission)
