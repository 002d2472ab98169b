"""Bringing a database to the present form, before anybody uses it.

Several processes may start at once: one of them migrates under a lock, the others wait and find it done. A SQLite
database that holds something is copied first. Alembic is imported only when there is something to do, which keeps it
out of the memory of a gateway that starts on an up-to-date database.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from core.errors import Broken
from core.store.engines import connect, sqlite_file
from core.store.locks import FileLock
from core.store.trouble import translated

HEAD = "0006"  # the newest revision under core/store/migrations/versions; a test compares the two
MIGRATIONS = Path(__file__).parent / "migrations"
_PG_LOCK = 7_065_108  # any number that nobody else uses as an advisory lock in this database


async def upgrade(url: str, revision: str = "head") -> bool:
    """Bring the database to the present form; True when it had to change.

    Raises:
        Broken: it cannot be opened, or a newer Polydesk has written it.
    """
    return await asyncio.to_thread(upgrade_now, url, revision)


def upgrade_now(url: str, revision: str = "head") -> bool:
    """The same as `upgrade`, in the calling thread."""
    file = sqlite_file(url)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise Broken(f"cannot make {file.parent}: {problem.strerror}") from problem
    target = HEAD if revision == "head" else revision
    engine = connect(url)
    try:
        with translated():
            with engine.connect() as connection:
                found = revision_of(connection)
            if found == target:
                return False
            with _alone(engine, file):
                with engine.connect() as connection:
                    found = revision_of(connection)
                if found == target:
                    return False
                return _migrate(engine, file, found, target)
    finally:
        engine.dispose()


def revision(url: str) -> str:
    """The revision of a database that is only looked at; empty when there is none.

    Raises:
        Broken, Retry: it cannot be opened.
    """
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return ""
    engine = connect(url, reading=True)
    try:
        with translated(), engine.connect() as connection:
            return revision_of(connection)
    finally:
        engine.dispose()


def revision_of(connection: Connection) -> str:
    """The revision of the database; empty when nothing was ever migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _migrate(engine: Engine, file: Path | None, found: str, target: str) -> bool:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    if found:
        try:
            ScriptDirectory.from_config(config).get_revision(found)
        except CommandError as problem:
            raise Broken(
                f"the database is at revision {found}, which this Polydesk does not know: it was written by a newer "
                "one; install that, or restore a backup"
            ) from problem
        if file is not None:
            _copy(file, file.with_name(f"{file.name}.before-{target}"))
    with engine.connect() as connection:
        if file is not None:  # batch mode copies tables; rows must not cascade away meanwhile
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.rollback()
        with connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, target)
    return True


def _copy(file: Path, target: Path) -> None:
    """A consistent copy of a SQLite database, whoever writes to it."""
    with sqlite3.connect(file) as source, sqlite3.connect(target) as copy:
        source.backup(copy)
    source.close()
    copy.close()


@contextmanager
def _alone(engine: Engine, file: Path | None) -> Iterator[None]:
    if file is not None:
        lock = FileLock(file.with_name(file.name + ".upgrade-lock"))
        lock.take(wait=True)
        try:
            yield
        finally:
            lock.release()
        return
    other = connect(engine.url.render_as_string(hide_password=False))
    try:
        with other.connect() as connection:  # closing it lets go of the lock
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _PG_LOCK})
            yield
    finally:
        other.dispose()
