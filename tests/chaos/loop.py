"""An event loop whose time is free, and tasks that a crash freezes where they stand."""

from __future__ import annotations

import asyncio
import selectors
import types
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

_STEPS = 300_000  # of the loop, in one schedule: more is a loop that never ends


class Stuck(Exception):
    """Nothing will ever happen again, or the same things happen for ever."""


class Life:
    """One run of a process: `dead` from the moment of its crash, when all its tasks stop where they stand."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.dead = False
        self.ended = asyncio.Event()
        self.tasks: list[tuple[asyncio.Task[Any], Any]] = []

    def end(self) -> None:
        self.dead = True
        self.ended.set()

    def bury(self) -> None:
        """Throw the frozen tasks away, once nothing that they might touch is left."""
        for task, steps in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            try:
                steps.close()
            except (RuntimeError, ValueError):
                continue  # it awaited something while it was closed, or is the one that closes
        self.tasks.clear()


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs in one thread; when nothing is ready, its time leaps to the next timer.

    `latency` says how long (virtual seconds) the work of a thread takes, before and after its effect.
    """

    def __init__(self, latency: Callable[[], float]) -> None:
        self.elapsed = 0.0
        self.steps = 0
        self.latency = latency
        super().__init__(_NoInput(self))
        self.set_task_factory(_born)

    def time(self) -> float:
        return self.elapsed

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """There is one thread only, so nobody has to be woken."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        return asyncio.wrap_future(Inline(self).submit(func, *args), loop=self)


class _NoInput(selectors.DefaultSelector):
    """Waits for no file: waiting only moves the loop's time."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.steps += 1
        if timeout is None:
            raise Stuck("everybody waits for somebody")
        if self._loop.steps > _STEPS:
            raise Stuck(f"{_STEPS} steps, and no end")
        self._loop.elapsed += max(timeout, 0.0)
        return []


class Inline(Executor):
    """Does the work of a thread in the loop's own, after a while of virtual time, so that the order is the seed's.

    A crash in between loses the work, or its result: as a killed process does.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._life = LIFE.get()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            if self._life is not None and self._life.dead:
                return
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except Exception as problem:
                self._loop.call_later(self._loop.latency(), future.set_exception, problem)
            else:
                self._loop.call_later(self._loop.latency(), future.set_result, result)

        self._loop.call_later(self._loop.latency(), work)
        return future


def _born(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T] | Generator[Any, None, T], **options: Any
) -> asyncio.Task[T]:
    context: Mapping[ContextVar[Any], Any] | None = options.get("context")
    life = LIFE.get() if context is None else context.get(LIFE)
    if life is None:
        return asyncio.Task(coro, loop=loop, **options)
    steps = _guarded(coro, life, loop)
    task = asyncio.Task(steps, loop=loop, **options)
    life.tasks.append((task, steps))
    if len(life.tasks) > 2000:
        life.tasks = [known for known in life.tasks if not known[0].done()]
    return task


async def _guarded(coro: Any, life: Life, loop: asyncio.AbstractEventLoop) -> Any:
    return await _steps(coro, life, loop)


@types.coroutine
def _steps(coro: Any, life: Life, loop: asyncio.AbstractEventLoop) -> Generator[Any, Any, Any]:
    """Pass every step on, until the process is dead: then not one more, not even to clean up."""
    value: Any = None
    error: BaseException | None = None
    try:
        while True:
            while life.dead:
                try:
                    yield from loop.create_future()
                except (asyncio.CancelledError, Exception):
                    continue
            try:
                waits = coro.send(value) if error is None else coro.throw(error)
            except StopIteration as end:
                return end.value
            value, error = None, None
            try:
                value = yield waits
            except GeneratorExit:
                raise
            except BaseException as problem:
                error = problem
    finally:
        coro.close()


async def for_ever() -> None:
    """What a step of a dead process does."""
    await asyncio.get_running_loop().create_future()
