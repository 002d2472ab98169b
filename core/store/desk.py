"""The room of the desk: who asked for a human, since when, why, who came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select, update

from core.conversation import Conversation, Owner
from core.store.conversations import from_row
from core.store.sql import Sql
from core.store.tables import conversations, new_id
from core.store.tables import handoffs as table


@dataclass(frozen=True, slots=True)
class Handoff:
    """One time that a human was asked for; times are 0 until it happens."""

    id: str
    conversation: str
    reason: str
    opened_at: int
    claimed_at: int = 0
    closed_at: int = 0
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation on the desk with its open handoff."""

    conversation: Conversation
    handoff: Handoff


@dataclass(frozen=True, slots=True)
class Counts:
    """How many open conversations each owner has; `oldest` is since when the longest waiting waits, 0 for nobody."""

    bot: int = 0
    desk: int = 0
    agent: int = 0
    oldest: int = 0


class Desk:
    """Handoffs of one transaction; the conversation's own state is changed by its moves."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def open(self, conversation: str, reason: str) -> Handoff:
        """Somebody asked for a human; a handoff that is open already stays as it is."""
        row = {"id": new_id(), "conversation": conversation, "reason": reason, "opened_at": self._sql.now}
        statement = self._sql.insert(table).values(**row)
        await self._sql.run(
            statement.on_conflict_do_nothing(index_elements=["conversation"], index_where=table.c.closed_at == 0)
        )
        found = await self.of(conversation)
        assert found is not None
        return found

    async def claim(self, conversation: str, agent: str) -> Handoff:
        """An agent came, asked for or not."""
        handoff = await self.open(conversation, "claimed")
        await self._change(conversation, claimed_at=self._sql.now, agent=agent)
        return await self.of(conversation) or handoff

    async def unclaim(self, conversation: str) -> None:
        """The agent fell silent or gave it up: it waits again."""
        await self._change(conversation, claimed_at=0, agent="")

    async def close(self, conversation: str) -> None:
        """No human is needed any longer; does nothing when none was."""
        await self._change(conversation, closed_at=self._sql.now)

    async def of(self, conversation: str) -> Handoff | None:
        """The open handoff of a conversation."""
        row = await self._sql.row(select(table).where(table.c.conversation == conversation, table.c.closed_at == 0))
        return None if row is None else Handoff(**row._mapping)

    async def history(self, conversation: str) -> tuple[Handoff, ...]:
        """All handoffs of a conversation, oldest first."""
        query = select(table).where(table.c.conversation == conversation).order_by(table.c.id)
        return tuple(Handoff(**row._mapping) for row in await self._sql.rows(query))

    async def waiting(self) -> tuple[Waiting, ...]:
        """Who waits for a human, the longest first."""
        return await self._on_desk(Owner.DESK)

    async def claimed(self, agent: str = "") -> tuple[Waiting, ...]:
        """What agents (or this agent) have, the longest first."""
        return await self._on_desk(Owner.AGENT, agent)

    async def counts(self) -> Counts:
        """The figures for a badge."""
        open_ones = conversations.c.resolved_at == 0
        query = select(conversations.c.owner, func.count().label("number")).where(open_ones)
        rows = await self._sql.rows(query.group_by(conversations.c.owner))
        number = {row.owner: row.number for row in rows}
        since = select(func.min(conversations.c.waiting_since)).where(open_ones, conversations.c.owner == "desk")
        oldest = await self._sql.value(since)
        return Counts(number.get("bot", 0), number.get("desk", 0), number.get("agent", 0), int(oldest or 0))

    async def _on_desk(self, owner: Owner, agent: str = "") -> tuple[Waiting, ...]:
        query = (
            select(conversations, *(column.label(f"handoff_{column.name}") for column in table.c))
            .join(table, (table.c.conversation == conversations.c.id) & (table.c.closed_at == 0))
            .where(conversations.c.resolved_at == 0, conversations.c.owner == owner.value)
            .order_by(table.c.opened_at, table.c.id)
        )
        if agent:
            query = query.where(conversations.c.agent == agent)
        return tuple(_waiting(row) for row in await self._sql.rows(query))

    async def _change(self, conversation: str, **values: object) -> None:
        change = update(table).where(table.c.conversation == conversation, table.c.closed_at == 0)
        await self._sql.run(change.values(**values))


def _waiting(row: Row[Any]) -> Waiting:
    kept = row._mapping
    return Waiting(from_row(row), Handoff(**{column.name: kept[f"handoff_{column.name}"] for column in table.c}))
