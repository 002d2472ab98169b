"""A lane goes on after trouble, and says how bad it was."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from core.errors import Retry
from core.lanes import Lanes, backoff


@pytest.mark.parametrize(("trouble", "level"), [(Retry("the database is away"), "warning"), (KeyError("a"), "error")])
async def test_a_lane_looks_again_after_trouble(trouble: Exception, level: str) -> None:
    """Given what passes by itself, then no traceback alarms whoever reads the log; given a bug, then it is there."""
    looks = []

    async def work(key: str) -> None:
        looks.append(key)
        if len(looks) == 1:
            lanes.wake("another")
            raise trouble

    lanes = Lanes(work)
    with capture_logs() as logged:
        lanes.wake("one")
        await lanes.idle()
    assert looks == ["one", "another", "one"]
    assert [line["log_level"] for line in logged] == [level]
    assert ("exc_info" in logged[0]) == (level == "error")


async def test_a_lane_outlives_a_night_of_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more failures in a row than a float can be doubled, then its work is done all the same."""
    monkeypatch.setattr("core.lanes._LONGEST_PAUSE", 0.0)
    looks = 0

    async def work(key: str) -> None:
        nonlocal looks
        looks += 1
        if looks <= 1_100:
            raise Retry("the disk is full")

    lanes = Lanes(work)
    with capture_logs():
        lanes.wake("one")
        await lanes.idle()
    assert looks == 1_101


def test_pauses_grow_to_the_longest() -> None:
    assert [backoff(failures, 30.0) for failures in (0, 1, 5, 6, 1_025)] == [0.5, 1.0, 16.0, 30.0, 30.0]
