"""The tasks: unpack a question, call the engine, push the prediction to whoever asked."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from celery.signals import worker_init, worker_ready, worker_shutdown, worker_shutting_down
from redis import Redis
from redis.exceptions import RedisError

from core import wire
from core.asking import Prediction, Question
from core.broker import LEARN, MEDIA, NEWS, NEWS_EXPIRES, PREDICT, TEXT, TRAIN, given_up, halt
from core.errors import PolydeskError
from core.training import Halt, News, Order
from workers import logs, media, resting, training
from workers.app import app
from workers.batcher import Batcher
from workers.configuration import Configuration, from_environment
from workers.leash import hold
from workers.pulse import Pulse

if TYPE_CHECKING:
    from workers.engine import Engine

log = structlog.get_logger()

INBOX_EXPIRES = 600  # seconds after which the list of a dead gateway goes
_LAST_STEP = 10.0  # seconds in which what is rehearsed comes to an end
_LAST_WORD = 60.0  # seconds for which the end of a training is told again while the broker is away


@dataclass(slots=True)
class Bench:
    """What one worker process works with; built when the process starts. One that only trains has no batcher."""

    redis: Redis
    batcher: Batcher[Question, Prediction] | None
    pulse: Pulse


_bench: list[Bench] = []  # empty until worker_init: importing this module builds nothing
_warming: list[threading.Thread] = []
_ended = threading.Event()


@worker_init.connect
def _build(sender: Any = None, **_: Any) -> None:
    hold()
    try:
        _furnish(tuple(sender.app.amqp.queues.consume_from))
    except PolydeskError as problem:
        # Celery logs what a signal's receiver raises, and would go on to take questions that nobody can answer.
        raise SystemExit(str(problem)) from problem
    except Exception as problem:
        log.exception("worker.broken")
        what = f"{type(problem).__name__}: {problem}"
        raise SystemExit(f"the worker cannot start ({what}): the lines above say where it failed") from problem


def _furnish(queues: tuple[str, ...]) -> None:
    configuration = from_environment()
    logs.configure(configuration.log_level)
    redis = Redis.from_url(configuration.redis_url)
    if TRAIN in queues:
        resting.sweeping(configuration, partial(_stopped, redis))
    answers = {TEXT, MEDIA} & {*queues}
    _bench.append(Bench(redis, _batcher(configuration, queues) if answers else None, Pulse(redis, queues)))


def _batcher(configuration: Configuration, queues: tuple[str, ...]) -> Batcher[Question, Prediction]:
    media.selftest()
    from workers.engine import Engine  # its decoders may be missing, which the self-test says in words

    engine = Engine.open(configuration, photos=MEDIA in queues)
    # A worker for media answers as soon as it can; the models it has not loaded by then make only their own wait.
    loaded = threading.Event()
    warming = threading.Thread(target=_warm, args=(engine, configuration.threads, loaded), name="warm", daemon=True)
    warming.start()
    _warming.append(warming)
    if MEDIA not in queues:
        loaded.wait()
    return Batcher(engine.predict, 2 if MEDIA in queues else 32)


def _warm(engine: Engine, threads: int, loaded: threading.Event) -> None:
    from workers.model.sessions import calm

    try:
        engine.warm()
        loaded.set()
        calm(threads)  # scipy brings a linear algebra of its own, loaded by now
        engine.rehearse(_ended.is_set)
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
        if bench.batcher is not None:
            bench.batcher.close()
    _ended.set()
    while _warming:  # a process that ends while a model runs is aborted by the model's library
        _warming.pop().join(_LAST_STEP)


@worker_shutting_down.connect
def _stopping(**_: Any) -> None:
    training.stop()  # Celery waits for what runs, a training for longer than anybody would


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
            assert bench.batcher is not None  # this worker consumes a queue of questions
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


def _stopped(redis: Redis, training: str) -> bool:
    word = _halt(redis, training)
    return word is not None and bool(word.by)


@app.task(name=LEARN, ignore_result=True)
def train(plain: dict[str, Any]) -> None:
    """Train in a child process; the gateway hears how far it is, and in the end what came of it."""
    _trained(_bench[0], wire.load(Order, plain))


def _trained(bench: Bench, order: Order) -> None:
    push = partial(_push, bench.redis)
    with bench.pulse.holding(order.training):
        try:
            configuration = from_environment()
        except Exception as problem:  # settings may have changed since the worker was started
            log.exception("training.unsupervised", training=order.training)
            push(News(order.training, 1, problem=_unsettled(problem)))
            return
        training.supervise(order, push, configuration, lambda: _halt(bench.redis, order.training))


def _unsettled(problem: Exception) -> str:
    what = "; ".join(str(problem).splitlines()) or type(problem).__name__
    return f"The train worker's settings cannot be read ({what}). Mend them, then start the training again."


def _push(redis: Redis, news: News) -> None:
    """Tell the gateway; the last word is tried for a while, all others once."""
    end = time.monotonic() + (_LAST_WORD if news.last else 0)
    while True:
        try:
            pipe = redis.pipeline(transaction=False)
            pipe.lpush(NEWS, wire.dumps(news))
            pipe.expire(NEWS, NEWS_EXPIRES)
            pipe.execute()
            return
        except RedisError as problem:
            log.warning("training.unheard", training=news.training, problem=type(problem).__name__)
            if time.monotonic() > end:
                return
            time.sleep(1)


def _halt(redis: Redis, training: str) -> Halt | None:
    try:
        by = redis.get(halt(training))
        lost = by is None and redis.exists(given_up(training))
    except RedisError:  # it is asked again soon
        return None
    if isinstance(by, bytes):
        return Halt(by.decode(errors="replace"))
    return Halt() if lost else None


def _failed(question: Question, problem: Exception) -> Prediction:
    return Prediction(
        question=question.id,
        attempt=question.attempt,
        release=question.release,
        model="",
        error=f"{type(problem).__name__}: {problem}",
    )
