"""Times of encoders beside each other; the memory of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.train.timing import BATCH, TEXT, Loaded, memory, timed


def busy(rounds: int) -> int:
    return sum(i * i for i in range(rounds))


def test_the_slower_one_is_told_from_the_faster_one() -> None:
    sizes: list[int] = []

    def slow(items: list[int]) -> int:
        sizes.append(len(items))
        return busy(4000 * len(items))

    before, after = timed([slow, lambda items: busy(400 * len(items))], list(range(20)))
    assert before.p50 > 3 * after.p50 > 0
    assert after.batched > 3 * before.batched
    assert before.p50 <= before.p95 and before.memory is None
    assert sizes.count(1) == 20 and sizes.count(BATCH) >= 1


def test_what_cannot_be_loaded_has_no_memory(tmp_path: Path) -> None:
    assert memory(Loaded(str(tmp_path), TEXT, "multilingual")) is None


@pytest.mark.models
def test_what_a_process_holds(models_dir: Path) -> None:
    held = memory(Loaded(str(models_dir), TEXT, "multilingual", "xx"))
    assert held is None or 80e6 < held < 1e9  # the graph alone has 79 MB
