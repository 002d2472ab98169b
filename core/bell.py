"""The bell: tells open pages that a conversation changed; carries no content, whoever hears it looks for themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

EVERYTHING = ""  # the topic that every ring reaches


class Bell:
    """Rings topics (the id of a conversation or a web chat) in one process; a slow listener misses only repeats."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = {}

    def ring(self, topic: str) -> None:
        """Tell everybody who listens to the topic, or to everything."""
        for listener in self._listeners.get(topic, set()) | self._listeners.get(EVERYTHING, set()):
            listener.add(topic)

    @asynccontextmanager
    async def listening(self, topic: str = EVERYTHING) -> AsyncIterator[Listener]:
        """Listen until the context ends."""
        listener = Listener()
        self._listeners.setdefault(topic, set()).add(listener)
        try:
            yield listener
        finally:
            self._listeners[topic].discard(listener)
            if not self._listeners[topic]:
                del self._listeners[topic]


class Listener:
    """One open page's ear."""

    def __init__(self) -> None:
        self._rung: set[str] = set()
        self._wake = asyncio.Event()

    def add(self, topic: str) -> None:
        """Called by the bell."""
        self._rung.add(topic)
        self._wake.set()

    async def wait(self, seconds: float) -> frozenset[str]:
        """The topics that rang since the last call; empty after `seconds` of silence."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return frozenset()
        rung = frozenset(self._rung)
        self._rung.clear()
        self._wake.clear()
        return rung
