"""The folder of a training, which stays for a day with how far it is or what it came to: nothing is done twice."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from core import wire
from core.errors import BadInput, Broken, Retry
from core.store.locks import FileLock
from core.training import Options, Outcome
from workers.configuration import Configuration
from workers.train.notes import note, put

log = structlog.get_logger()

KEPT = 24 * 3600.0  # seconds without a word of it, after which nobody goes on with a training
PATIENCE = 30.0  # seconds for an earlier training here to die
SWEPT_EVERY = 3600.0  # seconds
QUIET = 3600.0  # seconds without a word, after which no training of an earlier version works in its folder
_UNPACKED = ("kb", "history-files", "before")
_NOTE = "training"  # a file that holds whose folder it is
_OUTCOME = "outcome.json"
_BEGUN = Path("model", "work")  # what `workers.train.resuming` goes on from


@dataclass(frozen=True, slots=True)
class Ended:
    """What a training came to, with all that decided so beside its snapshot: how it was wished, the settings."""

    options: Options
    settings: dict[str, str]
    outcome: Outcome


@contextmanager
def place(configuration: Configuration, snapshot: str, training: str) -> Iterator[Path]:
    """The folder of a training, for its owner's eyes only, where what an earlier one with this snapshot did still lies.

    It holds what customers wrote, and is gone when the training was refused, or has not begun to learn. Once the
    training is done only what it came to stays, which no customer wrote.

    Args:
        configuration: where.
        snapshot: the blob of what is learned from.
        training: by which name an admin may stop it once nobody works on it.

    Raises:
        Retry: another training works here. Broken: the folder cannot be made.
    """
    with _alone(configuration, PATIENCE):
        folder = _folder(configuration, snapshot)
        try:
            for made in (folder.parent, folder):  # a mode is not for parents
                made.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / _NOTE).write_text(training, encoding="utf-8")
            for name in _UNPACKED:  # it is unpacked again: a customer's file may be gone since
                shutil.rmtree(folder / name, ignore_errors=True)
        except OSError as problem:
            raise Broken(
                f"{folder} cannot be made ({problem}): free space, or put POLYDESK_DATA elsewhere"
            ) from problem
        stays = True
        try:
            yield folder
        except BadInput:  # it would be refused again
            stays = False
            raise
        finally:
            if not stays or not _worth_keeping(folder):
                shutil.rmtree(folder, ignore_errors=True)


def keep(folder: Path, ended: Ended) -> None:
    """Keep what a training came to in the place of all that it would go on from.

    Raises:
        OSError: it cannot be written; all else stays.
    """
    put(folder / _OUTCOME, wire.dumps(ended).encode())
    _clear(folder)


def ended(folder: Path) -> Ended | None:
    """What an earlier training here came to; None where none came to an end, or that cannot be read."""
    return note(Ended, folder / _OUTCOME)


def anew(folder: Path) -> None:
    """Do without what an earlier training here came to; whoever kills us meanwhile leaves it."""
    if (folder / _OUTCOME).exists():
        _clear(folder)
        (folder / _OUTCOME).unlink()


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in (_NOTE, _OUTCOME):
            path.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """Make what was unpacked look as it did the last time: files are told from others by their time too."""
    for name in _UNPACKED:
        for path in (folder / name).rglob("*"):
            os.utime(path, ns=(0, 0))


def forget(configuration: Configuration, snapshot: str) -> None:
    """Nobody will go on with this training: it was stopped."""
    with suppress(Retry), _alone(configuration, patience=1):
        shutil.rmtree(_folder(configuration, snapshot), ignore_errors=True)


def sweep(configuration: Configuration, stopped: Callable[[str], bool] = lambda _: False) -> None:
    """Remove what nobody has asked for in a day, or had not begun to learn; nothing while a training runs here.

    What cannot be removed stays until it is swept again, which the log says; nothing is raised.

    Args:
        configuration: where.
        stopped: whether an admin stopped this training, maybe when no worker was there to hear so: it goes at once.
    """
    try:
        with suppress(Retry), _alone(configuration, patience=0):
            for folder in _rests(configuration).glob("*"):
                with _bearing(folder):
                    old = time.time() - _touched(folder) > KEPT
                    if old or not _worth_keeping(folder) or stopped(_whose(folder)):
                        log.info("training.forgotten", folder=folder.name)
                        shutil.rmtree(folder, ignore_errors=True)
            _sweep_earlier(configuration.encodings.with_name("training"))
    except Exception:  # a worker that trains, or waits to, has better things to do than to end by it
        log.exception("training.not_swept")


@contextmanager
def _bearing(folder: Path) -> Iterator[None]:
    """A folder that cannot be looked at is left to the next sweep: others are swept all the same."""
    try:
        yield
    except OSError as problem:
        log.warning("training.not_swept", folder=folder.name, problem=str(problem))


def sweeping(configuration: Configuration, stopped: Callable[[str], bool]) -> None:
    """Sweep now, and every hour until the process ends."""

    def run() -> None:
        while True:
            sweep(configuration, stopped)
            time.sleep(SWEPT_EVERY)

    threading.Thread(target=run, name="sweeping", daemon=True).start()


def _sweep_earlier(rooms: Path) -> None:
    """Remove what trainings of earlier versions unpacked here; one that still runs, maybe elsewhere, keeps its own."""
    for folder in rooms.glob("*"):
        with _bearing(folder):
            if time.time() - _touched(folder) > QUIET:
                log.info("training.forgotten", folder=folder.name)
                shutil.rmtree(folder, ignore_errors=True)
    if rooms.exists():
        with suppress(OSError):  # it is not empty yet
            rooms.rmdir()
            rooms.with_name(f"{rooms.name}.lock").unlink(missing_ok=True)


def _worth_keeping(folder: Path) -> bool:
    return (folder / _BEGUN).exists() or ended(folder) is not None


def _whose(folder: Path) -> str:
    try:
        return (folder / _NOTE).read_text(encoding="utf-8", errors="replace")
    except OSError:  # whoever made it was killed before it could say so
        return ""


def _touched(folder: Path) -> float:
    """When anything in it was written last, seconds since 1970."""
    newest = 0.0
    for path in (folder, *folder.rglob("*")):
        with suppress(OSError):
            newest = max(newest, path.lstat().st_mtime)
    return newest


def _rests(configuration: Configuration) -> Path:
    return configuration.encodings.with_name("training-kept")


def _folder(configuration: Configuration, snapshot: str) -> Path:
    return _rests(configuration) / snapshot[:32]


@contextmanager
def _alone(configuration: Configuration, patience: float) -> Iterator[None]:
    """One at a time in a data folder; the kernel lets go of the lock when its process dies."""
    rests = _rests(configuration)
    lock, end = FileLock(rests.with_name(f"{rests.name}.lock")), time.monotonic() + patience
    while True:
        try:
            lock.take(busy="another training works in this data folder: stop it, or wait until it has ended")
            break
        except Broken as problem:
            if time.monotonic() >= end:
                raise Retry(str(problem)) from problem
            time.sleep(0.2)
    try:
        yield
    finally:
        lock.release()
