"""Backup to one file, for both databases.

The file is a tar: `polydesk.json` says what is inside, then the database, then the blobs. SQLite goes in as a copy of
its file, made while others may write; PostgreSQL as JSON lines, a file a table, read in one snapshot. A backup of
either can be restored into either: from one machine's SQLite into the PostgreSQL it has outgrown.
"""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from core.errors import BadInput, Broken
from core.store.blobs import BlobFolder
from core.store.engines import connect, sqlite_file
from core.store.tables import metadata
from core.store.trouble import translated
from core.store.upgrade import revision_of

FORM = 1
ABOUT = "polydesk.json"
SQLITE = "database.sqlite"


def backup(url: str, blobs: Path | None, target: Path) -> None:
    """Write everything into `target`; a running gateway need not stop.

    Raises:
        BadInput: `target` exists. Broken: there is no database, or the file cannot be written. Retry: it is busy.
    """
    if target.exists():
        raise BadInput(f"{target} exists; choose another name")
    file = sqlite_file(url)
    if file is not None and not file.exists():
        raise Broken(f"there is no database at {file}")
    part = target.with_name(target.name + ".part")
    engine = connect(url, reading=True)
    try:
        with translated(), tarfile.open(part, "w") as tar, tempfile.TemporaryDirectory(dir=target.parent) as room:
            with engine.connect() as connection:
                revision = revision_of(connection)
            about = {"polydesk": FORM, "revision": revision, "database": "sqlite" if file else "json lines"}
            _add(tar, ABOUT, json.dumps(about).encode())
            if file is not None:
                _copy_sqlite(file, Path(room) / SQLITE)
                tar.add(Path(room) / SQLITE, SQLITE)
            else:
                _dump(engine, tar, Path(room))
            if blobs is not None:
                _add_blobs(tar, BlobFolder(blobs))
        part.replace(target)
    except OSError as problem:
        raise Broken(f"cannot write {target}: {problem.strerror}") from problem
    finally:
        engine.dispose()
        part.unlink(missing_ok=True)


def _copy_sqlite(file: Path, copy: Path) -> None:
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as problem:
        raise Broken(f"cannot copy {file}: {problem}") from problem


def _dump(engine: Engine, tar: tarfile.TarFile, room: Path) -> None:
    """All tables of one snapshot, parents before children."""
    with engine.connect() as connection, connection.begin():
        for table in metadata.sorted_tables:
            path = room / f"{table.name}.jsonl"
            with path.open("w", encoding="utf-8") as lines:
                for row in connection.execution_options(yield_per=1000).execute(select(table)):
                    lines.write(json.dumps(dict(row._mapping), ensure_ascii=False) + "\n")
            tar.add(path, f"tables/{path.name}")
            path.unlink()


def _add_blobs(tar: tarfile.TarFile, folder: BlobFolder) -> None:
    for sha in folder.all():
        try:
            tar.add(folder.path(sha), f"blobs/{sha}")
        except FileNotFoundError:
            continue  # swept meanwhile: nobody in the snapshot's future wants it


def _add(tar: tarfile.TarFile, name: str, raw: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(raw)
    tar.addfile(member, io.BytesIO(raw))


def contents(tar: tarfile.TarFile) -> dict[str, Any]:
    """What a backup says about itself.

    Raises:
        BadInput: it is not a backup of ours, or of a later form.
    """
    try:
        member = tar.extractfile(ABOUT)
        about = json.loads(member.read()) if member is not None else {}
    except (KeyError, ValueError, tarfile.TarError) as problem:
        raise BadInput("this file is not a backup of Polydesk") from problem
    if not isinstance(about, dict) or about.get("polydesk") != FORM:
        raise BadInput("this backup is of another form than this Polydesk can read")
    return about


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of one table, from JSON lines."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
