"""Many schedules, over all cores."""

from __future__ import annotations

import multiprocessing
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.util import Finalize

from tests.chaos.ground import ground
from tests.chaos.schedule import Result, quieten, run
from tests.chaos.verdict import KINDS

_CHUNK = 8  # seeds that a process gets at once
_LIFETIME = 500  # chunks that a process lives through


@dataclass
class Tally:
    """What came of all schedules so far; a schedule counts once for each kind of violation."""

    schedules: int = 0
    failed: int = 0
    questions: int = 0
    restarts: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        """Count a schedule."""
        self.schedules += 1
        self.failed += bool(result.violations)
        self.questions += result.questions
        self.restarts += result.lives - 1
        self.kinds.update({violation.kind for violation in result.violations})
        self.injected.update(result.injected)

    def line(self, seed: int, seconds: float) -> str:
        """The last line of a run."""
        counts = ", ".join(f"{self.kinds[kind]} {kind}" for kind in KINDS)
        return (
            f"chaos: {self.schedules} schedules, {counts}; {self.questions} questions, {self.restarts} crashes, "
            f"seed {seed}, {seconds:.0f} s"
        )


def results(seeds: Sequence[int], jobs: int, bug: str = "") -> Iterator[Result]:
    """Run a schedule per seed, in processes of their own; the results come in the order of the seeds."""
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin, max_tasks_per_child=_LIFETIME) as pool:
        for done in pool.map(_chunk, chunks, [bug] * len(chunks)):
            yield from done


def _begin() -> None:
    quieten()
    folder = ground().folder
    Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=1)


def _chunk(seeds: Sequence[int], bug: str) -> list[Result]:
    return [run(seed, bug) for seed in seeds]
