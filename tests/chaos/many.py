"""Many schedules, over all cores."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.ground import Ground, laid, room
from tests.chaos.schedule import Result, quieten, run
from tests.chaos.verdict import KINDS

_CHUNK = 8  # seeds that a process gets at once


@dataclass
class Tally:
    """What came of all schedules so far; a schedule counts once for each kind of violation."""

    schedules: int = 0
    failed: int = 0
    questions: int = 0
    restarts: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def add(self, result: Result) -> None:
        """Count a schedule."""
        self.schedules += 1
        self.failed += bool(result.violations)
        self.questions += result.questions
        self.restarts += result.lives - 1
        self.kinds.update({violation.kind for violation in result.violations})
        self.injected.update(result.injected)

    def line(self, seed: int) -> str:
        """The last line of a run."""
        counts = ", ".join(f"{self.kinds[kind]} {kind}" for kind in KINDS)
        return (
            f"{self.schedules} schedules, {counts}; {self.questions} questions, {self.restarts} crashes, "
            f"seed {seed}, {time.monotonic() - self.began:.0f} s"
        )


@contextmanager
def crew(jobs: int) -> Iterator[Crew]:
    """Processes that live through schedules, for as long as the context lasts."""
    spawn = multiprocessing.get_context("spawn")
    with room() as folder:
        pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin, initargs=(folder,))
        try:
            yield Crew(pool)
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Crew:
    """Runs schedules in other processes."""

    pool: ProcessPoolExecutor

    def results(self, seeds: Sequence[int], bug: str = "") -> Iterator[Result]:
        """Run a schedule per seed; the results come in the order of the seeds. Whoever stops listening stops it."""
        size = _CHUNK if len(seeds) > 100 else 2  # what was begun is finished even when nobody listens any more
        chunks = [seeds[at : at + size] for at in range(0, len(seeds), size)]
        yield from itertools.chain.from_iterable(self.pool.map(_chunk, chunks, itertools.repeat(bug)))


_place: list[Ground] = []


def _begin(folder: Path) -> None:
    _place.append(laid(folder))
    quieten()


def _chunk(seeds: Sequence[int], bug: str) -> list[Result]:
    return [run(seed, _place[0], bug) for seed in seeds]
