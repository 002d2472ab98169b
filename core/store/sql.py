"""The connection of one transaction, as the rooms of the store use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable, Row

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
