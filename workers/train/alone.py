"""A folder held by one training at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import BadInput, Broken
from workers.model.trained import FILE, PHOTOS, TEXT
from workers.train.place import LOCK, WORK, made

_TELLING = (FILE, PHOTOS, TEXT, WORK, "results.json", "report.html")  # of customers


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold the folder, which is made when it is not there; the kernel lets go of it when the process dies.

    What is written meanwhile is for its owner's eyes only, since it holds customers' words.

    Raises:
        BadInput: it is somebody else's, or another training has it. Broken: it cannot be locked.
    """
    made(out)
    lock = _locked(out / LOCK)
    before = os.umask(0o077)
    try:
        _closed(out)
        yield
    finally:
        os.umask(before)
        (out / LOCK).unlink(missing_ok=True)
        os.close(lock)


def _locked(path: Path) -> int:
    """The descriptor of the lock's file, which is locked as long as it is open."""
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise Broken(f"{path} cannot be written ({problem}): free space there") from problem
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            os.close(lock)
            raise BadInput(
                f"another training is writing to {path.parent}: wait until it is done, or name another folder"
            ) from problem
        except OSError as problem:
            os.close(lock)
            raise Broken(f"{path} cannot be locked ({problem}): name a folder on another file system") from problem
        with suppress(FileNotFoundError):  # whoever had it before us has just removed it
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        os.close(lock)


def _closed(out: Path) -> None:
    """What an earlier version of this program left readable for everybody is so no longer."""
    for top in (out / name for name in _TELLING):
        for path in (top, *top.rglob("*")):
            with suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700 if path.is_dir() else 0o600)
