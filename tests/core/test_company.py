"""What whoever waits is shown, on a clock whose time is free: again and again that we are at it, words once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from core.company import Company, Superseded
from core.values import Address
from tests.chaos.loop import VirtualLoop

HERE = Address("fake", "bot", "c1")


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop(lambda: 0.0)
    yield loop
    loop.close()


async def never(seconds: float) -> bool:
    await asyncio.sleep(seconds)
    return False


def test_words_are_said_once_in_a_turn_whatever_it_waits_for(loop: VirtualLoop) -> None:
    """Given a turn that waits for a file, then for the brain, then its time goes on from one wait to the next."""
    busy: list[float] = []
    holding: list[float] = []

    async def hold() -> None:
        holding.append(loop.time())

    async def waits() -> None:
        company = Company(lambda address: busy.append(loop.time()), hold)
        await company.keep(asyncio.create_task(asyncio.sleep(5.0)), HERE, never)
        await asyncio.sleep(0.5)
        await company.keep(asyncio.create_task(asyncio.sleep(20.0)), HERE, never)

    loop.run_until_complete(waits())
    assert busy == [0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0]
    assert holding == [8.0]


def test_what_is_given_up_has_ended_before_anything_else_is_asked(loop: VirtualLoop) -> None:
    """Given something that is still writing down what it learned when the turn grows, then that is waited for."""
    written: list[float] = []

    async def asks() -> None:
        try:
            await asyncio.sleep(60.0)
        finally:
            await asyncio.sleep(0.5)
            written.append(loop.time())

    async def grows(seconds: float) -> bool:
        await asyncio.sleep(1.0)
        return True

    async def waits() -> None:
        with pytest.raises(Superseded):
            await Company().keep(asyncio.create_task(asks()), HERE, grows)
        assert written == [1.5]

    loop.run_until_complete(waits())


def test_a_moment_missed_by_a_rounding_error_is_waited_for_and_not_looked_for(loop: VirtualLoop) -> None:
    async def waits() -> None:
        for _ in range(50):
            await asyncio.sleep(0.137)
            await Company().keep(asyncio.create_task(asyncio.sleep(9.0)), HERE, never)

    loop.run_until_complete(waits())
    assert loop.steps < 50 * 40
