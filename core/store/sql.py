"""The connection of one transaction, as the rooms of the store use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Row, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite

from core.ports import Clock

Values = Mapping[str, Any]


class Sql:
    """Runs statements inside one transaction.

    The methods are coroutines that never suspend: a unit of work runs from start to end in a thread of the store (see
    `core.store.writer`), so that no statement costs a trip between threads.
    """

    __slots__ = ("clock", "connection")

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock

    @property
    def now(self) -> int:
        """The time, UTC milliseconds."""
        return self.clock.now()

    async def rows(self, statement: Executable, values: Values | None = None) -> Sequence[Row[Any]]:
        """All rows of the result."""
        return self.connection.execute(statement, values).all()

    async def row(self, statement: Executable, values: Values | None = None) -> Row[Any] | None:
        """The first row of the result, if there is one."""
        return self.connection.execute(statement, values).first()

    async def value(self, statement: Executable, values: Values | None = None) -> Any:
        """The first column of the first row, or None."""
        return self.connection.execute(statement, values).scalar()

    async def column(self, statement: Executable, values: Values | None = None) -> tuple[Any, ...]:
        """The first column of all rows."""
        return tuple(self.connection.execute(statement, values).scalars())

    async def run(self, statement: Executable, values: Values | Sequence[Values] | None = None) -> int:
        """Change rows; returns how many were touched."""
        return self.connection.execute(statement, values).rowcount

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that can say what happens on a conflict; both databases spell it alike."""
        return postgresql.insert(table) if self.connection.dialect.name == "postgresql" else sqlite.insert(table)

    async def upsert(self, table: Table, row: Values) -> None:
        """Insert a row, or overwrite the one with the same primary key."""
        await self.run(_upsert(self.connection.dialect.name, table, tuple(row)), row)


@cache
def _upsert(dialect: str, table: Table, names: tuple[str, ...]) -> Executable:
    """Built once: building it costs as much as running it."""
    keys = [column.name for column in table.primary_key]
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(table).values({name: bindparam(name) for name in names})
    changes = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changes)
