"""What platforms post to us, where strangers may post, too."""

from __future__ import annotations

import math
import time

import structlog
from starlette.requests import Request

log = structlog.get_logger()

_MINUTE = 60.0


async def body(request: Request, largest: int) -> bytes | None:
    """The body, or None as soon as it has more than `largest` bytes.

    Raises:
        ClientDisconnect: it broke off.
    """
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > largest:
            return None
    return bytes(found)


class Complaint:
    """Says in the log that somebody is turned away: once a minute at most, for a stranger must not fill it."""

    def __init__(self, event: str, do: str) -> None:
        self._event = event
        self._do = do
        self._told = -math.inf

    def tell(self) -> None:
        """It has happened, again perhaps."""
        if time.monotonic() - self._told > _MINUTE:
            self._told = time.monotonic()
            log.warning(self._event, do=self._do)
