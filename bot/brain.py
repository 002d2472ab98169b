"""The brain port over Celery: questions go out on a queue, predictions come back on this gateway's Redis list."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import structlog
from celery import Celery
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core import wire
from core.asking import Prediction, Question
from core.broker import BEAT_SECONDS, MEDIA, PREDICT, TEXT, beat, celery_url, evicts, inbox
from core.errors import BadInput, BrainGone, BrainLate, Retry

log = structlog.get_logger()

PATIENCE = 3.0  # seconds without any worker on a queue before a question on it is given up
_BEAT_AGAIN = 2.5  # seconds in which every living worker has told a new broker what it holds


@dataclass(slots=True)
class _Pending:
    future: asyncio.Future[Prediction]
    attempt: int
    queue: str
    holder: str = ""
    orphaned_at: float = 0.0
    forgotten_at: float = 0.0  # when the broker that queued it was found to have started anew, with empty queues


class CeleryBrain:
    """Asks workers, and notices when they die."""

    def __init__(self, redis_url: str, gateway: str) -> None:
        self._redis_url = redis_url
        self._inbox = inbox(gateway)
        self._pending: dict[str, _Pending] = {}
        self._celery = Celery("polydesk-gateway", broker=celery_url(redis_url), set_as_current=False)
        self._celery.conf.update(task_ignore_result=True, task_serializer="json", broker_connection_timeout=2)
        self.workers: dict[str, int] = {TEXT: 0, MEDIA: 0}
        self._broker = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen for predictions until the context ends."""
        # A blocking read longer than the client's own socket timeout would raise.
        redis = Redis.from_url(self._redis_url, socket_timeout=10)
        tasks = [asyncio.create_task(self._listen(redis)), asyncio.create_task(self._watch(redis))]
        try:
            yield
        finally:
            await _ended(tasks)
            await redis.aclose()
            await asyncio.to_thread(self._celery.close)

    async def ask(self, question: Question) -> Prediction:
        """Send a question and wait for its prediction.

        Raises:
            BrainLate: none came before `question.deadline`. BrainGone: the worker that held it died, no worker serves
            its queue, or the broker cannot be reached. Retry: the worker reported a failure.
        """
        # An evidence card takes longer, and goes where it keeps no typed question waiting, if anybody works there.
        slow = question.photos or question.voices or (question.explain and self.workers.get(MEDIA))
        return await self._ask(question, MEDIA if slow else TEXT)

    async def prepare(self, release: str, seconds: float, *, media: bool) -> None:
        """Have a worker read a release; what it encodes, the others find.

        Raises:
            Retry: as `ask`.
        """
        deadline = int((time.time() + seconds) * 1000)
        await self._ask(Question(uuid.uuid4().hex, release, deadline=deadline), MEDIA if media else TEXT)

    async def _ask(self, question: Question, queue: str) -> Prediction:
        seconds = question.deadline / 1000 - time.time()
        pending = _Pending(asyncio.get_running_loop().create_future(), question.attempt, queue)
        self._pending[question.id] = pending
        try:
            async with asyncio.timeout(seconds):
                await asyncio.to_thread(self._send, replace(question, inbox=self._inbox), queue, seconds)
                prediction = await pending.future
        except TimeoutError as late:
            raise BrainLate(f"no prediction within {seconds:.1f} s") from late
        finally:
            self._pending.pop(question.id, None)
        if prediction.error:
            raise Retry(f"the worker failed: {prediction.error}")
        return prediction

    def _send(self, question: Question, queue: str, seconds: float) -> None:
        try:
            self._celery.send_task(
                PREDICT,
                args=[wire.dump(question)],
                queue=queue,
                expires=max(seconds, 0.1),
                ignore_result=True,
                retry=False,
            )
        except Exception as problem:
            # kombu lets the errors of its transports through as they are; all mean that the broker was not reached.
            raise BrainGone(f"the broker cannot be reached: {type(problem).__name__}") from problem

    async def _listen(self, redis: Redis) -> None:
        """The one blocking reader of this gateway's list; a reconnect loses nothing, the list waits."""
        while True:
            try:
                popped = await redis.brpop([self._inbox], timeout=2)
            except Exception as problem:
                # Without a reader no question is ever answered again, so whatever it is, it is tried again.
                log.warning("brain.reader_lost", problem=type(problem).__name__)
                await asyncio.sleep(0.5)
                continue
            if popped is not None:
                self._take(popped[1])

    def _take(self, raw: bytes | str) -> None:
        try:
            prediction = wire.loads(Prediction, raw)
        except BadInput as problem:
            log.error("brain.not_a_prediction", problem=str(problem))
            return
        pending = self._pending.get(prediction.question)
        if pending is None or pending.attempt != prediction.attempt or pending.future.done():
            log.info("brain.nobody_waits", question=prediction.question, attempt=prediction.attempt)
            return
        pending.future.set_result(prediction)

    async def _watch(self, redis: Redis) -> None:
        """Count the workers, and fail the questions of those that died instead of letting them wait."""
        while True:
            await asyncio.sleep(BEAT_SECONDS / 2)
            try:
                await self._look(redis)
            except Exception as problem:
                if not isinstance(problem, RedisError):
                    log.exception("brain.watch_failed")
                # Whoever asks whether we are ready must not read an old count.
                self.workers = dict.fromkeys(self.workers, 0)

    async def _look(self, redis: Redis) -> None:
        run = str((await redis.info("server")).get("run_id"))
        if run != self._broker and (why := evicts(await redis.info("memory"))):
            log.warning("brain.broker_forgets", problem=why, mend="set it to noeviction")
        if self._broker not in ("", run):
            log.warning("brain.broker_restarted")
            for pending in self._pending.values():
                pending.holder, pending.forgotten_at = "", time.monotonic()
        self._broker = run
        held: dict[str, str] = {}
        alive: set[str] = set()
        counts = {TEXT: 0, MEDIA: 0}
        async for key in redis.scan_iter(match=beat("*", "*")):
            name = key.decode()
            alive.add(name)
            queue = name.split(":")[2]
            counts[queue] = counts.get(queue, 0) + 1
            for question in json.loads(await redis.get(key) or "[]"):
                held[question] = name
        self.workers = counts
        self._judge(held, alive)

    def _judge(self, held: dict[str, str], alive: set[str]) -> None:
        now = time.monotonic()
        for question, pending in self._pending.items():
            if pending.future.done():
                continue
            pending.holder = held.get(question, pending.holder)
            if pending.holder:
                pending.forgotten_at = 0.0  # a worker had taken it before the broker went: its answer will come
            if pending.forgotten_at and now - pending.forgotten_at > _BEAT_AGAIN:
                pending.future.set_exception(BrainGone("the broker was started anew and has forgotten the question"))
            elif pending.holder and pending.holder not in alive:
                pending.future.set_exception(BrainGone("the worker that held the question died", held=True))
            elif self.workers.get(pending.queue, 0) > 0:
                pending.orphaned_at = 0.0
            elif not pending.orphaned_at:
                pending.orphaned_at = now
            elif now - pending.orphaned_at > PATIENCE:
                pending.future.set_exception(BrainGone(f"no worker serves the queue `{pending.queue}`"))


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel until all have ended.

    A cancellation that arrives just as a connection opens gets lost in `asyncio.wait_for` before Python 3.12
    (https://github.com/python/cpython/issues/86296), and the reader would go on for ever.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=0.5)
