"""The room of labels: what people said about the bot's answers, kept for the next training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, insert, select

from core.store.sql import Sql
from core.store.tables import labels as table
from core.store.tables import new_id

_OF = select(table).where(table.c.conversation == bindparam("talk")).order_by(table.c.id)


class LabelKind(StrEnum):
    """What somebody did: the customer by a tap, then an agent at the desk."""

    CHOSEN = "chosen"  # `entry` is what the customer meant
    WRONG = "wrong"  # "that's not it", about the answer of `entry`
    NONE_OF_THESE = "none_of_these"  # none of `detail["shown"]`
    CLAIM = "claim"
    HAND_BACK = "hand_back"
    RESOLVE = "resolve"
    AGENT_ENTRY = "agent_entry"  # the agent sent the answer of `entry`
    CORRECTED = "corrected"  # the turn was about `entry`, about `none` of them, or (empty) the agent takes it back


@dataclass(frozen=True, slots=True)
class Label:
    """One thing somebody said about an answer: a tap, a claim, a correction, the entry that an agent chose.

    `release` is the blob that was live and `model` what predicted; `by` names a user or the customer's id.
    """

    id: str
    conversation: str
    kind: str
    at: int
    entry: str = ""
    turn: str = ""
    release: str = ""
    model: str = ""
    by: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class Labels:
    """Labels of one transaction; they are added, never changed."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def add(
        self,
        conversation: str,
        kind: str,
        *,
        entry: str = "",
        turn: str = "",
        release: str = "",
        model: str = "",
        by: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> Label:
        """Keep a label; `conversation` is empty for one given outside any, such as in the console's "try it"."""
        label = Label(new_id(), conversation, kind, self._sql.now, entry, turn, release, model, by, dict(detail or {}))
        row = {name: getattr(label, name) for name in Label.__slots__}
        await self._sql.run(insert(table), {**row, "conversation": conversation or None})
        return label

    async def list(self, *, after: str = "", kind: str = "", limit: int = 1000) -> tuple[Label, ...]:
        """Labels in the order in which they came, beginning behind the id `after`; of one kind where given."""
        query = select(table).where(table.c.id > after)
        if kind:
            query = query.where(table.c.kind == kind)
        return tuple(_from_row(row) for row in await self._sql.rows(query.order_by(table.c.id).limit(limit)))

    async def of(self, conversation: str) -> tuple[Label, ...]:
        """The labels of a conversation, oldest first."""
        return tuple(_from_row(row) for row in await self._sql.rows(_OF, {"talk": conversation}))


def _from_row(row: Row[Any]) -> Label:
    kept = dict(row._mapping)
    return Label(**{**kept, "conversation": kept["conversation"] or ""})
