"""The room that a training works in: a folder for what customers wrote, gone when the training is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from core.errors import Broken
from core.store.locks import FileLock
from workers.configuration import Configuration

log = structlog.get_logger()

LOCK = ".room.lock"  # in a room; held as long as its training lives, wherever that runs


@contextmanager
def room(configuration: Configuration) -> Iterator[Path]:
    """A folder of one's own, for the owner's eyes only.

    Raises:
        Broken: it cannot be made, or cannot be locked; says what to do.
    """
    rooms = rooms_of(configuration)
    lock: FileLock | None = None
    made: Path | None = None
    try:
        try:
            with _door(rooms):
                rooms.mkdir(parents=True, exist_ok=True, mode=0o700)
                made = Path(tempfile.mkdtemp(prefix="room-", dir=rooms))
                lock = FileLock(made / LOCK)
                lock.take()
        except OSError as problem:
            raise Broken(f"{rooms} cannot be used ({problem}): free space, or put POLYDESK_DATA elsewhere") from problem
        yield made
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        if lock is not None:
            lock.release()


def tidy(configuration: Configuration) -> None:
    """Remove the rooms of trainings that were killed: they hold what customers wrote.

    Whether one lives is told by the lock it holds, which the kernel takes from it in any container, and on any machine
    that shares the folder; its number would mean another process there.
    """
    rooms = rooms_of(configuration)
    if not rooms.is_dir():
        return
    try:
        with _door(rooms):
            for old in rooms.iterdir():
                _remove(old)
    except (Broken, OSError) as problem:
        log.warning("rooms.untidy", folder=str(rooms), problem=str(problem))


def rooms_of(configuration: Configuration) -> Path:
    """The folder of all rooms."""
    return configuration.encodings.with_name("training")


@contextmanager
def _door(rooms: Path) -> Iterator[None]:
    """One process at a time: nobody finds a room that is made and not locked yet."""
    door = FileLock(rooms.with_name(f"{rooms.name}.lock"))
    door.take(wait=True)
    try:
        yield
    finally:
        door.release()


def _remove(old: Path) -> None:
    lock = FileLock(old / LOCK)
    try:
        lock.take()
    except Broken:  # somebody lives there
        return
    shutil.rmtree(old, ignore_errors=True)
    lock.release()
