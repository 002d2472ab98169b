"""A brain that is sometimes slow, late, unsure or dead, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace

from core.asking import Candidate, Prediction, Question
from core.errors import BrainGone, BrainLate, Retry
from tests.chaos.world import World, WorldClock

UNIT = re.compile(r"\bq(\d+)\b")


@dataclass(frozen=True, slots=True)
class Asked:
    """A prediction that was made: for `unit`, of a turn that held `units`."""

    turn: str
    units: tuple[int, ...]
    unit: int
    mode: str


class ChaosBrain:
    """Predicts the entry that belongs to the last question of the turn; `photos` says which blob belongs to which."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.clock = WorldClock(world)
        self.told: list[Asked] = []
        self.photos: dict[str, int] = {}
        self.chats: dict[int, str] = {}

    async def ask(self, question: Question) -> Prediction:
        world, plan = self._world, self._world.plan
        typed = [int(unit) for unit in UNIT.findall(question.text)]
        shown = [self.photos[blob] for blob in question.photos]
        unit = (typed or shown)[-1]
        units = tuple(dict.fromkeys([*typed, *shown]))
        left = (question.deadline - self.clock.now()) / 1000
        world.note(f"brain is asked {units}, attempt {question.attempt}")
        await world.point("asked", self.chats[unit])
        slow, late, gone, failing = plan.brain
        if world.now < world.brain_away or world.happens(gone):
            await asyncio.sleep(0.05 + world.dice.random())
            raise BrainGone("no worker", held=world.dice.random() < 0.3)
        if world.happens(late):
            await asyncio.sleep(max(left, 0.0))
            raise BrainLate("no prediction in time")
        if world.happens(failing):
            await asyncio.sleep(world.dice.random())
            raise Retry("the worker reported a failure")
        most = 9.5 if world.happens(slow) else 0.4
        takes = 0.02 + world.dice.random() * most
        if takes > left:
            await asyncio.sleep(max(left, 0.0))
            raise BrainLate("no prediction in time")
        await asyncio.sleep(takes)
        prediction, mode = self._prediction(question, unit)
        self.told.append(Asked(question.id, units, unit, mode))
        world.note(f"brain predicts {mode} {unit} for {units}")
        await world.point("predicted", self.chats[unit])
        return prediction

    async def prepare(self, release: str, seconds: float, *, media: bool) -> None:
        return None

    def _prediction(self, question: Question, unit: int) -> tuple[Prediction, str]:
        sure = Prediction(
            question=question.id,
            attempt=question.attempt,
            release=question.release,
            model="chaos",
            candidates=(Candidate(f"e-{unit}", 0.95), Candidate("x-1", 0.1), Candidate("x-2", 0.05)),
            confidence=0.95,
            answer_at=0.8,
            clarify_at=0.4,
            language="en",
        )
        roll = self._world.dice.random()
        if self._world.happens(self._world.plan.unsure):
            if roll < 0.45:
                return replace(sure, confidence=0.6, rivals=("x-1",)), "clarify"
            if roll < 0.9:
                return replace(sure, confidence=0.1), "unsure"
            return replace(sure, builtin="person"), "person"
        return sure, "answer"
