"""The room of leases: what only one of several gateways may do, and until when.

A lease has a name: the id of a conversation, or something like `door:telegram`. Moments are the database's own, so no
gateway's clock can shorten or prolong one. Every fresh take draws a token; whoever writes under a lease compares it in
the same transaction (`confirm`), with the row locked, so that nothing is written under a lease that has passed on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    extract,
    func,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from core.store.sql import Sql
from core.store.tables import conversations, events, new_id, outbox
from core.store.tables import leases as table


@dataclass(frozen=True, slots=True)
class Taken:
    """Who has a lease now; `token` is empty when it is another gateway."""

    gateway: str
    token: str = ""


_STRAY_MS = 3600 * 1000
_CONVERSATION = select(conversations.c.id).where(conversations.c.id == bindparam("of")).with_for_update()
_MINE = (
    select(table.c.token)
    .where(table.c.name == bindparam("named"), table.c.token == bindparam("under"))
    .with_for_update()
)


class Leases:
    """The leases of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def now(self) -> int:
        """The database's time, UTC milliseconds."""
        return int(await self._sql.value(select(self._now)))

    async def take(self, name: str, gateway: str, ms: int) -> Taken:
        """Take a lease that is free, has run out, or is one's own already; otherwise say who has it."""
        seen = await self._other(name, gateway)
        if seen:  # a look locks nothing: whoever only asks must not stand in the holder's way
            return Taken(seen)
        token = new_id()
        fresh = {"gateway": gateway, "token": token, "until": self._now + ms}
        insert = postgresql.insert(table) if self._postgres else sqlite.insert(table)
        taking = insert.values(name=name, **fresh).on_conflict_do_update(
            index_elements=[table.c.name],
            set_=fresh,
            where=or_(table.c.gateway == gateway, table.c.until <= self._now),
        )
        if await self._sql.row(taking.returning(table.c.token)) is not None:
            return Taken(gateway, token)
        return Taken(await self._other(name, gateway))

    async def _other(self, name: str, gateway: str) -> str:
        held = and_(table.c.name == name, table.c.gateway != gateway, table.c.until > self._now)
        return str(await self._sql.value(select(table.c.gateway).where(held)) or "")

    async def renew(self, gateway: str, ms: int) -> dict[str, str]:
        """Prolong everything that the gateway holds and that has not run out: name -> token."""
        renewing = update(table).where(table.c.gateway == gateway, table.c.until > self._now)
        rows = await self._sql.rows(renewing.values(until=self._now + ms).returning(table.c.name, table.c.token))
        return {row.name: row.token for row in rows}

    async def release(self, gateway: str, tokens: Collection[str] | None = None) -> None:
        """Let go of the leases with these tokens, or of all that the gateway holds."""
        if tokens is not None and not tokens:
            return
        going = delete(table).where(table.c.gateway == gateway)
        await self._sql.run(going if tokens is None else going.where(table.c.token.in_(list(tokens))))

    async def confirm(self, conversation: str, token: str) -> bool:
        """Whether the token is still the conversation's; both rows stay locked until the transaction ends.

        Nobody else can take the lease meanwhile, and no agent claim the conversation: what is read from here on holds.
        """
        # In this order, as somebody who is heard locks the conversation before anything else.
        await self._sql.value(_CONVERSATION, {"of": conversation})
        return await self._sql.value(_MINE, {"named": conversation, "under": token}) is not None

    async def neglected(self, platforms: Collection[str]) -> tuple[str, ...]:
        """Conversations of these platforms with something to answer or to send, of which nobody has the lease."""
        spoken = select(events.c.conversation).where(events.c.state == "heard")
        waiting = select(outbox.c.conversation).where(
            outbox.c.state.in_(("ready", "sending")),
            or_(outbox.c.state == "sending", outbox.c.not_before <= self._sql.now),
        )
        work = union(spoken, waiting).subquery()
        held = exists().where(table.c.name == conversations.c.id, table.c.until > self._now)
        query = select(conversations.c.id).where(
            conversations.c.id.in_(select(work.c.conversation)),
            conversations.c.platform.in_(list(platforms)),
            ~held,
        )
        return await self._sql.column(query.order_by(conversations.c.heard_at))

    async def purge(self) -> int:
        """Forget the leases that gateways left behind when they died."""
        return await self._sql.run(delete(table).where(table.c.until < self._now - _STRAY_MS))

    @property
    def _postgres(self) -> bool:
        return self._sql.connection.dialect.name == "postgresql"

    @property
    def _now(self) -> ColumnElement[int]:
        if self._postgres:  # not now(), which is when the transaction began, perhaps long before a lock was had
            return cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
        return cast((func.julianday("now") - 2440587.5) * 86_400_000, BigInteger)
