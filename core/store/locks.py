"""Locks between processes, held by a file."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from core.errors import Broken


class FileLock:
    """A lock that goes away with the process that holds it, however that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self, *, wait: bool = False, busy: str = "") -> None:
        """Take the lock.

        Raises:
            Broken: with the message `busy` when another process has it and `wait` is False, or when the file cannot
                be made or locked.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise Broken(f"cannot write {self._path}: {problem.strerror}") from problem
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as problem:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise Broken(busy + (f" (process {holder})" if holder else "")) from problem
        except OSError as problem:
            os.close(descriptor)
            raise Broken(f"cannot lock {self._path}: {problem.strerror}") from problem
        self._descriptor = descriptor
        with suppress(OSError):  # on a full disk it is held all the same, only nobody can tell by whom
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let go; does nothing when it is not held. The file stays: removing it would split the lock in two."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _holder(descriptor: int) -> str:
    try:
        return os.pread(descriptor, 32, 0).decode(errors="replace").strip()
    except OSError:
        return ""
