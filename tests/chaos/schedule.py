"""One schedule, from the first word to the verdict."""

from __future__ import annotations

import asyncio
import gc
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import structlog

from tests.chaos.books import opened, quiet
from tests.chaos.brain import ChaosBrain
from tests.chaos.bugs import parts_with
from tests.chaos.ground import Ground
from tests.chaos.house import House
from tests.chaos.people import Agents, Customer, Record
from tests.chaos.plan import drawn, harsh
from tests.chaos.platform import ChaosPlatform
from tests.chaos.verdict import Case, Violation, judged
from tests.chaos.world import World, WorldClock, made

_PAUSES = (5, 20, 60, 60, 120, 300, 600, 1800, 3600, 3600, 7200, 14400)  # seconds, until all is quiet


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a schedule; `trace` is what happened, a line each."""

    seed: int
    violations: tuple[Violation, ...]
    trace: tuple[str, ...]
    injected: Counter[str]
    questions: int
    lives: int
    seconds: float


_trace: list[World] = []


def _keep_log(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put what our code complains about into the record of the schedule that runs."""
    if _trace and method in ("warning", "error", "exception", "critical"):
        told = {name: value for name, value in event.items() if name not in ("event", "exc_info", "event_id")}
        line = f"   log: {event['event']} {told}"
        if event.get("exc_info"):
            line += " " + traceback.format_exc().strip().splitlines()[-1]
        _trace[-1].note(line)
    raise structlog.DropEvent


def quieten() -> None:
    """Send the logs of this process to the records of schedules."""
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, _keep_log])
    gc.disable()  # between schedules it runs by hand, so that nothing of a dead process stirs in the midst of one
    gc.freeze()


def run(seed: int, place: Ground, bug: str = "") -> Result:
    """Live through the schedule of a seed, or through a harsh day with a planted bug if one is named."""
    began = time.perf_counter()
    file = place.database()
    world = made(harsh(drawn(seed)) if bug else drawn(seed))
    _trace[:] = [world]
    try:
        return _lived(world, place, file, bug, began)
    finally:
        _trace.clear()
        world.loop.close()
        place.clear(file)
        gc.collect()


def _lived(world: World, place: Ground, file: Path, bug: str, began: float) -> Result:
    world.loop.set_exception_handler(lambda loop, context: None)
    platforms = {
        "readable": ChaosPlatform(world, "readable", readable=True),
        "mute": ChaosPlatform(world, "mute", readable=False),
    }
    for platform in platforms.values():
        platform.files = {f"photo-{unit}": raw for unit, raw in place.photos.items()}
    brain = ChaosBrain(world)
    brain.photos = place.shas
    record = Record()
    house = House(world, f"sqlite:///{file}", place.blobs, platforms, brain, parts_with(bug))
    customers = {}
    for number in range(1, world.plan.customers + 1):
        platform = platforms[world.dice.choice(("readable", "mute"))]
        customers[f"c{number}"] = Customer(world, house, platform, brain, record, f"c{number}")
    agents = Agents(world, house, customers, record)
    world.strikes["claim"] = agents.strike
    world.note(str(world.plan))
    violations = []
    try:
        world.loop.run_until_complete(_day(world, house, customers, agents, platforms, file))
    except Exception as problem:
        violations.append(Violation("stuck", f"{type(problem).__name__}: {problem}"))
        world.note(traceback.format_exc())
    now = WorldClock(world).now()
    world.loop.steps = 0
    world.loop.run_until_complete(_end(house))
    shown = sorted((one for platform in platforms.values() for one in platform.shown), key=lambda one: one.at)
    violations += judged(Case(shown, record, brain, opened(file), now, world.moments))
    lines = tuple(f"{at:10.3f}  {words}" for at, words in world.trace)
    return Result(
        world.plan.seed,
        tuple(violations),
        lines,
        world.injected,
        len(record.asks),
        len(house.lives),
        time.perf_counter() - began,
    )


async def _day(
    world: World,
    house: House,
    customers: dict[str, Customer],
    agents: Agents,
    platforms: dict[str, ChaosPlatform],
    file: Path,
) -> None:
    keeping = asyncio.create_task(house.keep())
    people = [asyncio.create_task(customer.live()) for customer in customers.values()]
    people += [asyncio.create_task(agents.work()) for _ in range(world.plan.agents)]
    people.append(asyncio.create_task(_jumps(world)))
    await asyncio.gather(*people)
    await asyncio.sleep(world.dice.random() * 30)
    world.calm = True
    world.note("-- the accidents are over")
    while waits := {*agents.visits, *(task for platform in platforms.values() for task in platform.delivering)}:
        await asyncio.wait(waits)
        agents.visits = {task for task in agents.visits if not task.done()}
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        if quiet(file):
            break
    for pause in (700, 2400):  # nobody comes, and the timers say so
        await asyncio.sleep(pause)
    world.note("-- the end")
    keeping.cancel()


async def _jumps(world: World) -> None:
    for jump in world.plan.jumps:
        await asyncio.sleep(world.dice.random() * 30)
        world.leap(jump)


async def _end(house: House) -> None:
    """Stop everybody where they stand."""
    house.bury()
    mine = asyncio.current_task()
    for task in asyncio.all_tasks():
        if task is not mine and not task.done():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
