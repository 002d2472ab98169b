"""Training in a process of its own, which gives its memory back when it is done or killed."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from core import wire
from core.errors import BadInput, Broken, PolydeskError
from core.training import Check, Halt, News, Order, Outcome, stopped
from workers import logs, resting
from workers.configuration import Configuration, from_environment
from workers.leash import LEASH, hold

if TYPE_CHECKING:
    from core.snapshot import Snapshot
    from core.store.blobs import BlobFolder
    from workers.train.log import Told

log = structlog.get_logger()

EVERY = 0.5  # seconds between two news of a stage
TELLING = 5.0  # seconds of a stage from which on they tell how long the rest of it will take
NICE = 10  # questions come first
LOOK = 1.0  # seconds between two looks whether it is to end
GRACE = 10.0  # seconds in which a training that is told to end may clear up
_GIVEN_UP = "Its worker was cut off for a while, so that the training was given up. Start it again."
_running: list[subprocess.Popen[bytes]] = []
_stopped = threading.Event()


def supervise(
    order: Order,
    push: Callable[[News], None],
    configuration: Configuration,
    halted: Callable[[], Halt | None] = lambda: None,
) -> None:
    """Train in a child process and push what it says; the last news always has an outcome or a problem.

    The child ends when this process does, however that ends, and when `halted` says so; it is asked every second. What
    an admin has stopped is forgotten; what was given up, and what it came to, is kept for whoever starts it again: that
    the broker took the last word does not say that anybody heard it.

    Args:
        order: what to train.
        push: tells the gateway.
        configuration: where.
        halted: word that the training is to end, if there is any.
    """
    said = _Said(order.training, push)
    if halt := halted():  # while it waited in the queue
        said(_halted(order, halt, configuration))
        return
    said(News("", 0, "waiting"))
    try:
        status, halt = _followed(order, said, halted)
        problem = _halted(order, halt, configuration) if halt else News("", 0, problem=_ended(status))
        if not said.last.last:
            said(problem)
    except Exception as problem:  # no memory for a process, say: whoever waits is told
        log.exception("training.unsupervised", training=order.training)
        if not said.last.last:
            said(News("", 0, problem=_unable(problem)))
    finally:
        resting.sweep(configuration)


class _Said:
    """Numbers the news of a training, and remembers the last."""

    def __init__(self, training: str, push: Callable[[News], None]) -> None:
        self._push = push
        self.last = News(training, 0)

    def __call__(self, news: News) -> None:
        self.last = replace(news, training=self.last.training, seq=self.last.seq + 1)
        self._push(self.last)


def _followed(order: Order, said: _Said, halted: Callable[[], Halt | None]) -> tuple[int, Halt | None]:
    """Run the child; its exit status, with the word that it was to end, if there is any by now."""
    read, write = os.pipe()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "workers.training"],
            env={**os.environ, LEASH: str(read)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(read,),
            start_new_session=True,
        ) as child:
            _running.append(child)
            if _stopped.is_set():  # before it was there to be told
                child.terminate()
            assert child.stdin is not None and child.stdout is not None
            with suppress(BrokenPipeError):
                child.stdin.write(wire.dumps(order).encode())
                child.stdin.close()
            with _halting(child, halted) as halts:
                for line in child.stdout:
                    with suppress(BadInput):  # something else has printed a line
                        said(wire.loads(News, line))
                status = child.wait()
    finally:
        _running.clear()
        os.close(write)
        os.close(read)
    # Even of one that has come to an end: what an admin stopped meanwhile is to be forgotten.
    return status, halts[0] if halts else halted()


def _halted(order: Order, halt: Halt, configuration: Configuration) -> News:
    """Clear up after a training that is to end; returns what is said of it."""
    if not halt.by:
        return News("", 0, problem=_GIVEN_UP)
    resting.forget(configuration, order.snapshot)
    return News("", 0, problem=stopped(halt.by), stopped_by=halt.by)


def stop() -> None:
    """End the training that runs, if any: its worker is told to stop."""
    _stopped.set()
    for child in list(_running):
        with suppress(ProcessLookupError):
            child.terminate()


@contextmanager
def _halting(child: subprocess.Popen[bytes], halted: Callable[[], Halt | None]) -> Iterator[list[Halt]]:
    """While it is open, the child is ended once somebody wants so; the list then holds that word."""
    halts: list[Halt] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            if halt := halted():
                halts.append(halt)
                child.terminate()  # does nothing to one that has ended meanwhile
                if not over.wait(GRACE):
                    child.kill()
                return

    watching = threading.Thread(target=watch, name="halting", daemon=True)
    watching.start()
    try:
        yield halts
    finally:
        over.set()
        watching.join()


def _ended(status: int) -> str:
    if _stopped.is_set():
        return "The train worker was stopped before it was done. Start it again."
    if status == -signal.SIGKILL:
        return (
            "The training process was killed, most likely since the machine ran out of memory. Free some, or give the "
            "train worker a machine of its own, then start it again."
        )
    return f"The training process ended unexpectedly (status {status}); the train worker's log says why."


def _unable(problem: Exception) -> str:
    what = (problem.strerror if isinstance(problem, OSError) else str(problem)) or type(problem).__name__
    return (
        f"The train worker cannot run a process that trains ({what}). Free memory on its machine, or start the worker "
        "anew; then start the training again."
    )


def main() -> None:
    """The child: reads an order from stdin, writes news to stdout, a line each."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # in good order, files closed
    hold()
    os.nice(NICE)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever libraries print goes to the log
    configuration = from_environment()
    logs.configure(configuration.log_level)
    order = wire.loads(Order, sys.stdin.buffer.read())

    def say(news: News) -> None:
        out.write(wire.dumps(news) + "\n")
        out.flush()

    try:
        with resting.place(configuration, order.snapshot, order.training) as room:
            outcome = _trained(order, room, configuration, say)
        say(News(order.training, 0, outcome=outcome))
    except PolydeskError as problem:
        log.warning("training.failed", training=order.training, problem=str(problem))
        # What is refused for what it learns from or how it is wished is refused again.
        say(News(order.training, 0, problem=str(problem), refused=isinstance(problem, BadInput)))
    except Exception as problem:
        log.exception("training.failed", training=order.training)
        what = f"{type(problem).__name__}: {problem}" if isinstance(problem, OSError) else type(problem).__name__
        say(News(order.training, 0, problem=f"The training failed ({what}); the train worker's log says why."))


def _trained(order: Order, room: Path, configuration: Configuration, say: Callable[[News], None]) -> Outcome:
    from core.snapshot import read, unpacked
    from core.store.blobs import BlobFolder

    blobs = BlobFolder(configuration.blobs)
    if known := _before_now(order, room, configuration, blobs):
        return known
    resting.anew(room)
    snapshot = read(blobs.get(order.snapshot))
    kb, history = unpacked(snapshot, room, blobs)
    resting.settle(room)
    say(News("", 0, "loading"))
    from workers.train.log import Log
    from workers.train.resuming import deciding
    from workers.train.run import train

    model = room / "model"
    before, instead = _before(snapshot, room, blobs)
    with Log(model / "log", stream=sys.stderr, listen=_Teller(say)) as told:
        found = train(
            kb,
            history,
            model,
            configuration,
            told,
            finetune=order.options.finetune,
            strategy=order.options.strategy,
            before=before,
            instead=instead,
            keep=True,
        )
    say(News("", 0, "packing"))
    stored, report = _stored(model, blobs)
    gate = found.promotion
    outcome = Outcome(
        model=stored,
        report=report,
        passed=gate is not None and gate.promoted,
        why=gate.why if gate else "nothing was there to judge it by",
        checks=tuple(Check(one.what, one.before, one.after, one.passed) for one in gate.checks) if gate else (),
        strategy=found.chosen,
        tuned=found.finetuned.why if found.finetuned else "",
        instead=gate.instead if gate else "",
    )
    try:
        resting.keep(room, resting.Ended(order.options, deciding(configuration), outcome))
    except OSError as problem:  # should nobody hear of it, what it would go on from is still there
        log.warning("training.not_kept", training=order.training, problem=str(problem))
    return outcome


def _before_now(order: Order, room: Path, configuration: Configuration, blobs: BlobFolder) -> Outcome | None:
    """What the very same training came to less than a day ago; None where that cannot be had any more."""
    from workers.train.resuming import deciding

    ended = resting.ended(room)
    if ended is None or (ended.options, ended.settings) != (order.options, deciding(configuration)):
        return None
    try:
        for blob in (ended.outcome.model, ended.outcome.report):
            blobs.put(blobs.get(blob))  # it looks new: no sweep takes it away before it is heard of
    except PolydeskError as problem:
        log.warning("training.not_kept", training=order.training, problem=str(problem))
        return None
    return ended.outcome


def _stored(model: Path, blobs: BlobFolder) -> tuple[str, str]:
    """The blobs of a model with its report.

    Raises:
        Broken: they cannot be written; says what to do.
    """
    from workers.models import packed

    try:
        return blobs.put(packed(model)), blobs.put((model / "report.html").read_bytes())
    except (PolydeskError, OSError) as problem:
        cause = problem.__cause__ or problem
        why = cause.strerror if isinstance(cause, OSError) else str(cause)
        raise Broken(
            f"The model was trained, but cannot be kept in {blobs.root} ({why}). Free space there, then start the "
            "training again: it goes on where it stood."
        ) from problem


def _before(snapshot: Snapshot, room: Path, blobs: BlobFolder) -> tuple[Path | None, str]:
    """The folder of the model in force; None for the shipped one, which answers too where nobody can have the model.

    It lies in the room: from the folder that workers share it may be taken away before the training compares with it.

    Returns:
        the folder, and why it is none though there is a model in force.

    Raises:
        Broken: only this worker cannot have it now, which says nothing about what answers customers; says what to do.
    """
    from workers.model.optimised import forms
    from workers.model.trained import Trained
    from workers.models import Models
    from workers.train.judging import only_now

    if not snapshot.model:
        return None, ""
    try:
        folder = Models(blobs.get, room / "before").folder(snapshot.model)
        Trained.load(folder), forms(folder)
    except (PolydeskError, OSError) as problem:
        if (passing := only_now(problem)) is not None:
            raise passing from problem
        return None, f"the model in force cannot be had ({problem})"
    return folder, ""


class _Teller:
    """Passes on where a stage begins and ends, and now and then how far it is."""

    def __init__(self, say: Callable[[News], None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._monotonic = monotonic
        self._last = 0.0
        self._stage = ""
        self._began = (0.0, 0)  # when, and with how many steps done before

    def __call__(self, told: Told) -> None:
        now = self._monotonic()
        if told.stage != self._stage:
            self._began = (now, told.done)
        elif now - self._last < EVERY:
            return
        self._stage, self._last = told.stage, now
        self._say(News("", 0, told.stage, told.done, told.total, self._left(told, now)))

    def _left(self, told: Told, now: float) -> int:
        """How many seconds the rest of the stage will take, once its first ones have told."""
        taken, done = now - self._began[0], told.done - self._began[1]
        if taken < TELLING or done < 1 or told.total <= told.done:
            return 0
        return math.ceil(taken / done * (told.total - told.done))


if __name__ == "__main__":
    main()
