"""The bell: tells open pages that a conversation changed; carries no content, whoever hears it looks for themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

EVERYTHING = ""  # the topic that every ring reaches
BUSY = "busy:"  # begins the topics that tell of a moment, such as an answer being prepared


class Bell:
    """Rings topics (the id of a conversation or a web chat) in one process; a slow listener misses only repeats.

    `tell` passes what rings here on to other processes, whose news come in by `hear`.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell
        self._listeners: dict[str, set[Listener]] = {}

    def ring(self, topic: str) -> None:
        """Tell everybody who listens to the topic, or to everything."""
        self.hear(topic)
        if self._tell is not None:
            self._tell(topic)

    def hear(self, topic: str) -> None:
        """The same in this process alone, for something that rang in another one."""
        for listener in self._listeners.get(topic, set()) | self._listeners.get(EVERYTHING, set()):
            listener.add(topic)

    def ring_all(self) -> None:
        """Have every page of this process look: nobody knows what it has missed, moments aside."""
        for topic, listeners in self._listeners.items():
            for listener in listeners if not topic.startswith(BUSY) else ():
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
