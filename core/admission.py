"""So many questions at once, however many customers write: the others wait for their turn, first come first served.

Without it every question is late when too many are asked, is asked again for that, and nobody gets an answer.
Reference: https://sre.google/sre-book/addressing-cascading-failures/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TYPED = 64  # a worker answers as many in far less than their deadline, and is never idle with so many
MEDIA = 32  # what a media worker on two cores reads within its deadline
LONGEST = 120.0  # seconds that anybody waits for their turn


class Crowded(Exception):
    """It took too long until a place was free."""


class Admission:
    """The places at the brain; whoever waits for longer than `seconds` goes without."""

    def __init__(self, typed: int = TYPED, media: int = MEDIA, seconds: float = LONGEST) -> None:
        self._places = {False: asyncio.Semaphore(typed), True: asyncio.Semaphore(media)}
        self._seconds = seconds

    @asynccontextmanager
    async def place(self, *, media: bool) -> AsyncIterator[None]:
        """A place while the context is open.

        Raises:
            Crowded: on entry, none became free in time.
        """
        places = self._places[media]
        try:
            async with asyncio.timeout(self._seconds):
                await places.acquire()
        except TimeoutError as late:
            raise Crowded from late
        try:
            yield
        finally:
            places.release()
