"""A lane goes on after trouble, and says how bad it was."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from core.errors import Retry
from core.lanes import Lanes


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
