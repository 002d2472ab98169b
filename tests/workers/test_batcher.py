"""The batcher: never waits when idle, takes what queued, fails a bad item alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from workers.batcher import Batcher


def test_what_queued_while_a_batch_ran_is_the_next_batch() -> None:
    # Given a first question that holds the thread
    started, go = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def work(questions: Sequence[int]) -> list[int]:
        batches.append(list(questions))
        started.set()
        go.wait(5)
        return [question * 2 for question in questions]

    batcher = Batcher(work, most=8)
    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(batcher.ask, 0)
        started.wait(5)
        rest = [pool.submit(batcher.ask, number) for number in range(1, 12)]
        while batcher.waiting < 11:
            pass
        go.set()
        assert first.result(5) == 0
        assert [one.result(5) for one in rest] == [number * 2 for number in range(1, 12)]
    # Then it went alone, at once, and the others together, at most eight at a time
    assert batches[0] == [0]
    assert [len(batch) for batch in batches[1:]] == [8, 3]
    batcher.close()


def test_a_bad_item_fails_alone_and_a_broken_batch_does_not_stop_the_thread() -> None:
    def work(questions: Sequence[str]) -> list[str | Exception]:
        if "explode" in questions:
            raise RuntimeError("the whole batch")
        return [ValueError(one) if one == "bad" else one for one in questions]

    batcher: Batcher[str, str] = Batcher(work)
    with pytest.raises(ValueError, match="bad"):
        batcher.ask("bad")
    with pytest.raises(RuntimeError):
        batcher.ask("explode")
    assert batcher.ask("fine") == "fine"
    batcher.close()
    with pytest.raises(RuntimeError, match="closed"):
        batcher.ask("late")
