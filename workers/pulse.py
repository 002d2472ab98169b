"""A worker's heartbeat: every second it says that it lives and which questions it holds."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from redis import Redis
from redis.exceptions import RedisError

from core.broker import BEAT_EXPIRES, BEAT_SECONDS, beat

log = structlog.get_logger()


class Pulse:
    """Renews one key per queue; when it stops, the gateway asks again."""

    def __init__(self, redis: Redis, queues: tuple[str, ...]) -> None:
        self._redis = redis
        worker = f"{socket.gethostname()}:{os.getpid()}"
        self._keys = [beat(queue, worker) for queue in queues]
        self._held: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat: from now on the gateway counts on this worker."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Stop beating; the keys go at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._redis.delete(*self._keys)
        except RedisError as problem:
            log.warning("pulse.not_deleted", problem=str(problem))

    @contextmanager
    def holding(self, question: str) -> Iterator[None]:
        """Say at once that this worker holds a question, so that its death is noticed."""
        with self._lock:
            self._held.add(question)
        self._beat()
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(question)

    def _beat(self) -> None:
        with self._lock:
            held = json.dumps(sorted(self._held))
        try:
            pipe = self._redis.pipeline(transaction=False)
            for key in self._keys:
                pipe.set(key, held, ex=BEAT_EXPIRES)
            pipe.execute()
        except RedisError as problem:
            log.warning("pulse.missed", problem=str(problem))

    def _run(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            self._beat()
