"""Lanes: strict order inside a conversation, parallel across conversations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from core.errors import Retry

log = structlog.get_logger()

_LONGEST_PAUSE = 30.0  # seconds between two attempts of a lane that fails


def backoff(failures: int, longest: float) -> float:
    """Seconds until the next attempt: half a second, then twice as long each time, at most `longest`."""
    # A disk that is full for a night fails more often than a float can be doubled.
    return min(0.5 * 2.0 ** min(failures, 16), longest)


class Lanes:
    """One worker coroutine per busy key; a key's work never runs twice at once.

    `work(key)` looks up for itself what there is to do, so waking a lane carries nothing: a wake that comes while the
    lane works makes it look once more.
    """

    def __init__(self, work: Callable[[str], Awaitable[None]]) -> None:
        self._work = work
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._closed = False

    def wake(self, key: str) -> None:
        """Make sure that the lane looks for work, now or right after what it does."""
        if self._closed:
            return
        self._wakes.setdefault(key, asyncio.Event()).set()
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._run(key), name=f"lane {key}")

    async def woken(self, key: str, seconds: float) -> bool:
        """Called by the lane's own work: wait until somebody wakes it, at most `seconds`; True if somebody did."""
        wake = self._wakes[key]
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            return False
        return True

    def heard(self, key: str) -> None:
        """Called by the lane's own work: it has seen everything up to now."""
        self._wakes[key].clear()

    async def _run(self, key: str) -> None:
        wake = self._wakes[key]
        try:
            failures = 0
            while wake.is_set():
                wake.clear()
                try:
                    await self._work(key)
                    failures = 0
                except Exception as problem:
                    # A lane must not end with its work undone: it looks again, at the latest after a pause.
                    if isinstance(problem, Retry):
                        log.warning("lane.waits", lane=key, failures=failures + 1, problem=str(problem))
                    else:
                        log.exception("lane.failed", lane=key, failures=failures + 1)
                    await self.woken(key, backoff(failures, _LONGEST_PAUSE))
                    failures += 1
                    wake.set()
        finally:
            self._tasks.pop(key, None)
            if not wake.is_set():
                self._wakes.pop(key, None)

    async def finish(self, seconds: float) -> None:
        """Take no new work, give what runs `seconds` to end, then stop it."""
        self._closed = True
        if self._tasks and seconds > 0:
            await asyncio.wait(list(self._tasks.values()), timeout=seconds)
        await self.close()

    async def close(self) -> None:
        """Stop every lane; what was not finished is found again at the next start."""
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Wait until no lane works."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))
