"""The room of the outbox: what is to be said on a platform, one row a call, in order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, bindparam, exists, insert, or_, select, update

from core.store.sql import Sql
from core.store.tables import conversations, messages, new_id
from core.store.tables import outbox as table
from core.store.transcript import Transcript
from core.store.trouble import Conflict
from core.values import Call, Role
from core.wire import dump, load


class Delivery(StrEnum):
    """What became of a row."""

    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"  # it may or may not have arrived
    REFUSED = "refused"  # the platform will never take it
    SUPERSEDED = "superseded"  # somebody else has the word now, or it was said otherwise


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A row of the outbox: one platform call with what became of it.

    `fence` is the conversation's when the row was written, `holder` the lease under which it was taken last (empty
    where there is one gateway), `attempts` counts how often it was taken, `message_id` is the platform's id of what was
    sent, `turn` and `message` say what it answers and which transcript message it is.
    """

    id: str
    conversation: str
    seq: int
    role: Role
    call: Call
    fence: int
    fenced: bool
    state: Delivery
    holder: str
    attempts: int
    not_before: int
    message_id: str
    turn: str
    message: str
    created_at: int
    changed_at: int


# Literally as the partial index has it, so that it is used.
_UNSENT = table.c.state.in_(bindparam("unsent", ("ready", "sending"), expanding=True, literal_execute=True))
_ALLOT = (
    update(conversations)
    .where(conversations.c.id == bindparam("of"))
    .values(seq=conversations.c.seq + bindparam("amount"))
    .returning(conversations.c.seq, conversations.c.fence)
)
_INSERT = insert(table)
_LOCK = select(conversations.c.fence).where(conversations.c.id == bindparam("of")).with_for_update()
_NEXT = (  # the one being sent, if there is one, is always the first: nothing behind it is taken
    select(table).where(table.c.conversation == bindparam("of"), _UNSENT).order_by(table.c.seq).limit(1)
)
_OVERTAKEN = (
    select(table)
    .where(table.c.conversation == bindparam("of"), _UNSENT, table.c.state == "ready")
    .where(table.c.fenced, table.c.fence < bindparam("risen"))
    .order_by(table.c.seq)
)
_THIS, _BEFORE = conversations.alias("this"), conversations.alias("before")
_EARLIER = (  # rows of the conversations that this one follows in its chat
    select(table.c.id)
    .select_from(
        _THIS.join(
            _BEFORE,
            and_(
                *(_BEFORE.c[name] == _THIS.c[name] for name in ("platform", "account", "chat", "thread", "author_id")),
                _BEFORE.c.resolved_at != 0,
                or_(_THIS.c.resolved_at == 0, _BEFORE.c.id < _THIS.c.id),
                _BEFORE.c.id != _THIS.c.id,
            ),
        ).join(table, and_(table.c.conversation == _BEFORE.c.id, _UNSENT))
    )
    .where(_THIS.c.id == bindparam("of"))
    .limit(1)
)
_TAKE = (
    update(table)
    .where(table.c.id == bindparam("row"), table.c.state == "ready")
    .values(state="sending", holder=bindparam("by"), changed_at=bindparam("at"), attempts=table.c.attempts + 1)
    .returning(table)
)
_SENT = (
    update(table)
    .where(table.c.id == bindparam("row"))
    .values(state="sent", message_id=bindparam("told"), changed_at=bindparam("at"))
    .returning(table.c.message)
)
_IDS = select(messages.c.platform_ids).where(messages.c.id == bindparam("of")).with_for_update()
_NAME = update(messages).where(messages.c.id == bindparam("of")).values(platform_ids=bindparam("ids"))


def begun(rows: Iterable[Outgoing]) -> frozenset[str]:
    """The messages of which something may have left: they cannot be withdrawn."""
    return frozenset(row.message for row in rows if row.state is not Delivery.READY or row.call.since)


def _from_row(row: Row[Any]) -> Outgoing:
    kept = dict(row._mapping)
    kept |= {"role": Role(row.role), "call": load(Call, kept["call"]), "state": Delivery(row.state)}
    return Outgoing(**kept)


class Outbox:
    """The outbox of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def add(
        self,
        conversation: str,
        calls: Sequence[Call],
        role: Role,
        *,
        turn: str = "",
        message: str = "",
        fenced: bool = True,
        not_before: int = 0,
    ) -> tuple[str, ...]:
        """Queue calls in this order, under the conversation's present fence; returns the rows' ids.

        Rows of the bot and the system are superseded once the fence rises, unless `fenced` is False: what tells who has
        the word now must be said. Rows of an agent always go.

        Raises:
            Conflict: there is no such conversation.
        """
        if not calls:
            return ()
        last = await self._sql.row(_ALLOT, {"of": conversation, "amount": len(calls)})
        if last is None:
            raise Conflict(f"there is no conversation {conversation}")
        now = self._sql.now
        rows = [
            {
                "id": new_id(),
                "conversation": conversation,
                "seq": last.seq - len(calls) + place,
                "role": role.value,
                "call": dump(call),
                "fence": last.fence,
                "fenced": fenced and role is not Role.AGENT,
                "state": Delivery.READY.value,
                "not_before": not_before,
                "turn": turn,
                "message": message,
                "created_at": now,
                "changed_at": now,
            }
            for place, call in enumerate(calls, start=1)
        ]
        await self._sql.run(_INSERT, rows)
        return tuple(str(row["id"]) for row in rows)

    async def take(self, conversation: str, now: int, holder: str = "") -> Outgoing | None:
        """Take the next row out, marked as being sent under the lease `holder`; it must run inside `Store.write`.

        None while another row of the conversation is being sent, when the first ready one is not due, when there is
        none, or while words are left that we said to the same customer in an earlier conversation. Rows under a fence
        that has risen meanwhile are superseded here, in the transaction that would send them.
        """
        fence = await self._sql.value(_LOCK, {"of": conversation})
        if fence is None:
            return None
        row = await self._sql.row(_NEXT, {"of": conversation})
        if row is not None and row.state == "ready" and row.fenced and row.fence < fence:
            await self._withdraw(conversation, fence)
            row = await self._sql.row(_NEXT, {"of": conversation})
        if row is None or row.state != "ready" or row.not_before > now:
            return None
        if await self._sql.row(_EARLIER, {"of": conversation}) is not None:
            return None
        taken = await self._sql.row(_TAKE, {"row": row.id, "by": holder, "at": self._sql.now})
        return None if taken is None else _from_row(taken)

    async def _withdraw(self, conversation: str, risen: int) -> None:
        """What was to be said under a lower fence is not said; the transcript tells the agent so."""
        for row in await self._sql.rows(_OVERTAKEN, {"of": conversation, "risen": risen}):
            # One that may have left already is not made again either, but nobody can say that it was withheld.
            await self._withhold(
                row.id, row.message, Delivery.UNKNOWN if load(Call, row.call).since else Delivery.SUPERSEDED
            )

    async def withdraw(self, conversation: str, turns: Collection[str]) -> bool:
        """Take back the messages of these turns of which nothing has left yet; whether nothing of the turns is left.

        It must run inside `Store.write`, in a transaction that keeps others from taking rows of the conversation.
        """
        rows = [row for turn in sorted(turns) for row in await self.list(conversation, turn=turn)]
        left = [row for row in rows if row.state is not Delivery.SUPERSEDED]
        gone = begun(left)
        for row in left:
            if row.message not in gone:
                await self._withhold(row.id, row.message, Delivery.SUPERSEDED)
        return not gone

    async def _withhold(self, id: str, message: str, state: Delivery) -> None:
        await self.failed(id, state)
        if message:
            await Transcript(self._sql).add_facts(message, {"delivery": state.value})

    async def get(self, id: str) -> Outgoing | None:
        """The row with this id."""
        row = await self._sql.row(select(table).where(table.c.id == id))
        return None if row is None else _from_row(row)

    async def sent(self, id: str, message_id: str = "") -> None:
        """It arrived, as `message_id`, which the transcript message remembers too."""
        message = await self._sql.value(_SENT, {"row": id, "told": message_id, "at": self._sql.now})
        if not message or not message_id:
            return
        ids = await self._sql.value(_IDS, {"of": message})
        if ids is not None:
            await self._sql.run(_NAME, {"of": message, "ids": [*ids, message_id]})

    async def failed(self, id: str, state: Delivery, holder: str | None = None) -> bool:
        """It will not be tried again: REFUSED, UNKNOWN or SUPERSEDED.

        False, with nothing changed, when a `holder` is given and the row is not being sent under that lease any more.
        """
        if state not in (Delivery.UNKNOWN, Delivery.REFUSED, Delivery.SUPERSEDED):
            raise ValueError(f"{state} is not a failure")
        change = update(table).where(table.c.id == id)
        if holder is not None:
            change = change.where(table.c.state == "sending", table.c.holder == holder)
        return await self._sql.run(change.values(state=state.value, changed_at=self._sql.now)) == 1

    async def later(self, id: str, not_before: int, call: Call | None = None, holder: str = "") -> None:
        """Back to its place in the queue, not before this moment; as `call` where it may have left already.

        Nothing changes when the row is not being sent under the lease `holder` any more.
        """
        changes: dict[str, Any] = {"state": "ready", "not_before": not_before, "changed_at": self._sql.now}
        if call is not None:
            changes["call"] = dump(call)
        change = update(table).where(table.c.id == id, table.c.state == "sending", table.c.holder == holder)
        await self._sql.run(change.values(changes))

    async def in_flight(self, conversation: str) -> bool:
        """Whether a row of this conversation is being sent right now."""
        query = select(exists().where(table.c.conversation == conversation, table.c.state == "sending"))
        return bool(await self._sql.value(query))

    async def waiting(self) -> tuple[str, ...]:
        """The conversations with ready rows, the longest waiting first."""
        query = select(table.c.conversation).where(_UNSENT, table.c.state == "ready")
        return tuple(dict.fromkeys(await self._sql.column(query.order_by(table.c.id))))

    async def due(self, conversation: str) -> int | None:
        """When the next row may leave (0: at once); None when none is ready, or one is being sent."""
        row = await self._sql.row(_NEXT, {"of": conversation})
        return int(row.not_before) if row is not None and row.state == "ready" else None

    async def stuck(self, conversation: str = "") -> tuple[Outgoing, ...]:
        """Rows marked as being sent, of one conversation or of all; if nobody sends, nobody knows whether they left."""
        query = select(table).where(_UNSENT, table.c.state == "sending")
        if conversation:
            query = query.where(table.c.conversation == conversation)
        return tuple(_from_row(row) for row in await self._sql.rows(query.order_by(table.c.id)))

    async def list(self, conversation: str, *, message: str = "", turn: str = "") -> tuple[Outgoing, ...]:
        """The rows of a conversation in order, of one transcript message or one turn where given."""
        query = select(table).where(table.c.conversation == conversation)
        if message:
            query = query.where(table.c.message == message)
        if turn:
            query = query.where(table.c.turn == turn)
        return tuple(_from_row(row) for row in await self._sql.rows(query.order_by(table.c.seq)))

    async def carried(self, conversation: str, words: str) -> tuple[frozenset[Delivery], ...]:
        """What became of the bot's messages with these words in them: of each that was queued, the states of its rows.

        Which row of a message holds the words is the door's choice.
        """
        query = (
            select(table.c.message, table.c.state)
            .join(messages, messages.c.id == table.c.message)
            .where(table.c.conversation == conversation, table.c.role == Role.BOT.value)
            .where(messages.c.text.contains(words, autoescape=True))
        )
        fates: dict[str, set[Delivery]] = {}
        for row in await self._sql.rows(query):
            fates.setdefault(row.message, set()).add(Delivery(row.state))
        return tuple(frozenset(fate) for fate in fates.values())
