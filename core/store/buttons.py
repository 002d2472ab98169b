"""The room of buttons: what an opaque key on a platform's button means to us."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from core.store.sql import Sql
from core.store.tables import buttons as table

_INSERT = insert(table)
_BY_KEY = select(table.c.meaning, table.c.expires_at).where(table.c.key == bindparam("tapped"))


class Buttons:
    """Buttons of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def make(self, conversation: str, meaning: Mapping[str, Any], expires_at: int) -> str:
        """Keep a meaning (plain JSON) until `expires_at`; returns its key, 22 characters that nobody can guess."""
        key = secrets.token_urlsafe(16)
        row = {"key": key, "conversation": conversation, "meaning": dict(meaning), "expires_at": expires_at}
        await self._sql.run(_INSERT, row)
        return key

    async def take(self, key: str) -> dict[str, Any] | None:
        """What a tapped key means; None when it is unknown or too old. A second tap finds it again."""
        row = await self._sql.row(_BY_KEY, {"tapped": key})
        return None if row is None or row.expires_at <= self._sql.now else dict(row.meaning)

    async def spend(self, key: str) -> bool:
        """Whether this is the first tap on the button."""
        meaning = await self.take(key)
        if meaning is None or meaning.get("spent"):
            return False
        await self._sql.run(update(table).where(table.c.key == key).values(meaning={**meaning, "spent": True}))
        return True

    async def expire(self, before: int) -> int:
        """Forget the keys that expired before this moment; returns how many."""
        return await self._sql.run(delete(table).where(table.c.expires_at < before))
