"""Pacing: slowing down before a platform tells us to, and for as long as it told us."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.errors import Throttled

_MOMENT = 5.0  # seconds
_MANY = 1000  # windows after which those that are over are thrown away


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` calls in `seconds` for what `key` names: a chat, a method, everything."""

    key: str
    count: int
    seconds: float


class Pace:
    """Sliding windows over the calls of one adapter, in this process; what other processes send, 429s tell us."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._calls: dict[str, deque[float]] = {}
        self._shut: dict[str, float] = {}
        self._told: dict[str, str] = {}

    def enter(self, limits: Sequence[Limit]) -> None:
        """Count one call under every limit.

        Raises:
            Throttled: one of them is reached, or the platform told us to wait; nothing was counted.
        """
        if wait := self.wait(limits):
            raise Throttled("waiting for our turn", wait)
        now = self._now()
        for limit in limits:
            self._calls.setdefault(limit.key, deque(maxlen=limit.count)).append(now)
        self._forget(now)

    def wait(self, limits: Sequence[Limit]) -> float:
        """Seconds until a call may be made, 0 for now."""
        now = self._now()
        moments = [self._shut.get(limit.key, now) for limit in limits]
        for limit in limits:
            calls = self._calls.get(limit.key, ())
            if len(calls) >= limit.count:
                moments.append(calls[-limit.count] + limit.seconds)
        return max(0.0, max(moments, default=now) - now)

    def told(self, key: str, seconds: float, whole: str) -> None:
        """The platform told us to leave this alone for so long.

        Platforms do not say whose limit it was. Should two parts of a `whole` be refused at once, it may be that of
        all, who wait for a moment too.
        """
        before, now = self._told.get(whole, key), self._now()
        if before != key and self._shut.get(before, now) > now:
            self._shut[whole] = max(self._shut.get(whole, 0.0), now + min(seconds, _MOMENT))
        self._shut[key] = max(self._shut.get(key, 0.0), now + seconds)
        self._told[whole] = key

    def _forget(self, now: float) -> None:
        if len(self._calls) > _MANY:
            self._calls = {key: calls for key, calls in self._calls.items() if now - calls[-1] < 60}
            self._shut = {key: until for key, until in self._shut.items() if until > now}
