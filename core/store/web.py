"""The room of the web chat, a platform of ours: what the customer's browser shows."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from core.errors import Refused
from core.store.sql import Sql
from core.store.tables import web_messages as table
from core.store.tables import web_sessions as sessions


@dataclass(frozen=True, slots=True)
class WebMessage:
    """One line of the chat: `seq` is its place and its id, `cursor` the number of its last change."""

    seq: int
    cursor: int
    payload: dict[str, Any]
    at: int


_NEXT = (
    update(sessions)
    .where(sessions.c.id == bindparam("of"))
    .values(cursor=sessions.c.cursor + 1)
    .returning(sessions.c.cursor)
)
_INSERT = insert(table)
_AFTER = (
    select(table.c.seq, table.c.cursor, table.c.payload, table.c.at)
    .where(table.c.session == bindparam("of"), table.c.cursor > bindparam("seen"))
    .order_by(table.c.cursor)
)


class Web:
    """Web sessions of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def open(self, session: str, token_hash: str) -> None:
        """Begin a session; only the hash of its bearer token is kept."""
        await self._sql.run(insert(sessions), {"id": session, "token": token_hash, "created_at": self._sql.now})

    async def check(self, session: str, token_hash: str) -> bool:
        """Whether this token belongs to this session; compared in constant time."""
        kept = await self._sql.value(select(sessions.c.token).where(sessions.c.id == session))
        return hmac.compare_digest(str(kept or "").encode(), token_hash.encode()) and kept is not None

    async def append(self, session: str, payload: Mapping[str, Any]) -> int:
        """Add a line; returns its `seq`.

        Raises:
            Refused: there is no such session (any longer).
        """
        seq = await self._next(session)
        row = {"session": session, "seq": seq, "cursor": seq, "payload": dict(payload), "at": self._sql.now}
        await self._sql.run(_INSERT, row)
        return seq

    async def after(self, session: str, cursor: int) -> tuple[WebMessage, ...]:
        """Lines added or replaced since `cursor`, in the order in which that happened; sort by `seq` to show them."""
        rows = await self._sql.rows(_AFTER, {"of": session, "seen": cursor})
        return tuple(WebMessage(row.seq, row.cursor, row.payload, row.at) for row in rows)

    async def replace(self, session: str, seq: int, payload: Mapping[str, Any]) -> int:
        """Put other words into a line; returns its new cursor.

        Raises:
            Refused: there is no such line.
        """
        cursor = await self._next(session)
        change = update(table).where(table.c.session == session, table.c.seq == seq)
        if await self._sql.run(change.values(cursor=cursor, payload=dict(payload))) != 1:
            raise Refused("there is no such message in this web chat")
        return cursor

    async def _next(self, session: str) -> int:
        cursor = await self._sql.value(_NEXT, {"of": session})
        if cursor is None:
            raise Refused("there is no such web chat")
        return int(cursor)
