"""The doors by which regressions come in, and a house behind each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.regressions.ground import Ground, opened
from tests.regressions.house import House, life


@pytest.fixture
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    async with opened(request.param) as ground:
        yield ground


@pytest.fixture
async def house(ground: Ground, tmp_path: Path) -> AsyncIterator[House]:
    async with life(ground, tmp_path) as house:
        yield house
