"""Database engines set up the way the store needs them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from core.errors import Broken

BUSY_MS = 5_000
FROZEN_MS = 3_000


def parsed(url: str) -> URL:
    """Read a database URL; the driver is ours to choose.

    Takes `sqlite:///path`, `postgresql://...` and the same with any driver behind a `+`.

    Raises:
        Broken: not a URL, not one of the two databases, or SQLite without a file.
    """
    try:
        read = make_url(url)
    except ArgumentError as problem:
        raise Broken("the database URL cannot be read; write sqlite:///path/to/file or postgresql://...") from problem
    kind = read.get_backend_name()
    if kind == "sqlite":
        if not read.database or read.database == ":memory:":
            raise Broken("SQLite needs a file here: sqlite:///path/to/file")
        return read.set(drivername="sqlite+pysqlite")
    if kind in ("postgresql", "postgres"):
        return read.set(drivername="postgresql+psycopg")
    raise Broken(f"{kind} is not supported; use SQLite or PostgreSQL")


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL, None for PostgreSQL."""
    read = parsed(url)
    if read.get_backend_name() != "sqlite" or read.database is None:
        return None
    return Path(read.database)


def _prepare_sqlite(engine: Engine, *, reading: bool, busy_ms: int) -> None:
    def on_connect(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # transactions begin and end where SQLAlchemy says, see on_begin
        for pragma in (
            f"busy_timeout={busy_ms}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            f"query_only={'ON' if reading else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def _prepare_postgres(engine: Engine, frozen_ms: int) -> None:
    def on_connect(connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {int(frozen_ms)}")
        connection.commit()

    event.listen(engine, "connect", on_connect)


def connect(url: str, *, reading: bool = False, size: int = 1, busy_ms: int = BUSY_MS, frozen_ms: int = 0) -> Engine:
    """Make an engine: for the writer, or for readers who see one snapshot each.

    Nothing is opened before the first use. `busy_ms` is how long SQLite waits for another process to finish writing,
    `frozen_ms` after how long PostgreSQL ends a transaction whose process says nothing (0: never), since others may
    wait for what it has locked.

    Raises:
        Broken: the URL is wrong.
    """
    read = parsed(url)
    # What customers write is a parameter, which must not get into a log by way of an error.
    options: dict[str, Any] = {"pool_size": size, "max_overflow": 0, "hide_parameters": True}
    if read.get_backend_name() == "sqlite":
        engine = create_engine(read, **options, connect_args={"check_same_thread": False, "timeout": busy_ms / 1000})
        _prepare_sqlite(engine, reading=reading, busy_ms=busy_ms)
        return engine
    options |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10, "application_name": "polydesk"}}
    try:
        if not reading:
            engine = create_engine(read, **options)
            _prepare_postgres(engine, frozen_ms)
            return engine
        return create_engine(
            read, **options, isolation_level="REPEATABLE READ", execution_options={"postgresql_readonly": True}
        )
    except NoSuchModuleError as problem:
        raise Broken(f"no driver for {read.get_backend_name()}: pip install 'psycopg[binary]'") from problem
