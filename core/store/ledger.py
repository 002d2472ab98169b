"""The room of the ledger: what platforms told us, each thing once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from core.conversation import Conversation, Owner, resolve
from core.store.conversations import OPEN_AT_LOCKED, Conversations, Kept, from_row, open_at
from core.store.sql import Sql
from core.store.tables import buttons, conversations, handoffs, new_id
from core.store.tables import events as table
from core.store.transcript import Message, Transcript, place_of
from core.values import Address, EventKind, InboundEvent, Problem
from core.wire import dump, load


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of a new event.

    `conversation` is None when nothing was stored; `seq` is the event's place in the conversation; `message` the
    transcript message it made or changed; `opened` tells that it opened the conversation, `resolved` which silent one
    was resolved for it; `waits` tells that the event is pending: somebody must do something about it.
    """

    conversation: Conversation | None = None
    seq: int = 0
    message: str = ""
    opened: bool = False
    resolved: str = ""
    waits: bool = False


def silent(conversation: Conversation, idle_ms: int, now: int) -> bool:
    """Whether nobody has said a word for longer than `idle_ms`.

    A customer who waits for a human is not silent, however long we let them wait.
    """
    last = max(conversation.heard_at, conversation.agent_at)
    return conversation.owner is not Owner.DESK and now - last > idle_ms


_KNOWN = select(table.c.id).where(table.c.key == bindparam("known"))
_VALUES: dict[str, Any] = {
    name: bindparam(name)
    for name in ("id", "key", "conversation", "seq", "kind", "message", "payload", "state", "heard_at")
}
_INSERT = {
    "sqlite": sqlite.insert(table).values(_VALUES).on_conflict_do_nothing(index_elements=["key"]).returning(table.c.id),
    "postgresql": postgresql.insert(table)
    .values(_VALUES)
    .on_conflict_do_nothing(index_elements=["key"])
    .returning(table.c.id),
}
_OPEN = {
    "sqlite": sqlite.insert(conversations).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(conversations).on_conflict_do_nothing(),
}
_TOUCH = (
    update(conversations)
    .where(conversations.c.id == bindparam("conversation"))
    .values(seq=bindparam("to_seq"), heard_at=bindparam("heard"), author_name=bindparam("name"))
)
_PENDING = (
    select(table.c.payload)
    .where(table.c.conversation == bindparam("of"), table.c.state == "heard")
    .order_by(table.c.seq)
)
_LATEST = select(table.c.payload).where(table.c.conversation == bindparam("of")).order_by(table.c.seq.desc()).limit(12)
_LABEL = select(buttons.c.meaning).where(buttons.c.key == bindparam("tapped"))
_WRITTEN = select(table.c.payload).where(table.c.key == bindparam("known"), table.c.state == "heard")
_QUIET = (EventKind.DELETED, EventKind.BLOCKED, EventKind.UNBLOCKED)


def _in_chat(address: Address) -> ColumnElement[bool]:
    """Every open conversation of a chat, whoever writes in it."""
    return and_(
        conversations.c.platform == address.platform,
        conversations.c.account == address.account,
        conversations.c.chat == address.chat,
        conversations.c.resolved_at == 0,
    )


class Ledger:
    """The ledger of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._transcript = Transcript(sql)

    async def remember(self, event: InboundEvent, idle_ms: int, bot_id: str, kb_id: str) -> Heard | None:
        """Write an event down under its conversation; None when it is known already.

        The open conversation of (address, author) takes it; one that was silent for longer than `idle_ms`, with nothing
        pending, is resolved first and a new one opened. Nothing is stored, and `conversation` is None, for an event
        that does not address us outside an open conversation, and for a change or a block that concerns nothing we
        know.

        An edit of a message that is still pending changes the pending event and does not wait itself; of an answered
        one it waits as an event of its own. A deleted message that was pending does not wait any longer.
        """
        row = await self._sql.row(OPEN_AT_LOCKED, open_at(event.address, event.author.id))
        current = None if row is None else from_row(row)
        seq = 0 if row is None else int(row._mapping["seq"])
        target = await self._target(event)
        home = await self._home(event, current, target)
        if home is not None:
            current, seq = home
        elif event.kind in _QUIET or not (event.addressed or await self._continues(event, current)):
            return Heard()
        if home is None and (current is None or await self._over(current, idle_ms)):
            if await self._sql.value(_KNOWN, {"known": event.id}) is not None:
                return None
            stale = current
            current, seq = await self._open(event, stale, bot_id, kb_id)
        else:
            stale = None
        assert current is not None
        return await self._enter(event, current, seq + 1, target, stale)

    async def _over(self, current: Kept, idle_ms: int) -> bool:
        """Whether it has ended by itself; words that are still to be answered keep it going, however old they are."""
        return silent(current, idle_ms, self._sql.now) and await self._sql.value(_PENDING, {"of": current.id}) is None

    async def _continues(self, event: InboundEvent, current: Kept | None) -> bool:
        """Whether a group message that names nobody is meant for us all the same.

        It is inside the author's own thread with us, and as a part of an album whose captioned part named us. In a
        group without threads people talk to each other, whatever they asked us an hour ago.
        """
        if current is None:
            return False
        if event.address.thread or not event.group:
            return bool(event.address.thread)
        latest = await self._sql.column(_LATEST, {"of": current.id})
        return any(load(InboundEvent, plain).group == event.group for plain in latest)

    async def pending(self, conversation: str) -> tuple[InboundEvent, ...]:
        """The events that were heard and not settled, in the order in which they came.

        Messages in a row are in the order in which they were written: a webhook may deliver the second one first.
        """
        came = [load(InboundEvent, plain) for plain in await self._sql.column(_PENDING, {"of": conversation})]
        runs = groupby(
            came, key=lambda event: event.kind is EventKind.CREATED and not event.command and event.order != ""
        )
        return tuple(event for told, run in runs for event in (sorted(run, key=_order) if told else run))

    async def settle(self, conversation: str, ids: Collection[str], turn: str = "") -> int:
        """Mark events (by InboundEvent.id) as taken care of, by this turn; returns how many were pending."""
        if not ids:
            return 0
        change = update(table).where(
            table.c.conversation == conversation, table.c.key.in_(list(ids)), table.c.state == "heard"
        )
        return await self._sql.run(change.values(state="settled", turn=turn))

    async def settled(self, ids: Collection[str]) -> tuple[tuple[InboundEvent, str], ...]:
        """The events with these ids (InboundEvent.id) with the turn that took care of each, in their order."""
        query = select(table.c.payload, table.c.turn).where(table.c.key.in_(list(ids))).order_by(table.c.seq)
        return tuple((load(InboundEvent, row.payload), row.turn) for row in await self._sql.rows(query))

    async def turns_of(self, conversation: str, message: str) -> tuple[str, ...]:
        """The turns that took care of a message and of its edits, by the platform's id, the latest first."""
        query = select(table.c.turn).where(
            table.c.conversation == conversation, table.c.message == message, table.c.turn != ""
        )
        return await self._sql.column(query.order_by(table.c.seq.desc()))

    async def known(self, ids: Collection[str]) -> frozenset[str]:
        """Those of these ids (InboundEvent.id) that were heard, and not purged since."""
        return frozenset(await self._sql.column(select(table.c.key).where(table.c.key.in_(list(ids)))))

    async def amend(self, event: InboundEvent) -> bool:
        """Replace what is known about an event, such as the blobs of its files; False when it is gone."""
        change = update(table).where(table.c.key == event.id).values(payload=dump(event))
        return await self._sql.run(change) == 1

    async def spoil(self, ids: Collection[str], blobs: Collection[str]) -> None:
        """Note in these events (InboundEvent.id) that these files are damaged, so that no turn asks with them again.

        The transcript still shows them.
        """
        for event, _ in await self.settled(ids):
            parts = tuple(
                replace(part, blob="", problem=Problem.DAMAGED) if part.blob in blobs else part
                for part in event.attachments
            )
            if parts != event.attachments:
                await self.amend(replace(event, attachments=parts))

    async def unanswered(self) -> tuple[str, ...]:
        """The conversations with pending events, the longest waiting first; for a restart."""
        query = select(table.c.conversation).where(table.c.state == "heard").order_by(table.c.id)
        return tuple(dict.fromkeys(await self._sql.column(query)))

    async def purge(self, before: int) -> int:
        """Forget the settled events heard before this moment, their keys of dedupe included."""
        return await self._sql.run(delete(table).where(table.c.state == "settled", table.c.heard_at < before))

    async def _target(self, event: InboundEvent) -> Message | None:
        """The transcript message that the event changes, or whose edit came before it."""
        if event.kind not in (EventKind.EDITED, EventKind.DELETED, EventKind.CREATED):
            return None
        target = await self._transcript.find(event.address, event.message)
        if target is not None and event.kind is EventKind.CREATED and not target.edited_at:
            return None
        return target

    async def _home(self, event: InboundEvent, current: Kept | None, target: Message | None) -> tuple[Kept, int] | None:
        """The conversation of what the event changes, with its last number."""
        where = None
        if event.kind in (EventKind.EDITED, EventKind.DELETED) and target is not None:
            where = conversations.c.id == target.conversation
        elif event.kind in (EventKind.BLOCKED, EventKind.UNBLOCKED):
            where = _in_chat(event.address)
        if where is None:
            return None
        query = select(conversations).where(where).order_by(conversations.c.heard_at.desc()).limit(1)
        row = await self._sql.row(query.with_for_update())
        return None if row is None else (from_row(row), int(row._mapping["seq"]))

    async def _open(self, event: InboundEvent, stale: Kept | None, bot_id: str, kb_id: str) -> tuple[Kept, int]:
        now = self._sql.now
        if stale is not None:
            await Conversations(self._sql).put(resolve(stale, now))
            closing = update(handoffs).where(handoffs.c.conversation == stale.id, handoffs.c.closed_at == 0)
            await self._sql.run(closing.values(closed_at=now))
        values: dict[str, Any] = {
            "id": new_id(),
            "bot_id": bot_id,
            "kb_id": kb_id,
            "platform": event.address.platform,
            "account": event.address.account,
            "chat": event.address.chat,
            "thread": event.address.thread,
            "author_id": event.author.id,
            "author_name": event.author.name,
            "author_role": event.author.role.value,
            "author_language": event.author.language,
            "language": event.author.language,
            "opened_at": now,
            "heard_at": now,
            "owner": Owner.BOT.value,
        }
        await self._sql.run(_OPEN[self._dialect], values)
        row = await self._sql.row(OPEN_AT_LOCKED, open_at(event.address, event.author.id))
        assert row is not None
        return from_row(row), int(row._mapping["seq"])

    async def _enter(
        self, event: InboundEvent, conversation: Kept, seq: int, target: Message | None, stale: Kept | None
    ) -> Heard | None:
        now = self._sql.now
        quiet = event.kind in _QUIET
        written = None if target is None else await self._sql.value(_WRITTEN, {"known": target.event})
        late = target is not None and event.kind is EventKind.CREATED  # its edit came first and says it better
        # Platforms also report edits that nobody can see, such as a link that got its preview.
        same = target is not None and event.kind is EventKind.EDITED and _same(event, target)
        waits = conversation.open and not quiet and not late and not same and written is None
        values = {
            "id": new_id(),
            "key": event.id,
            "conversation": conversation.id,
            "seq": seq,
            "kind": event.kind.value,
            "message": event.message,
            "payload": dump(event),
            "state": "heard" if waits else "settled",
            "heard_at": now,
        }
        if await self._sql.value(_INSERT[self._dialect], values) is None:
            return None
        name = event.author.name or conversation.author.name
        heard_at = now if conversation.open and not quiet else conversation.heard_at
        touch = {"conversation": conversation.id, "to_seq": seq, "heard": heard_at, "name": name}
        await self._sql.run(_TOUCH, touch)
        kept: Conversation = replace(conversation, heard_at=heard_at, author=replace(conversation.author, name=name))
        message = "" if target is None else target.id
        if event.kind is EventKind.BLOCKED and await self._written_since(conversation.id, event.at):
            pass  # old news
        elif event.kind in (EventKind.BLOCKED, EventKind.UNBLOCKED):
            kept = await self._block(event.address, conversation.id, event.kind is EventKind.BLOCKED)
        elif target is None:
            message = (await self._say(event, conversation.id, seq)).id
        elif not late:
            await self._change(event, target, written)
        if kept.blocked and not quiet:  # whoever writes to us does not block us, whatever we were told
            kept = await self._block(event.address, conversation.id, False)
        opened = seq == 1 and conversation.opened_at == now
        return Heard(kept, seq, message, opened, "" if stale is None else stale.id, waits)

    async def _say(self, event: InboundEvent, conversation: str, seq: int) -> Message:
        text, facts = event.text, {}
        if event.kind is EventKind.TAPPED:
            facts["tap"] = event.tap
            if not text:
                meaning = await self._sql.value(_LABEL, {"tapped": event.tap})
                text = str(meaning.get("label", "")) if isinstance(meaning, dict) else ""
        message = await self._transcript.append(
            conversation,
            event.author,
            text,
            attachments=event.attachments,
            event=event.id,
            place="" if event.kind is EventKind.TAPPED else place_of(event.address, event.message),
            facts=facts,
            at=event.at,
            seq=seq,
        )
        if event.kind is EventKind.EDITED:  # the original has not come yet, or never will
            await self._transcript.edit(message.id, text)
        return message

    async def _change(self, event: InboundEvent, target: Message, written: Any) -> None:
        """Apply an edit or a deletion to the transcript, and to the event that is pending for it, if one is."""
        if event.kind is EventKind.DELETED:
            await self._transcript.delete(target.id)
            pending = and_(table.c.conversation == target.conversation, table.c.state == "heard")
            mine = or_(table.c.key == target.event, table.c.message == event.message)  # an edit of it too
            await self._sql.run(update(table).where(pending, mine).values(state="settled"))
            return
        await self._transcript.edit(target.id, event.text, event.attachments)
        if written is not None:
            await self.amend(replace(load(InboundEvent, written), text=event.text, attachments=event.attachments))

    async def _written_since(self, conversation: str, moment: int) -> bool:
        latest = [load(InboundEvent, plain) for plain in await self._sql.column(_LATEST, {"of": conversation})]
        return any(event.at > moment for event in latest if event.kind not in _QUIET)

    async def _block(self, address: Address, id: str, blocked: bool) -> Conversation:
        change = update(conversations).where(or_(conversations.c.id == id, _in_chat(address)))
        values = {"blocked": blocked, "version": conversations.c.version + 1}
        # What we said meanwhile, such as who is there now, was heard by nobody: it is acknowledged anew.
        await self._sql.run(change.values(values if blocked else {**values, "acknowledged": False}))
        row = await self._sql.row(select(conversations).where(conversations.c.id == id))
        assert row is not None
        return from_row(row)

    @property
    def _dialect(self) -> str:
        return self._sql.connection.dialect.name


def _order(event: InboundEvent) -> str:
    return event.order


def _same(event: InboundEvent, target: Message) -> bool:
    return event.text == target.text and [part.ref for part in event.attachments] == [
        part.ref for part in target.attachments
    ]
