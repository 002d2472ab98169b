"""More questions than the brain can take: late answers, in the order in which they were asked, not void ones.

Time is free here, so that a busy machine changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from core.admission import Admission
from core.asking import Prediction, Question
from core.errors import BrainLate
from core.thinking import TEXT_SECONDS, think
from core.values import Problem
from tests.chaos.loop import VirtualLoop
from tests.fakes.house import sure

SLOW = 0.1


class LoopClock:
    """The time of the running loop."""

    def now(self) -> int:
        return round(asyncio.get_running_loop().time() * 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def in_free_time(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on a loop that leaps over every wait."""

    @wraps(test)
    def run() -> None:
        loop = VirtualLoop(lambda: 0.0)
        try:
            loop.run_until_complete(test())
        finally:
            loop.close()

    return run


def time() -> float:
    return asyncio.get_running_loop().time()


class Narrow:
    """A brain that takes its time over each question and remembers how many it had at once."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.left: list[float] = []  # seconds to the deadline, when asked
        self.now = self.most = 0

    async def ask(self, question: Question) -> Prediction:
        self.asked.append(question)
        self.left.append((question.deadline - LoopClock().now()) / 1000)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(SLOW)
        finally:
            self.now -= 1
        return sure(question, "track-order")

    async def prepare(self, release: str, seconds: float, *, media: bool) -> None: ...


@in_free_time
async def test_a_crowd_waits_for_its_turn_with_its_whole_deadline() -> None:
    brain, admission = Narrow(), Admission(typed=2)
    asked = [think(brain, LoopClock(), Question(str(n), "r", text="where?"), admission) for n in range(8)]
    predictions = await asyncio.gather(*asked)
    assert all(predictions) and brain.most == 2
    assert [question.id for question in brain.asked] == [str(n) for n in range(8)]
    assert brain.left == [TEXT_SECONDS] * 8


@in_free_time
async def test_whoever_waits_too_long_gets_a_human() -> None:
    brain, admission = Narrow(), Admission(typed=1, seconds=SLOW / 2)
    first, second = (think(brain, LoopClock(), Question(str(n), "r", text="where?"), admission) for n in range(2))
    assert [bool(one) for one in await asyncio.gather(first, second)] == [True, False]


@in_free_time
async def test_words_do_not_wait_for_a_photo_that_nobody_has_time_for() -> None:
    brain, admission = Narrow(), Admission(media=1, seconds=SLOW / 2)
    shown = [Question(str(n), "r", text="where?", photos=("a" * 64,)) for n in range(2)]
    _, second = await asyncio.gather(*(think(brain, LoopClock(), one, admission) for one in shown))
    assert second is not None and [one.problem for one in second.unread] == [Problem.NOT_DELIVERED]
    assert brain.asked[-1].photos == ()


class Failing(Narrow):
    """A brain that never answers in time."""

    async def ask(self, question: Question) -> Prediction:
        self.asked.append(question)
        await asyncio.sleep(SLOW)
        raise BrainLate("too late")


@in_free_time
async def test_further_attempts_keep_their_place() -> None:
    """Given a crowd whose attempts all fail, then nobody goes back to the end of the line between two of them."""
    brain, admission = Failing(), Admission(typed=1)
    await asyncio.gather(*(think(brain, LoopClock(), Question(str(n), "r", text="?"), admission) for n in range(2)))
    assert [question.id for question in brain.asked] == ["0"] * 3 + ["1"] * 3


@in_free_time
async def test_a_turn_waits_for_its_places_once() -> None:
    """Given no place of either kind, then photo and words together wait for no longer than words alone would."""
    admission = Admission(typed=1, media=1, seconds=3 * SLOW)
    with admission.turn() as typed, admission.turn() as media:
        await typed.take(media=False)
        await media.take(media=True)
        began = time()
        both = Question("1", "r", text="where?", photos=("a" * 64,))
        assert await think(Narrow(), LoopClock(), both, admission) is None
        assert time() - began == pytest.approx(3 * SLOW)
    assert await think(Narrow(), LoopClock(), both, admission), "the places are free again"


@in_free_time
async def test_words_keep_half_of_the_wait() -> None:
    """Given no place for photos, then the words beside one do not spend all of their time on waiting for it."""
    admission = Admission(media=1, seconds=10 * SLOW)
    with admission.turn() as media:
        await media.take(media=True)
        began = time()
        both = Question("1", "r", text="where?", photos=("a" * 64,))
        assert await think(Narrow(), LoopClock(), both, admission)
        assert time() - began == pytest.approx((5 + 1) * SLOW), "half of the wait, then the brain's time"


@in_free_time
async def test_a_question_that_fails_or_is_given_up_leaves_its_place() -> None:
    admission = Admission(typed=1, seconds=1.0)
    assert await think(Failing(), LoopClock(), Question("1", "r", text="where?"), admission) is None
    given_up = asyncio.create_task(think(Narrow(), LoopClock(), Question("2", "r", text="where?"), admission))
    await asyncio.sleep(SLOW / 2)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert await think(Narrow(), LoopClock(), Question("3", "r", text="where?"), admission)
