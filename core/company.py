"""Company for a customer who waits: a sign that we are at it, again and again, after a while words, once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from core.values import Address

T = TypeVar("T")

_BUSY_EVERY = 4.0  # platforms show "typing" for about five seconds
_HOLDING_AFTER = 8.0  # until the customer hears that we are still at it
_GLANCE = 0.05  # seconds that are waited at least, so that a moment missed by a rounding error is no endless loop


class Superseded(Exception):
    """Something newer belongs to the same turn, so this answer is not wanted any more."""


def _alone(address: Address) -> None:
    return None


async def _silent() -> None:
    return None


class Company:
    """The company of one turn: its time begins with the first wait, whatever is waited for after that.

    `busy` shows at an address that we are at it; `holding` says so.
    """

    def __init__(
        self,
        busy: Callable[[Address], None] = _alone,
        holding: Callable[[], Coroutine[Any, Any, None]] = _silent,
    ) -> None:
        self._busy = busy
        self._holding = holding
        self._began: float | None = None
        self._shown = 0.0
        self._held = False

    async def keep(
        self, asked: asyncio.Task[T], address: Address, newer: Callable[[float], Coroutine[Any, Any, bool]]
    ) -> T:
        """Wait for `asked`; `newer(seconds)` waits at most that long, and tells whether the turn has grown.

        Raises:
            Superseded: the turn has grown; `asked` has ended all the same. Whatever `asked` raises.
        """
        time = asyncio.get_running_loop().time
        began = self._began = time() if self._began is None else self._began
        try:
            while not asked.done():
                waited = time() - began
                if waited >= self._shown:
                    self._shown = waited + _BUSY_EVERY
                    self._busy(address)
                if waited >= _HOLDING_AFTER and not self._held:
                    self._held = True
                    await self._holding()
                due = min(self._shown, math.inf if self._held else _HOLDING_AFTER)
                grown = asyncio.create_task(newer(max(due - (time() - began), _GLANCE)))
                try:
                    await asyncio.wait({asked, grown}, return_when=asyncio.FIRST_COMPLETED)
                    if not asked.done() and grown.done() and grown.result():
                        raise Superseded
                finally:
                    grown.cancel()
            return asked.result()
        finally:
            asked.cancel()
            await asyncio.wait({asked})  # it may be writing down what it has learned
