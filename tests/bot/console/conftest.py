"""A house, a gateway and somebody at its console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bot.doors import Doors
from bot.gateway import build
from bot.wiring import House
from tests.bot.console.stage import ADMIN, AGENT, Gateway, Visit, furnished, served


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with furnished(tmp_path) as home:
        yield home


@pytest.fixture
async def stranger(house: House) -> AsyncIterator[Visit]:
    """Somebody who is not logged in."""
    async with _visit(house) as visit:
        yield visit


@pytest.fixture
async def admin(house: House) -> AsyncIterator[Visit]:
    async with _visit(house) as visit:
        await visit.log_in(ADMIN)
        yield visit


@pytest.fixture
async def agent(house: House) -> AsyncIterator[Visit]:
    async with _visit(house) as visit:
        await visit.log_in(AGENT)
        yield visit


@pytest.fixture
async def gateway(house: House) -> AsyncIterator[Gateway]:
    async with served(house) as running:
        yield running


def _visit(house: House) -> Visit:
    transport = httpx.ASGITransport(build(house, Doors(house.adapters)), raise_app_exceptions=False)
    return Visit(transport=transport, base_url="http://desk.test", headers={"Sec-Fetch-Site": "same-origin"})
