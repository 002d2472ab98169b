"""Bytes by key in an SQLite file that saves time, whatever becomes of the file."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import Broken

_MANY = 500  # keys a query; SQLite allows a limited number of parameters
_WAIT = 5.0  # seconds for another process to write; a question may be waiting too
_PAUSE = 60.0  # seconds after which a file that could not be written is tried again
_LATER = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}  # the last: form


@dataclass(frozen=True, slots=True)
class Words:
    """How trouble is told: what the values are, what a new file means, what it means to go on without one."""

    what: str
    anew: str
    without: str


class Saved:
    """Values that several processes share; each is there for good once `put` returns, whoever kills the process.

    A file that is damaged, or of an earlier form, is begun anew: whoever has the old one open goes on with that one,
    and takes the new one as soon as it meets the damage itself. A file that cannot be used for now, as when the disk is
    full, is left alone for a minute, and everything goes on without it. A value that is not what was put, which its
    checksum tells, is unknown.

    Args:
        path: the file; its folder is made too.
        table: where in the file.
        words: how trouble is told.
        say: told in a sentence when there is some; once for a full disk until something was written again.
        mode: who may read the file, as for `chmod`, less the umask.

    Raises:
        Broken: the file cannot be made there, which waiting does not mend; says what to do.
    """

    def __init__(self, path: Path, table: str, words: Words, say: Callable[[str], None], mode: int = 0o666) -> None:
        self._path, self._table, self._words, self._say, self._mode = path, table, words, say, mode
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._file = 0  # inode of what is open: tells whether somebody else has begun anew
        self._again = 0.0  # when the file may be tried again, by the monotonic clock
        self._told = self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except (OSError, sqlite3.Error) as problem:
            if not _passing(problem):
                raise Broken(
                    f"{words.what} cannot be kept in {path} ({problem}): free space there, or let this user write there"
                ) from problem
            self._rest(problem)

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What was put under those keys, as far as it is there and whole."""
        found: dict[str, bytes] = {}
        wanted = list(dict.fromkeys(keys))
        with self._lock:
            try:
                for start in range(0, len(wanted), _MANY):
                    database = self._usable()
                    if database is None:
                        break
                    some = wanted[start : start + _MANY]
                    query = f"SELECT key, told, sum FROM {self._table} WHERE key IN ({','.join('?' * len(some))})"
                    rows = database.execute(query, some).fetchall()
                    found |= {
                        key: told for key, told, sum in rows if isinstance(told, bytes) and sum == _sum(key, told)
                    }
            except (OSError, sqlite3.Error) as problem:
                self._unreadable(problem)
        return found

    def put(self, values: Mapping[str, bytes]) -> None:
        """Keep them, if they can be kept."""
        rows = [(key, told, _sum(key, told)) for key, told in values.items()]
        with self._lock:
            for last in (False, True):
                try:
                    database = self._usable() if time.monotonic() >= self._again else None
                    if database is None:
                        return
                    with database:
                        database.executemany(f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?, ?)", rows)
                    self._told = False
                    return
                except (OSError, sqlite3.Error) as problem:
                    if last or not _damaged(problem):
                        self._rest(problem)
                        return
                    self._unreadable(problem)

    def __len__(self) -> int:
        with self._lock:
            try:
                database = self._usable()
                rows = [] if database is None else database.execute(f"SELECT count(*) FROM {self._table}").fetchall()
            except (OSError, sqlite3.Error) as problem:
                self._unreadable(problem)
                rows = []
        return int(rows[0][0]) if rows else 0

    def close(self) -> None:
        """Close the file; afterwards nothing is known, nor kept."""
        with self._lock:
            self._closed = True
            self._put_away()

    def _usable(self) -> sqlite3.Connection | None:
        """The open database; None while the file is left alone."""
        if self._database is None and not self._closed and time.monotonic() >= self._again:
            self._open()
        return self._database

    def _open(self, spoilt: int = 0) -> None:
        """Open the file; one that is damaged, or is the `spoilt` inode, makes room for an empty one.

        Nobody else opens, replaces or closes it meanwhile: SQLite would mix the pages of one file with the log beside
        it of another.
        """
        with _alone(self._path.parent):
            if spoilt and self._path.exists() and self._path.stat().st_ino == spoilt:
                _remove(self._path)
            self._shut()  # not before: an inode that is open cannot become another file's
            try:
                self._database = _opened(self._path, self._table, self._mode)
            except sqlite3.Error as problem:
                if not _damaged(problem):
                    raise
                self._tell_unread(problem)
                _remove(self._path)
                self._database = _opened(self._path, self._table, self._mode)
            self._file = self._path.stat().st_ino

    def _unreadable(self, problem: Exception) -> None:
        """Begin an empty file in the place of a damaged one; leave alone what cannot be read for other reasons."""
        if _damaged(problem):
            self._tell_unread(problem)
            try:
                self._open(spoilt=self._file)
                return
            except (OSError, sqlite3.Error) as worse:
                problem = worse
        self._put_away()
        self._rest(problem)

    def _put_away(self) -> None:
        with suppress(OSError), _alone(self._path.parent):
            self._shut()
        self._shut()

    def _shut(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()

    def _rest(self, problem: Exception) -> None:
        """Leave the file alone for a while."""
        self._again = time.monotonic() + _PAUSE
        if not self._told:
            self._told = True
            self._say(f"{self._words.what} cannot be kept in {self._path} ({problem}): {self._words.without}")

    def _tell_unread(self, problem: Exception) -> None:
        self._say(f"{self._words.what} cannot be read from {self._path} ({problem}): {self._words.anew}")


def _opened(path: Path, table: str, mode: int) -> sqlite3.Connection:
    """The database in a file, which is made when it is not there."""
    path.touch(mode)  # SQLite makes the files beside it likewise
    database = sqlite3.connect(path, check_same_thread=False, timeout=_WAIT)
    try:
        with database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = OFF")  # a crash of the machine costs time, nothing else
            database.execute(f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, told BLOB, sum INTEGER)")
            database.execute(f"SELECT key, told, sum FROM {table} LIMIT 1").fetchall()  # fails in one of another form
    except sqlite3.Error:
        database.close()
        raise
    return database


def _remove(path: Path) -> None:
    """Remove a database; its log first, so that whoever is killed here leaves no log to a file that it is not of."""
    for ending in ("-wal", "-shm", ""):
        path.with_name(path.name + ending).unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; it needs no space, and the kernel lets go of it when the process ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a network's file system may know no such lock: it is done without
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _code(problem: sqlite3.Error) -> int:
    """SQLite's primary result code; text that Python cannot read in a file counts as damage."""
    unread = sqlite3.SQLITE_CORRUPT if isinstance(problem, sqlite3.OperationalError) else sqlite3.SQLITE_MISUSE
    code: int = getattr(problem, "sqlite_errorcode", unread)
    return code & 0xFF


def _damaged(problem: Exception) -> bool:
    return isinstance(problem, sqlite3.Error) and _code(problem) in _DAMAGE


def _passing(problem: OSError | sqlite3.Error) -> bool:
    """Whether waiting may mend it: the disk is full, or another process takes long."""
    if isinstance(problem, OSError):
        return problem.errno in (errno.ENOSPC, errno.EDQUOT)
    return _code(problem) in _LATER


def _sum(key: str, told: bytes) -> int:
    return zlib.crc32(told, zlib.crc32(key.encode()))
