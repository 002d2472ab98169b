"""What can be made to go wrong with the next calls of a fake platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Where = Callable[[Mapping[str, Any]], bool]
"""Picks the calls a fault is meant for by their arguments."""


class Wrong(StrEnum):
    """What happens to a call."""

    FAIL = "fail"
    DROP_BEFORE = "drop before the effect"
    DROP_AFTER = "drop after the effect"
    SLOW = "slow"


@dataclass(slots=True)
class Fault:
    """One planned accident; `left` is how many calls it still hits."""

    wrong: Wrong
    status: int = 500
    answer: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    left: int = 1
    where: Where | None = None


class Faults:
    """The accidents still to come, by API method; `*` stands for any method."""

    def __init__(self) -> None:
        self._planned: dict[str, list[Fault]] = {}

    def plan(self, method: str, fault: Fault) -> None:
        """Queue a fault behind those already planned for the method."""
        self._planned.setdefault(method.lower(), []).append(fault)

    def take(self, method: str, arguments: Mapping[str, Any]) -> Fault | None:
        """The first fault that is meant for this call, counted down; None when the call may go well."""
        for name in (method.lower(), "*"):
            for fault in self._planned.get(name, []):
                if fault.where is None or fault.where(arguments):
                    fault.left -= 1
                    if fault.left <= 0:
                        self._planned[name].remove(fault)
                    return fault
        return None

    def clear(self) -> None:
        """Forget every fault that has not struck yet."""
        self._planned.clear()


class Window:
    """A rate limit: at most `limit` calls in `seconds`, counted per key."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._times: dict[str, list[float]] = {}

    def wait(self, key: str, now: float) -> float:
        """Seconds until a call for this key is allowed; 0 when it is, which counts it."""
        times = [at for at in self._times.get(key, []) if at > now - self._seconds]
        self._times[key] = times
        if len(times) >= self._limit:
            return times[0] + self._seconds - now
        times.append(now)
        return 0.0
