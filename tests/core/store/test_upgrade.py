"""Migrations bring any database to the form that the tables describe."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from core.errors import Broken
from core.store import upgrade as upgrading
from core.store.engines import connect
from core.store.store import Store
from core.store.tables import metadata
from core.store.upgrade import HEAD, upgrade


async def test_the_migrations_lead_to_the_tables(url) -> None:
    assert await upgrade(url)
    engine = connect(url)
    with engine.connect() as connection:
        defaults = not url.startswith("sqlite")  # where Alembic takes '' and "" for two defaults
        context = MigrationContext.configure(connection, opts={"compare_server_default": defaults})
        differences = compare_metadata(context, metadata)
        constraints = inspect(connection).get_check_constraints("outbox")
    engine.dispose()
    assert differences == []
    assert [constraint["name"] for constraint in constraints] == ["ck_outbox_state"]


def test_the_head_is_named() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(upgrading.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_every_constraint_and_index_has_a_name_that_fits() -> None:
    for table in metadata.tables.values():
        for thing in (*table.constraints, *table.indexes):
            assert thing.name and len(str(thing.name)) <= 63, (table, thing)


async def test_a_second_upgrade_does_nothing(url) -> None:
    assert await upgrade(url)
    assert not await upgrade(url)


async def test_several_processes_may_start_at_once(url) -> None:
    results = await asyncio.gather(*(upgrade(url) for _ in range(4)))
    assert sorted(results) == [False, False, False, True]


async def test_a_database_of_a_newer_polydesk_is_left_alone(url, clock) -> None:
    await upgrade(url)
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(Broken, match="newer"):
        await Store.open(url, None, clock)


async def test_a_filled_sqlite_database_is_copied_before_it_changes(tmp_path, monkeypatch) -> None:
    """Given a database at the present revision, when a later one comes, then the old form lies beside it."""
    file = tmp_path / "old.db"
    url = f"sqlite:///{file}"
    await upgrade(url)
    with sqlite3.connect(file) as connection:
        connection.execute("INSERT INTO settings VALUES ('kept', '1', 0)")
    connection.close()
    later = tmp_path / "migrations"
    _add_revision(later)
    monkeypatch.setattr(upgrading, "MIGRATIONS", later)
    assert await upgrade(url, "later")
    with sqlite3.connect(f"{file}.before-later") as copy:
        assert copy.execute("SELECT key FROM settings").fetchall() == [("kept",)]
        assert copy.execute("SELECT count(*) FROM pragma_table_info('settings')").fetchone() == (3,)
    copy.close()
    with sqlite3.connect(file) as now:
        assert now.execute("SELECT key, colour FROM settings").fetchall() == [("kept", "red")]
    now.close()


def _add_revision(folder: Path) -> None:
    source = Path(upgrading.__file__).parent / "migrations"
    (folder / "versions").mkdir(parents=True)
    for path in (*source.glob("*.py"), *source.glob("versions/*.py")):
        (folder / path.relative_to(source)).write_text(path.read_text())
    (folder / "versions" / "later.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = 'later'\ndown_revision = '0002'\n"
        "def upgrade() -> None:\n"
        "    with op.batch_alter_table('settings') as batch:\n"
        "        batch.add_column(sa.Column('colour', sa.Text(), nullable=False, server_default='red'))\n"
    )


def test_it_works_from_anywhere_and_importing_does_nothing(tmp_path) -> None:
    """Alembic is imported only when there is something to migrate: it costs the gateway memory."""
    code = (
        "import sys, asyncio, core.store.store as s, core.clock as c\n"
        "assert not {'alembic', 'torch'} & set(sys.modules)\n"
        "async def main():\n"
        "    store = await s.Store.open('sqlite:///deep/er/x.db', None, c.WallClock())\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
        "assert ('alembic' in sys.modules) is (sys.argv[1] == 'due')\n"
    )
    root = Path(upgrading.__file__).parents[2]
    for when in ("due", "done"):
        command = [sys.executable, "-c", code, when]
        done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "deep" / "er" / "x.db").exists()


def test_the_blob_folder_needs_no_database() -> None:
    code = "import sys, core.store.blobs; assert 'sqlalchemy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=Path(upgrading.__file__).parents[2], check=True)
