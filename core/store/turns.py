"""The room of turns: what was asked, what was predicted, what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, exists, select

from core.store.sql import Sql
from core.store.tables import conversations
from core.store.tables import turns as table

_OF = select(table).where(table.c.conversation == bindparam("talk")).order_by(table.c.opened_at, table.c.id)


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A turn as it was kept: question, prediction and decision are plain JSON (`core.wire` loads them).

    `events` are ids of events; `state` is open, asked, predicted or decided; `release` is a blob.
    """

    id: str
    conversation: str
    events: tuple[str, ...]
    state: str
    attempt: int
    deadline: int
    question: dict[str, Any] | None
    prediction: dict[str, Any] | None
    decision: dict[str, Any] | None
    release: str
    opened_at: int


def _from_row(row: Row[Any]) -> TurnRecord:
    kept = dict(row._mapping)
    return TurnRecord(**{**kept, "events": tuple(kept["events"])})


class Turns:
    """Turns of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def record(
        self,
        id: str,
        conversation: str,
        *,
        events: Sequence[str] | None = None,
        question: dict[str, Any] | None = None,
        prediction: dict[str, Any] | None = None,
        decision: dict[str, Any] | None = None,
        release: str = "",
        attempt: int = 0,
        deadline: int = 0,
    ) -> TurnRecord:
        """Write a turn down, or add to it; what is left out stays as it was.

        Its state follows from what is known: decided, predicted, asked, else open. Turns are opened one after the
        other, also when the clock is set back between them.
        """
        kept = await self.get(id)
        last = None if kept else await self.last(conversation)
        row: dict[str, Any] = {
            "id": id,
            "conversation": conversation,
            "events": list(events if events is not None else kept.events if kept else ()),
            "attempt": attempt or (kept.attempt if kept else 0),
            "deadline": deadline or (kept.deadline if kept else 0),
            "question": question or (kept.question if kept else None),
            "prediction": prediction or (kept.prediction if kept else None),
            "decision": decision or (kept.decision if kept else None),
            "release": release or (kept.release if kept else ""),
            "opened_at": kept.opened_at if kept else max(self._sql.now, last.opened_at + 1 if last else 0),
        }
        known = [state for part, state in _STATES if row[part] is not None]
        row["state"] = known[0] if known else "open"
        await self._sql.upsert(table, row)
        return TurnRecord(**{**row, "events": tuple(row["events"])})

    async def get(self, id: str) -> TurnRecord | None:
        """The turn with this id."""
        return self._one(await self._sql.row(select(table).where(table.c.id == id)))

    async def last(self, conversation: str) -> TurnRecord | None:
        """The latest turn of a conversation."""
        query = select(table).where(table.c.conversation == conversation)
        return self._one(await self._sql.row(query.order_by(table.c.opened_at.desc(), table.c.id.desc()).limit(1)))

    async def list(self, conversation: str) -> tuple[TurnRecord, ...]:
        """The turns of a conversation, oldest first."""
        return tuple(_from_row(row) for row in await self._sql.rows(_OF, {"talk": conversation}))

    async def talks(
        self, *, since: int = 0, ended: bool = False, resolved_since: int = 0, after: str = "", limit: int = 100
    ) -> tuple[str, ...]:
        """Ids of the conversations with a turn opened at `since` or later, in their order, behind the id `after`.

        `ended` leaves out those that still go on, and those that ended before `resolved_since`.
        """
        asked = exists().where(table.c.conversation == conversations.c.id, table.c.opened_at >= since)
        query = select(conversations.c.id).where(conversations.c.id > after, asked)
        if ended:
            query = query.where(conversations.c.resolved_at != 0, conversations.c.resolved_at >= resolved_since)
        return await self._sql.column(query.order_by(conversations.c.id).limit(limit))

    @staticmethod
    def _one(row: Row[Any] | None) -> TurnRecord | None:
        return None if row is None else _from_row(row)


_STATES = (("decision", "decided"), ("prediction", "predicted"), ("question", "asked"))
