"""What goes wrong in a database, in the words of `core.errors`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError

from core.errors import Broken, PolydeskError, Retry

_BROKEN = ("readonly", "unable to open", "malformed", "not a database", "no such table", "no such column")


class Conflict(Retry):
    """Somebody else changed the row meanwhile: read it again, decide again, write again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, after=0.0)


def explained(problem: SQLAlchemyError) -> PolydeskError:
    """Name what the caller can do: wait (locked, full, connection lost), read again, or get the database mended."""
    words = str(problem.orig if isinstance(problem, DBAPIError) else problem).strip().partition("\n")[0]
    lower = words.lower()
    if isinstance(problem, IntegrityError):
        return Conflict(f"the database refused the row: {words}")
    if any(sign in lower for sign in _BROKEN):
        return Broken(f"the database cannot be used: {words}")
    if isinstance(problem, OperationalError | InterfaceError):
        if "full" in lower or "space" in lower:
            return Retry(f"nothing can be written, the disk is full: {words}", after=5.0)
        return Retry(f"the database is busy or away: {words}", after=1.0)
    if isinstance(problem, DBAPIError) and problem.connection_invalidated:
        return Retry(f"the connection to the database broke: {words}", after=1.0)
    return Broken(f"the database failed: {words}")


def entangled(problem: SQLAlchemyError) -> bool:
    """Whether PostgreSQL refused because two transactions waited for each other (`deadlock_detected`)."""
    return isinstance(problem, DBAPIError) and getattr(problem.orig, "sqlstate", "") == "40P01"


@contextmanager
def translated() -> Iterator[None]:
    """Let no error of SQLAlchemy out."""
    try:
        yield
    except SQLAlchemyError as problem:
        raise explained(problem) from problem
