"""A trainer that tests play by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from core.errors import Retry
from core.training import News, Order


@dataclass
class FakeTrainer:
    """Keeps what it was sent; says what tests put into `said`.

    `away` is a broker that cannot be reached, `deaf` one that was lost after it told news, `lossy` one that was lost
    after it took an order.
    """

    sent: list[Order] = field(default_factory=list)
    stopped: dict[str, str] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)
    said: list[News] = field(default_factory=list)
    working: dict[str, frozenset[str]] = field(default_factory=lambda: {"worker": frozenset()})
    away: bool = False
    deaf: bool = False
    lossy: bool = False

    def _reached(self) -> None:
        if self.away:
            raise Retry("the broker cannot be reached")

    async def send(self, order: Order) -> None:
        self._reached()
        self.sent.append(order)
        if self.lossy:
            raise Retry("the broker cannot be reached")

    async def stop(self, training: str, by: str) -> None:
        self._reached()
        self.stopped[training] = by

    async def give_up(self, training: str) -> None:
        self._reached()
        self.given_up.append(training)

    async def news(self, seconds: float) -> News | None:
        self._reached()
        if self.said:
            return self.said[0]
        await asyncio.sleep(min(seconds, 0.01))
        return None

    async def heard(self) -> None:
        self._reached()
        if self.deaf:
            raise Retry("the broker cannot be reached")
        self.said.pop(0)

    async def holders(self) -> dict[str, frozenset[str]]:
        self._reached()
        return self.working
