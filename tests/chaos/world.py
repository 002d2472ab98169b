"""The world of one schedule: its dice, its clock, its record, and the accidents that wait at named points."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.loop import LIFE, Life, VirtualLoop, for_ever
from tests.chaos.plan import Plan

BEGAN = 1_780_000_000_000  # UTC ms at which every schedule begins

Strike = Callable[[str], Awaitable[None]]


@dataclass
class World:
    """Everything that outlives a gateway."""

    plan: Plan
    loop: VirtualLoop
    dice: random.Random
    trace: list[tuple[float, str]] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    life: Life | None = None
    calm: bool = False
    ahead: int = 0
    leaps: list[tuple[float, int]] = field(default_factory=list)  # when, and by how much the clock is ahead since then
    strikes: dict[str, Strike] = field(default_factory=dict)
    brain_away: float = 0.0
    storage_away: float = 0.0

    @property
    def now(self) -> float:
        """Seconds since the schedule began, whatever the clocks say."""
        return self.loop.time()

    def note(self, words: str) -> None:
        """Add a line to the record."""
        self.trace.append((self.now, words))

    def happens(self, odds: float) -> bool:
        """Throw the dice; on a calm day no accident happens, but the dice fall all the same."""
        return self.dice.random() < odds and not self.calm

    def leap(self, jump: int) -> None:
        """The clocks of gateways go on at another time, by ms."""
        self.ahead += jump
        self.leaps.append((self.now, self.ahead))
        self.injected["a leap of the clock"] += 1
        self.note(f"!! the clock leaps by {jump / 1000:.0f} s")

    def moments(self, told: int) -> tuple[float, ...]:
        """When, in seconds of the world, a gateway's clock showed this (UTC ms): more often where it was set back."""
        segments = [(0.0, 0), *self.leaps]
        ends = [at for at, _ in self.leaps] + [float("inf")]
        found = []
        for (begins, ahead), end in zip(segments, ends, strict=True):
            moment = (told - BEGAN - ahead) / 1000
            if begins - 0.001 <= moment <= end + 0.001:
                found.append(moment)
        return tuple(found)

    def latency(self) -> float:
        """How long the store takes."""
        return self.dice.random() * (0.002 if self.calm else self.plan.slow_store)

    async def point(self, name: str, chat: str = "") -> None:
        """A named point of a turn is passed: whatever was planned for it strikes."""
        self.passed[name] += 1
        life = LIFE.get()
        if not self.calm:
            for incident in self.plan.incidents:
                if incident.point == name and incident.nth == self.passed[name]:
                    await self._strike(incident.does, name, chat)
        if life is not None and life.dead:
            await for_ever()

    async def _strike(self, does: str, point: str, chat: str) -> None:
        self.injected[f"{does} at {point}"] += 1
        self.note(f"!! {does} at the point `{point}` {chat}".rstrip())
        if does == "crash":
            self.crash()
        elif does == "storage":
            self.storage_away = self.now + self.dice.choice((0.5, 3.0, 12.0))
        elif does == "brain":
            self.brain_away = self.now + self.dice.choice((2.0, 15.0, 90.0))
        elif does == "claim":
            await self.strikes["claim"](chat)

    def crash(self) -> None:
        """Kill the gateway: not one more step of any of its tasks."""
        if self.life is not None and not self.life.dead:
            self.note(f"!! gateway {self.life.number} is killed")
            self.life.end()


class WorldClock:
    """The clock that gateways see: it goes with the loop's time, and leaps where the plan says so."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> int:
        return BEGAN + int(self._world.loop.time() * 1000) + self._world.ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def made(plan: Plan) -> World:
    """The world of a plan, with a loop that nobody runs yet."""
    dice = random.Random(f"day {plan.seed}")
    world: Any = None
    loop = VirtualLoop(lambda: world.latency())
    world = World(plan, loop, dice)
    return world  # type: ignore[no-any-return]
