"""What goes wrong in a database, in the words of `core.errors`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)

from core.errors import BadInput, Broken, PolydeskError, Retry

_BROKEN = ("malformed", "not a database", "no such table", "no such column")
_READ_ONLY = ("readonly", "read-only")
_READ_ONLY_STATE = "25006"  # https://www.postgresql.org/docs/current/errcodes-appendix.html: read_only_sql_transaction


class Conflict(Retry):
    """Somebody else changed the row meanwhile: read it again, decide again, write again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, after=0.0)


def explained(problem: SQLAlchemyError) -> PolydeskError:
    """Name what the caller can do: wait (locked, full, read-only, lost), read again, mend the value or the database.

    What stands before the colon names no host, user or path; see `named`.
    """
    words = _words(problem)
    lower = words.lower()
    if isinstance(problem, IntegrityError):
        return Conflict(f"the database refused the row: {words}")
    if isinstance(problem, DataError) or (isinstance(problem, StatementError) and not isinstance(problem, DBAPIError)):
        # Never in its words: they quote the value, which may be what somebody wrote.
        return BadInput(f"the database takes no such value: {type(problem.orig or problem).__name__}")
    if _read_only(problem) or "unable to open" in lower:
        # A full disk or a failover makes a database read-only for a while; a mount that is away comes back.
        return Retry(f"the database cannot be written or opened now: {words}", after=5.0)
    if any(sign in lower for sign in _BROKEN):
        return Broken(f"the database cannot be used: {words}")
    if isinstance(problem, OperationalError | InterfaceError):
        if "full" in lower or "space" in lower:
            return Retry(f"nothing can be written, the disk is full: {words}", after=5.0)
        return Retry(f"the database is busy or away: {words}", after=1.0)
    if isinstance(problem, DBAPIError) and problem.connection_invalidated:
        return Retry(f"the connection to the database broke: {words}", after=1.0)
    return Broken(f"the database failed: {words}")


def named(message: str) -> str:
    """The part of a message of `explained` that anybody may read; the rest may name host, user and path."""
    return message.partition(":")[0]


def shown(problem: PolydeskError) -> str:
    """The same of any problem: those that come from elsewhere say what to do, whole."""
    return named(str(problem)) if isinstance(problem.__cause__, SQLAlchemyError) else str(problem)


def entangled(problem: SQLAlchemyError) -> bool:
    """Whether PostgreSQL refused because two transactions waited for each other (`deadlock_detected`)."""
    return _sqlstate(problem) == "40P01"


def _sqlstate(problem: SQLAlchemyError) -> str:
    return getattr(problem.orig, "sqlstate", None) or "" if isinstance(problem, DBAPIError) else ""


def _words(problem: SQLAlchemyError) -> str:
    return str(problem.orig if isinstance(problem, DBAPIError) else problem).strip().partition("\n")[0]


def _read_only(problem: SQLAlchemyError) -> bool:
    words = _words(problem).lower()
    return _sqlstate(problem) == _READ_ONLY_STATE or any(sign in words for sign in _READ_ONLY)


@contextmanager
def translated() -> Iterator[None]:
    """Let no error of SQLAlchemy out of what reads, or runs once: there a write that is refused is final."""
    try:
        yield
    except SQLAlchemyError as problem:
        if _read_only(problem):
            raise Broken(f"the database cannot be written: {_words(problem)}") from problem
        raise explained(problem) from problem
