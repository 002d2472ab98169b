"""A folder held by one training at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import BadInput, Broken
from workers.train.place import LOCK, made


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold the folder, which is made when it is not there; the kernel lets go of it when the process dies.

    Raises:
        BadInput: it is somebody else's, or another training has it. Broken: it cannot be locked.
    """
    made(out)
    lock = _locked(out / LOCK)
    try:
        yield
    finally:
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
