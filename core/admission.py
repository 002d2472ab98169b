"""Places at the brain: so many questions at once, the others wait for their turn, first come first served."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

TYPED = 64  # a worker answers as many in far less than their deadline, and is never idle with so many
MEDIA = 32  # what a media worker on two cores reads within its deadline
LONGEST = 120.0  # seconds that a turn waits for its places, all of them together


class Crowded(Exception):
    """It took too long until a place was free."""


class Place:
    """What one turn has at the brain: nothing yet, or a place of one kind, which it keeps for further attempts."""

    def __init__(self, places: dict[bool, asyncio.Semaphore], seconds: float) -> None:
        self._places = places
        self._left = seconds
        self._has: asyncio.Semaphore | None = None

    async def take(self, *, media: bool, share: float = 1.0) -> None:
        """Have a place of this kind: the one there is, else one waited for, instead of one of the other kind.

        The wait takes at most this share of the seconds that the turn has left.

        Raises:
            Crowded: none became free in time; a place of the other kind is given back all the same.
        """
        places, time = self._places[media], asyncio.get_running_loop().time
        if self._has is places:
            return
        self.leave()
        began = time()
        try:
            async with asyncio.timeout(self._left * share):
                await places.acquire()
        except TimeoutError as late:
            raise Crowded from late
        finally:
            self._left = max(self._left - (time() - began), 0.0)
        self._has = places

    def leave(self) -> None:
        """Give back what there is."""
        if self._has is not None:
            self._has.release()
            self._has = None


class Admission:
    """The places; a turn that waits for longer than `seconds` goes without.

    Without it every question is late when too many are asked, is asked again for that, and nobody gets an answer.
    Reference: https://sre.google/sre-book/addressing-cascading-failures/
    """

    def __init__(self, typed: int = TYPED, media: int = MEDIA, seconds: float = LONGEST) -> None:
        self._places = {False: asyncio.Semaphore(typed), True: asyncio.Semaphore(media)}
        self._seconds = seconds

    @contextmanager
    def turn(self) -> Iterator[Place]:
        """The place of one turn, given back when the context ends."""
        place = Place(self._places, self._seconds)
        try:
            yield place
        finally:
            place.leave()
