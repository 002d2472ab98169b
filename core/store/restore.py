"""Bringing a backup back."""

from __future__ import annotations

import sqlite3
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select

from core.errors import BadInput, Broken
from core.store.backup import SQLITE, contents, rows_of
from core.store.blobs import BlobFolder, valid_sha
from core.store.engines import connect, sqlite_file
from core.store.locks import FileLock
from core.store.tables import metadata
from core.store.trouble import translated
from core.store.upgrade import HEAD, upgrade_now


def restore(url: str, blobs: Path | None, source: Path, *, force: bool = False) -> None:
    """Put what `backup` wrote into the database and the folder of blobs; the gateway must not run.

    The rows go in within one transaction: after a failure the database is as before. `force` empties a database that
    holds something first; blobs are only ever added.

    Raises:
        BadInput: not a backup, or the database holds something and `force` is False. Broken: a gateway runs on the
        database, or something cannot be written.
    """
    file = sqlite_file(url)
    lock = FileLock(file.with_name(file.name + ".lock")) if file is not None else None
    if lock is not None:
        lock.take(busy=f"a gateway runs on {file}; stop it first")
    try:
        upgrade_now(url)
        with tempfile.TemporaryDirectory(prefix="polydesk-restore-") as room:
            _unpack(source, Path(room), None if blobs is None else BlobFolder(blobs))
            _load(url, Path(room), force)
    finally:
        if lock is not None:
            lock.release()


def _unpack(source: Path, room: Path, folder: BlobFolder | None) -> None:
    try:
        with tarfile.open(source) as tar:
            found = contents(tar)["revision"]
            for member in tar:
                raw = tar.extractfile(member) if member.isreg() else None
                kind, _, name = member.name.rpartition("/")
                if raw is None:
                    continue
                if kind == "blobs" and valid_sha(name) and folder is not None:
                    if folder.put(raw.read()) != name:
                        raise BadInput(f"the backup is damaged: blob {name[:12]}")
                elif member.name == SQLITE or (kind == "tables" and name.removesuffix(".jsonl") in metadata.tables):
                    with (room / name).open("wb") as copy:
                        while piece := raw.read(1 << 20):
                            copy.write(piece)
    except FileNotFoundError as problem:
        raise BadInput(f"there is no file {source}") from problem
    except tarfile.TarError as problem:
        raise BadInput(f"{source} is not a backup of Polydesk, or it is damaged") from problem
    except OSError as problem:
        raise Broken(f"cannot unpack {source}: {problem.strerror}") from problem
    if (room / SQLITE).exists():
        upgrade_now(f"sqlite:///{room / SQLITE}")
    elif found != HEAD:
        raise BadInput(
            f"this backup is of revision {found}, this Polydesk needs {HEAD}: restore it with the Polydesk that wrote "
            "it, then upgrade"
        )


def _load(url: str, room: Path, force: bool) -> None:
    engine = connect(url)
    try:
        with translated(), engine.connect() as connection, connection.begin():
            if not force and not _empty(connection):
                raise BadInput("the database holds something already; restore into an empty one, or add --force")
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))
            for table in metadata.sorted_tables:
                _fill(connection, table, _rows(room, table))
    finally:
        engine.dispose()


def _empty(connection: Connection) -> bool:
    return all(connection.execute(select(table).limit(1)).first() is None for table in metadata.sorted_tables)


def _rows(room: Path, table: Table) -> Iterator[dict[str, Any]]:
    if not (room / SQLITE).exists():
        if (room / f"{table.name}.jsonl").exists():
            yield from rows_of(room / f"{table.name}.jsonl")
        return
    engine = connect(f"sqlite:///{room / SQLITE}", reading=True)
    try:
        with engine.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(select(table)):
                yield dict(row._mapping)
    finally:
        engine.dispose()


def _fill(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    left = iter(rows)
    while batch := list(islice(left, 500)):
        connection.execute(insert(table), batch)


def check(url: str) -> str:
    """What SQLite itself says about its file: `ok`, or the first thing that is wrong; empty for PostgreSQL."""
    file = sqlite_file(url)
    if file is None:
        return ""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return str(connection.execute("PRAGMA quick_check").fetchone()[0])
    except sqlite3.Error as problem:
        raise Broken(f"cannot read {file}: {problem}") from problem
