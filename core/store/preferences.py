"""The room of settings that people change while it runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select

from core.store.sql import Sql
from core.store.tables import settings as table


class Preferences:
    """Settings of one transaction: a key with a value of plain JSON."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def get(self, key: str, otherwise: Any = None) -> Any:
        """The value under a key, or `otherwise`."""
        row = await self._sql.row(select(table.c.value).where(table.c.key == key))
        return otherwise if row is None else row.value

    async def put(self, key: str, value: Any) -> None:
        """Set a value; None is not one, use `drop`."""
        await self._sql.upsert(table, {"key": key, "value": value, "updated_at": self._sql.now})

    async def drop(self, key: str) -> None:
        """Forget a key."""
        await self._sql.run(delete(table).where(table.c.key == key))
