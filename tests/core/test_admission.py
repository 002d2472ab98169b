"""More questions than the brain can take: late answers, in the order in which they were asked, not void ones."""

from __future__ import annotations

import asyncio

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


async def test_a_question_that_fails_or_is_given_up_leaves_its_place() -> None:
    class Late(Narrow):
        async def ask(self, question: Question) -> Prediction:
            raise BrainLate("too late")

    admission = Admission(typed=1, seconds=1.0)
    assert await think(Late(), WallClock(), Question("1", "r", text="where?"), admission) is None
    given_up = asyncio.create_task(think(Narrow(), WallClock(), Question("2", "r", text="where?"), admission))
    await asyncio.sleep(SLOW / 2)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert await think(Narrow(), WallClock(), Question("3", "r", text="where?"), admission)
