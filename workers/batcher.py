"""A batcher that never waits when idle: it takes what queued while the last batch ran."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Batcher(Generic[Q, A]):
    """Many threads ask, one thread works.

    `work(questions) -> answers` gets 1 to `most` questions and returns one answer or exception for each, so that a bad
    item fails alone. An exception out of `work` itself fails the whole batch, and the thread goes on.
    """

    def __init__(self, work: Callable[[Sequence[Q]], Sequence[A | Exception]], most: int = 32) -> None:
        self._work = work
        self._most = most
        self._queue: deque[tuple[Q, Future[A]]] = deque()
        self._something = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def ask(self, question: Q, seconds: float | None = None) -> A:
        """Wait for the answer to one question.

        Raises:
            TimeoutError: after `seconds`. Otherwise whatever the work raised for this question.
        """
        future: Future[A] = Future()
        with self._something:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._queue.append((question, future))
            self._something.notify()
        return future.result(seconds)

    @property
    def waiting(self) -> int:
        """How many questions no batch has taken yet."""
        return len(self._queue)

    def close(self) -> None:
        """Finish what is queued, then stop."""
        with self._something:
            self._closed = True
            self._something.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._something:
                while not self._queue and not self._closed:
                    self._something.wait()
                if not self._queue:
                    return
                batch = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
            self._answer(batch)

    def _answer(self, batch: Sequence[tuple[Q, Future[A]]]) -> None:
        try:
            answers = self._work([question for question, _ in batch])
        except Exception as failure:
            # The thread must outlive any batch: whoever waits is told, the next batch is served.
            answers = [failure] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
