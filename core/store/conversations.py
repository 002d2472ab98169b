"""The room of conversations: whose word it is, read and changed by named moves."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Row, and_, bindparam, case, exists, func, or_, select, update

from core.conversation import Conversation, Owner
from core.ports import Standing
from core.store.sql import Sql
from core.store.tables import conversations as table
from core.store.tables import events, messages
from core.store.trouble import Conflict
from core.values import Address, Author, Role


@dataclass(frozen=True, slots=True)
class Kept(Conversation):
    """A conversation as the store handed it out.

    The moves of `core.conversation` keep the class, so that `put` knows which version a new value descends from.
    """

    version: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """Conversations whose time has come: `waiting` for a human, with a `silent` agent, `idle` and ready to resolve."""

    waiting: tuple[Conversation, ...] = ()
    silent: tuple[Conversation, ...] = ()
    idle: tuple[Conversation, ...] = ()


_PLAIN = tuple(
    field.name for field in fields(Conversation) if field.name not in ("id", "address", "author", "owner", "heard_at")
)


def from_row(row: Row[Any]) -> Kept:
    """Build the value from a row of all columns."""
    kept = row._mapping
    return Kept(
        id=kept["id"],
        address=Address(kept["platform"], kept["account"], kept["chat"], kept["thread"]),
        author=Author(kept["author_id"], kept["author_name"], Role(kept["author_role"]), kept["author_language"]),
        owner=Owner(kept["owner"]),
        heard_at=kept["heard_at"],
        version=kept["version"],
        **{name: kept[name] for name in _PLAIN},
    )


def open_at(address: Address, author: str) -> dict[str, str]:
    """The parameters of `OPEN_AT`."""
    return {
        "on_platform": address.platform,
        "on_account": address.account,
        "in_chat": address.chat,
        "in_thread": address.thread,
        "by_author": author,
    }


OPEN_AT = select(table).where(
    table.c.platform == bindparam("on_platform"),
    table.c.account == bindparam("on_account"),
    table.c.chat == bindparam("in_chat"),
    table.c.thread == bindparam("in_thread"),
    table.c.author_id == bindparam("by_author"),
    table.c.resolved_at == 0,
)
OPEN_AT_LOCKED = OPEN_AT.with_for_update()
_BY_ID = select(table).where(table.c.id == bindparam("conversation"))
_NEXT = update(table).where(table.c.id == bindparam("conversation")).values(seq=table.c.seq + 1).returning(table.c.seq)
_PUT = (
    update(table)
    .where(table.c.id == bindparam("conversation"), table.c.version == bindparam("was"))
    .values(
        {name: bindparam(name) for name in (*_PLAIN, "owner")}
        | {
            "version": table.c.version + 1,
            "heard_at": case((table.c.heard_at < bindparam("heard"), bindparam("heard")), else_=table.c.heard_at),
        }
    )
)


async def next_seq(sql: Sql, conversation: str) -> int:
    """The conversation's next number; its row stays locked until the transaction ends.

    Raises:
        Conflict: there is no such conversation.
    """
    seq = await sql.value(_NEXT, {"conversation": conversation})
    if seq is None:
        raise Conflict(f"there is no conversation {conversation}")
    return int(seq)


class Conversations:
    """Conversations of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def get(self, id: str) -> Conversation | None:
        """The conversation with this id."""
        row = await self._sql.row(_BY_ID, {"conversation": id})
        return None if row is None else from_row(row)

    async def of(self, address: Address, author_id: str) -> Conversation | None:
        """The open conversation of this author at this address; there is at most one."""
        row = await self._sql.row(OPEN_AT, open_at(address, author_id))
        return None if row is None else from_row(row)

    async def put(self, conversation: Conversation) -> Conversation:
        """Store what a move returned, and return it as stored.

        `heard_at` never goes back, since the ledger may have heard something meanwhile.

        Raises:
            Conflict: the stored one has changed since `conversation` (or what it was made from) was read, or is gone.
            TypeError: it never came from the store.
        """
        if not isinstance(conversation, Kept):
            raise TypeError("only a conversation read from the store, or made from one by a move, can be put back")
        values = {name: getattr(conversation, name) for name in _PLAIN}
        values |= {
            "owner": conversation.owner.value,
            "conversation": conversation.id,
            "was": conversation.version,
            "heard": conversation.heard_at,
        }
        if await self._sql.run(_PUT, values) != 1:
            raise Conflict("somebody else changed this conversation meanwhile; read it again")
        row = await self._sql.row(_BY_ID, {"conversation": conversation.id})
        if row is None:
            raise Conflict("this conversation is gone")
        return from_row(row)

    async def due(self, *, waiting_before: int, silent_before: int, idle_before: int) -> Due:
        """What the timers must look at; each list oldest first.

        `waiting`: at the desk, and neither asked for a human nor reminded after `waiting_before`. `silent`: an agent
        has it, and neither claimed, wrote nor was reminded after `silent_before`. `idle`: nobody has said a word after
        `idle_before`, and it waits neither for a human nor for an answer.
        """
        pending = exists().where(events.c.conversation == table.c.id, events.c.state == "heard")
        opened = table.c.resolved_at == 0
        waiting = select(table).where(
            opened,
            table.c.owner == Owner.DESK.value,
            table.c.waiting_since <= waiting_before,
            table.c.reminded_at <= waiting_before,
        )
        silent = select(table).where(
            opened,
            table.c.owner == Owner.AGENT.value,
            table.c.agent_at <= silent_before,
            table.c.reminded_at <= silent_before,
        )
        idle = select(table).where(
            opened,
            table.c.owner != Owner.DESK.value,
            table.c.heard_at <= idle_before,
            table.c.agent_at <= idle_before,
            ~pending,
        )
        return Due(
            waiting=await self._read(waiting.order_by(table.c.waiting_since)),
            silent=await self._read(silent.order_by(table.c.agent_at)),
            idle=await self._read(idle.order_by(table.c.heard_at)),
        )

    async def list(
        self, owner: Owner | None = None, *, agent: str = "", resolved: bool = False, limit: int = 100, offset: int = 0
    ) -> tuple[Conversation, ...]:
        """Conversations for the desk: who waits longest first, then who was heard last.

        `owner` and `agent` narrow it; `resolved` lists the finished ones instead of the open ones, the latest first.
        """
        query = select(table).where(table.c.resolved_at != 0 if resolved else table.c.resolved_at == 0)
        if owner is not None:
            query = query.where(table.c.owner == owner.value)
        if agent:
            query = query.where(table.c.agent == agent)
        calm = case((table.c.waiting_since == 0, 1), else_=0)
        open_first = (calm, table.c.waiting_since, table.c.heard_at.desc())
        query = query.order_by(*((table.c.resolved_at.desc(),) if resolved else open_first), table.c.id.desc())
        return await self._read(query.limit(limit).offset(offset))

    async def standing(self, platform: str) -> tuple[Standing, ...]:
        """Every open conversation of a platform with the last thing its customer said, the one heard last first."""
        numbers = messages.alias("numbers")
        last = (
            select(func.max(numbers.c.seq))
            .where(numbers.c.conversation == table.c.id, numbers.c.role == Role.CUSTOMER.value)
            .scalar_subquery()
        )
        said = and_(messages.c.conversation == table.c.id, messages.c.seq == last)
        query = select(table, messages.c.place, messages.c.at).select_from(table.join(messages, said))
        query = query.where(table.c.platform == platform, table.c.resolved_at == 0)
        found = []
        for row in await self._sql.rows(query.order_by(table.c.heard_at.desc())):
            kept, place = from_row(row), row._mapping["place"]
            message = str(json.loads(place)[3]) if place else ""
            found.append(Standing(kept.id, kept.address, kept.author.id, message, int(row._mapping["at"])))
        return tuple(found)

    async def search(self, words: str, *, limit: int = 50) -> tuple[Conversation, ...]:
        """Conversations, open or not, in which somebody wrote `words` or whose customer is called so; latest first."""
        said = exists().where(
            messages.c.conversation == table.c.id,
            messages.c.deleted_at == 0,
            messages.c.text.icontains(words, autoescape=True),
        )
        named = or_(table.c.author_name.icontains(words, autoescape=True), table.c.author_id == words)
        query = select(table).where(or_(said, named)).order_by(table.c.heard_at.desc()).limit(limit)
        return await self._read(query)

    async def _read(self, query: Any) -> tuple[Conversation, ...]:
        return tuple(from_row(row) for row in await self._sql.rows(query))
