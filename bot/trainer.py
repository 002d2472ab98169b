"""The trainer port over Celery: a training goes out on a queue, its news come back on one Redis list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from celery import Celery
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core import wire
from core.broker import LEARN, NEWS, NEWS_EXPIRES, TRAIN, beat, celery_url, given_up, halt
from core.errors import BadInput, Retry
from core.learning import LATEST
from core.training import News, Order

log = structlog.get_logger()


class CeleryTrainer:
    """Asks the workers of the queue `train`.

    The list of news belongs to no gateway: what a worker says while a gateway is started anew waits for it.
    """

    def __init__(self, redis_url: str) -> None:
        # A blocking read longer than the client's own socket timeout would raise.
        self._redis = Redis.from_url(redis_url, socket_timeout=10)
        self._told = ""  # the news that were told last, as they lie in the list
        self._celery = Celery("polydesk-trainer", broker=celery_url(redis_url), set_as_current=False)
        self._celery.conf.update(task_ignore_result=True, task_serializer="json", broker_connection_timeout=2)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Close the connections when the context ends."""
        try:
            yield
        finally:
            await self._redis.aclose()
            await asyncio.to_thread(self._celery.close)

    async def send(self, order: Order) -> None:
        """Ask for a training.

        Raises:
            Retry: the broker cannot be reached.
        """
        await asyncio.to_thread(self._send, order)

    def _send(self, order: Order) -> None:
        try:
            self._celery.send_task(
                LEARN, args=[wire.dump(order)], queue=TRAIN, expires=LATEST, ignore_result=True, retry=False
            )
        except Exception as problem:
            # kombu lets the errors of its transports through as they are; all mean that the broker was not reached.
            raise Retry(f"the broker cannot be reached: {type(problem).__name__}") from problem

    async def stop(self, training: str, by: str) -> None:
        """Leave word for whoever works on a training, or takes it later, that it is to end.

        A key, which whoever is away for a moment still finds; Celery's `revoke` reaches only who listens just then.

        Raises:
            Retry: the broker cannot be reached.
        """
        await self._leave(halt(training), by)

    async def give_up(self, training: str) -> None:
        """Leave word, as `stop` does, that a training was given up; whoever ends it keeps what was done.

        Raises:
            Retry: the broker cannot be reached.
        """
        await self._leave(given_up(training), "1")

    async def _leave(self, key: str, word: str) -> None:
        try:
            await self._redis.set(key, word, ex=NEWS_EXPIRES)
        except (RedisError, OSError) as problem:
            raise Retry(f"the broker cannot be reached: {type(problem).__name__}") from problem

    async def news(self, seconds: float) -> News | None:
        """The oldest news, waited for; None when there are none. It stays until `heard`, so that no end is lost.

        Raises:
            Retry: the broker cannot be reached.
        """
        while True:
            try:
                # Moved from the end of the list to the same end: this waits, and leaves the list as it is.
                raw = await self._redis.blmove(NEWS, NEWS, max(1, round(seconds)), "RIGHT", "RIGHT")
            except (RedisError, OSError) as problem:
                raise Retry(f"the broker cannot be reached: {type(problem).__name__}") from problem
            if raw is None:
                return None
            self._told = raw if isinstance(raw, str) else raw.decode()
            try:
                return wire.loads(News, raw)
            except BadInput as problem:
                log.error("trainer.not_news", problem=str(problem))
                await self.heard()

    async def heard(self) -> None:
        """The news that were told last are noted, and may go.

        Raises:
            Retry: the broker cannot be reached; they will be told again.
        """
        try:
            await self._redis.lrem(NEWS, -1, self._told)
        except (RedisError, OSError) as problem:
            raise Retry(f"the broker cannot be reached: {type(problem).__name__}") from problem

    async def holders(self) -> dict[str, frozenset[str]]:
        """The living workers of the queue, each with the trainings it works on.

        Raises:
            Retry: the broker cannot be reached.
        """
        found: dict[str, frozenset[str]] = {}
        try:
            async for key in self._redis.scan_iter(match=beat(TRAIN, "*")):
                found[key.decode()] = frozenset(json.loads(await self._redis.get(key) or "[]"))
        except (RedisError, OSError) as problem:
            raise Retry(f"the broker cannot be reached: {type(problem).__name__}") from problem
        return found
