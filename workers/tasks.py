"""The tasks: unpack a question, call the engine, push the prediction to whoever asked."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from celery.signals import worker_init, worker_ready, worker_shutdown
from redis import Redis

from core import wire
from core.asking import Prediction, Question
from core.broker import MEDIA, PREDICT
from core.errors import PolydeskError
from workers import logs, media
from workers.app import app
from workers.batcher import Batcher
from workers.configuration import from_environment
from workers.leash import hold
from workers.model.sessions import calm
from workers.pulse import Pulse

if TYPE_CHECKING:
    from workers.engine import Engine

log = structlog.get_logger()

INBOX_EXPIRES = 600  # seconds after which the list of a dead gateway goes


@dataclass(slots=True)
class Bench:
    """What one worker process works with; built when the process starts."""

    redis: Redis
    batcher: Batcher[Question, Prediction]
    pulse: Pulse


_bench: list[Bench] = []  # empty until worker_init: importing this module builds nothing


@worker_init.connect
def _build(sender: Any = None, **_: Any) -> None:
    hold()
    try:
        media.selftest()
        _furnish(tuple(sender.app.amqp.queues.consume_from))
    except PolydeskError as problem:
        # Celery logs what a signal's receiver raises, and would go on to take questions that nobody can answer.
        raise SystemExit(str(problem)) from problem


def _furnish(queues: tuple[str, ...]) -> None:
    from workers.engine import Engine  # its decoders may be missing, which the self-test says in words

    configuration = from_environment()
    logs.configure(configuration.log_level)
    redis = Redis.from_url(configuration.redis_url)
    engine = Engine.open(configuration, photos=MEDIA in queues)
    # A worker for media answers as soon as it can; the models it has not loaded by then make only their own wait.
    loaded = threading.Event()
    threading.Thread(target=_warm, args=(engine, configuration.threads, loaded), name="warm", daemon=True).start()
    if MEDIA not in queues:
        loaded.wait()
    most = 2 if MEDIA in queues else 32
    _bench.append(Bench(redis, Batcher(engine.predict, most), Pulse(redis, queues)))


def _warm(engine: Engine, threads: int, loaded: threading.Event) -> None:
    try:
        engine.warm()
        loaded.set()
        calm(threads)  # scipy brings a linear algebra of its own, loaded by now
        engine.rehearse()
        log.info("models.ready")
    except PolydeskError as problem:
        log.error("models.missing", problem=str(problem))
        os.kill(os.getpid(), signal.SIGTERM)
    except Exception:
        # What cannot be rehearsed is met again by the question that needs it, which is told what is wrong.
        log.exception("rehearsal.failed")
    finally:
        loaded.set()


@worker_ready.connect
def _ready(**_: Any) -> None:
    _bench[0].pulse.start()


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    while _bench:
        bench = _bench.pop()
        bench.pulse.stop()
        bench.batcher.close()


@app.task(name=PREDICT, ignore_result=True)
def predict(plain: dict[str, Any]) -> None:
    """Answer one question; safe to run twice, since the asking gateway takes only the first answer it waits for."""
    question = wire.load(Question, plain)
    if question.deadline and question.deadline < time.time() * 1000:
        log.info("question.expired", question=question.id, attempt=question.attempt)
        return
    bench = _bench[0]
    with bench.pulse.holding(question.id):
        try:
            prediction = bench.batcher.ask(question)
        except PolydeskError as problem:
            log.warning("question.failed", question=question.id, problem=str(problem))
            prediction = _failed(question, problem)
        except Exception as problem:
            # Whoever asked is told at once instead of waiting for the deadline.
            log.exception("question.failed", question=question.id)
            prediction = _failed(question, problem)
        pipe = bench.redis.pipeline(transaction=False)
        pipe.lpush(question.inbox, wire.dumps(prediction))
        pipe.expire(question.inbox, INBOX_EXPIRES)
        pipe.execute()


def _failed(question: Question, problem: Exception) -> Prediction:
    return Prediction(
        question=question.id,
        attempt=question.attempt,
        release=question.release,
        model="",
        error=f"{type(problem).__name__}: {problem}",
    )
