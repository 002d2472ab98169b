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
from core.broker import LEARN, NEWS, TRAIN, beat, celery_url
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

    async def news(self, seconds: float) -> News | None:
        """The next news, waited for; None when there are none.

        Raises:
            Retry: the broker cannot be reached.
        """
        try:
            popped = await self._redis.brpop([NEWS], timeout=max(seconds, 0.05))
        except (RedisError, OSError) as problem:
            raise Retry(f"the broker cannot be reached: {type(problem).__name__}") from problem
        if popped is None:
            return None
        try:
            return wire.loads(News, popped[1])
        except BadInput as problem:
            log.error("trainer.not_news", problem=str(problem))
            return None

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
