"""Who is writing or recording a message right now, as far as their page says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from core import wire
from core.errors import BadInput
from core.values import Address

log = structlog.get_logger()

LASTS = 4.0  # seconds until a sign that is not renewed is over; a page renews it every two
_SIGN = "composing:"  # begins what processes tell each other


@dataclass(frozen=True, slots=True)
class Sign:
    """Somebody goes on with a message, or has given it up; `message` is the `InboundEvent.message` it will have.

    By that name a sign that its own message has overtaken is known for what it is.
    """

    address: Address
    message: str
    goes_on: bool = True


class Composing:
    """The signs of a few seconds, kept in memory alone; they delay an answer a little and do nothing else.

    `tell` passes on what is given here to other processes, whose signs come in by `hear`. A sign that gets lost costs
    its effect: the answer comes after the usual silence.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell
        self._going: dict[Address, tuple[str, float]] = {}  # message and end by the loop's clock, the next to end first
        self._watching: dict[Address, list[Callable[[], None]]] = {}

    def give(self, sign: Sign) -> None:
        """Take note of a sign, here and everywhere."""
        self._take(sign)
        if self._tell is not None:
            self._tell(_SIGN + wire.dumps(sign))

    def hear(self, told: str) -> bool:
        """Take note of what another process told; False when that was no sign."""
        if not told.startswith(_SIGN):
            return False
        try:
            self._take(wire.loads(Sign, told.removeprefix(_SIGN)))
        except BadInput as problem:
            log.error("sign.not_ours", problem=str(problem))
        return True

    def lasts(self, address: Address, arrived: Collection[str]) -> float:
        """Seconds for which the present sign lasts; 0 when there is none, or its message is among those `arrived`."""
        message, until = self._going.get(address, ("", 0.0))
        return 0.0 if message in arrived else max(0.0, until - asyncio.get_running_loop().time())

    @contextmanager
    def watching(self, address: Address, given_up: Callable[[], None]) -> Iterator[None]:
        """Have `given_up` called whenever a message is given up there, until the context ends."""
        self._watching.setdefault(address, []).append(given_up)
        try:
            yield
        finally:
            self._watching[address].remove(given_up)
            if not self._watching[address]:
                del self._watching[address]

    def _take(self, sign: Sign) -> None:
        now = asyncio.get_running_loop().time()
        message, _ = self._going.get(sign.address, ("", 0.0))
        if sign.goes_on:
            self._going.pop(sign.address, None)
            self._going[sign.address] = (sign.message, now + LASTS)
        elif message == sign.message:
            del self._going[sign.address]
            for given_up in tuple(self._watching.get(sign.address, ())):
                given_up()
        while self._going and next(iter(self._going.values()))[1] <= now:
            del self._going[next(iter(self._going))]
