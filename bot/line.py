"""The line between gateways, over the broker's channels: what rang, and whom to wake.

Only promptness hangs on it. A message that is lost, with the broker or without, is made up for by the looks that lanes
and pages take by themselves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis

from core.broker import BELL, calls

log = structlog.get_logger()

_PAUSE = 0.5  # seconds between two attempts to reach the broker
_LISTEN = 2.0


class Line:
    """One end of the line; what is said twice before it leaves, leaves once."""

    def __init__(self, redis_url: str, gateway: str) -> None:
        self._redis_url = redis_url
        self._gateway = gateway
        self._unsaid: dict[str, dict[str, None]] = {}
        self._something = asyncio.Event()

    def ring(self, topic: str) -> None:
        """Tell all others that something about `topic` changed."""
        self._say(BELL, topic)

    def call(self, gateway: str, conversation: str) -> None:
        """Have another gateway look at a conversation."""
        self._say(calls(gateway), conversation)

    @asynccontextmanager
    async def running(
        self, on_ring: Callable[[str], None], on_call: Callable[[str], None], on_gap: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Talk and listen until the context ends; `on_gap` when something may have been missed."""
        # Listening takes longer than the client's own socket timeout should allow to go by unnoticed.
        redis = Redis.from_url(self._redis_url, socket_timeout=10)
        tasks = [
            asyncio.create_task(self._talk(redis), name="line talks"),
            asyncio.create_task(self._listen(redis, on_ring, on_call, on_gap), name="line listens"),
        ]
        try:
            yield
        finally:
            waiting = set(tasks)
            while waiting:  # a cancellation that arrives just as a connection opens gets lost before Python 3.12
                for task in waiting:
                    task.cancel()
                _, waiting = await asyncio.wait(waiting, timeout=0.5)
            await redis.aclose()

    def _say(self, channel: str, word: str) -> None:
        self._unsaid.setdefault(channel, {})[word] = None
        self._something.set()

    async def _talk(self, redis: Redis) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            saying, self._unsaid = self._unsaid, {}
            try:
                async with redis.pipeline(transaction=False) as pipe:
                    for channel, words in saying.items():
                        pipe.publish(channel, json.dumps([self._gateway, *words]))
                    await pipe.execute()
            except Exception as problem:
                # What was to be said is old news by the time the broker is back.
                log.warning("line.broken", problem=type(problem).__name__)
                await asyncio.sleep(_PAUSE)

    async def _listen(
        self,
        redis: Redis,
        on_ring: Callable[[str], None],
        on_call: Callable[[str], None],
        on_gap: Callable[[], None],
    ) -> None:
        ears = {BELL: on_ring, calls(self._gateway): on_call}
        while True:
            try:
                async with redis.pubsub() as channels:
                    await channels.subscribe(*ears)
                    on_gap()
                    while True:
                        message = await channels.get_message(ignore_subscribe_messages=True, timeout=_LISTEN)
                        if message is not None:
                            self._take(ears[_text(message["channel"])], message["data"])
            except Exception as problem:
                # Without it other gateways' news come late; whatever it is, it is tried again.
                log.warning("line.lost", problem=type(problem).__name__)
                await asyncio.sleep(_PAUSE)

    def _take(self, ear: Callable[[str], None], raw: bytes | str) -> None:
        try:
            told = json.loads(raw)
        except ValueError:
            told = None
        if not (isinstance(told, list) and all(isinstance(word, str) for word in told)):
            log.error("line.not_ours", channel="a message that no gateway has written")
            return
        if told[:1] != [self._gateway]:
            for word in told[1:]:
                ear(word)


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw
