"""The room of the transcript: what was said, as the desk shows it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from core.store.conversations import next_seq
from core.store.sql import Sql
from core.store.tables import messages as table
from core.store.tables import new_id
from core.values import Address, Attachment, Author, Role
from core.wire import dump, load


class MessageKind(StrEnum):
    """Who sees a message: both sides, agents only (note, and draft of the bot), or both as a line of the system."""

    SAID = "said"
    NOTE = "note"
    DRAFT = "draft"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a transcript.

    `seq` orders it inside its conversation; `event` is the id of the event it came with; `platform_ids` are the
    platform's ids of what the customer wrote or of what we sent; `facts` holds evidence: `transcript` of a voice note,
    scores, `tap` for a tapped button.
    """

    id: str
    conversation: str
    seq: int
    kind: MessageKind
    author: Author
    text: str
    at: int
    attachments: tuple[Attachment, ...] = ()
    event: str = ""
    platform_ids: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    edited_at: int = 0
    deleted_at: int = 0


_INSERT = insert(table)
_BY_ID = select(table).where(table.c.id == bindparam("message"))
_BY_PLACE = select(table).where(table.c.place == bindparam("at_place")).order_by(table.c.id.desc())
_BY_EVENT = select(table).where(table.c.event == bindparam("of_event")).order_by(table.c.seq)


def place_of(address: Address, platform_id: str) -> str:
    """The one place of a platform's message: ids alone repeat from chat to chat. Empty when the platform gave none."""
    return json.dumps([address.platform, address.account, address.chat, platform_id]) if platform_id else ""


def _ids(place: str, sent: Sequence[str]) -> tuple[str, ...]:
    return (json.loads(place)[3],) if place else tuple(sent)


def _from_row(row: Row[Any]) -> Message:
    kept = row._mapping
    return Message(
        id=kept["id"],
        conversation=kept["conversation"],
        seq=kept["seq"],
        kind=MessageKind(kept["kind"]),
        author=Author(kept["author_id"], kept["author_name"], Role(kept["role"])),
        text=kept["text"],
        at=kept["at"],
        attachments=tuple(load(Attachment, part) for part in kept["attachments"]),
        event=kept["event"],
        platform_ids=_ids(kept["place"], kept["platform_ids"]),
        facts=kept["facts"],
        edited_at=kept["edited_at"],
        deleted_at=kept["deleted_at"],
    )


class Transcript:
    """Transcripts of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def append(
        self,
        conversation: str,
        author: Author,
        text: str,
        *,
        kind: MessageKind = MessageKind.SAID,
        attachments: Sequence[Attachment] = (),
        event: str = "",
        place: str = "",
        facts: Mapping[str, Any] | None = None,
        at: int = 0,
        seq: int = 0,
    ) -> Message:
        """Add a message at the end; `at` defaults to now, `seq` to the conversation's next number.

        `place` is `place_of` the customer's message on the platform.

        Raises:
            Conflict: there is no such conversation.
        """
        message = Message(
            id=new_id(),
            conversation=conversation,
            seq=seq or await next_seq(self._sql, conversation),
            kind=kind,
            author=Author(author.id, author.name, author.role),
            text=text,
            at=at or self._sql.now,
            attachments=tuple(attachments),
            event=event,
            platform_ids=_ids(place, ()),
            facts=dict(facts or {}),
        )
        row = {
            "id": message.id,
            "conversation": conversation,
            "seq": message.seq,
            "kind": kind.value,
            "role": author.role.value,
            "author_id": author.id,
            "author_name": author.name,
            "text": text,
            "attachments": [dump(part) for part in attachments],
            "at": message.at,
            "event": event,
            "place": place,
            "platform_ids": [],
            "facts": message.facts,
        }
        await self._sql.run(_INSERT, row)
        return message

    async def note(self, conversation: str, agent: Author, text: str, *, event: str = "") -> Message:
        """Add an internal note, which no customer sees."""
        return await self.append(conversation, agent, text, kind=MessageKind.NOTE, event=event)

    async def draft(self, conversation: str, text: str, facts: Mapping[str, Any] | None = None) -> Message:
        """Add what the bot would have said, for the agent to take or leave."""
        author = Author(id="bot", role=Role.BOT)
        return await self.append(conversation, author, text, kind=MessageKind.DRAFT, facts=facts)

    async def get(self, id: str) -> Message | None:
        """The message with this id."""
        return self._one(await self._sql.row(_BY_ID, {"message": id}))

    async def of_event(self, event: str) -> Message | None:
        """The message that came with this event."""
        return self._one(await self._sql.row(_BY_EVENT, {"of_event": event}))

    async def find(self, address: Address, platform_id: str) -> Message | None:
        """The customer's message that has this id on the platform, whatever conversation it belongs to; the latest."""
        if not platform_id:
            return None
        return self._one(await self._sql.row(_BY_PLACE, {"at_place": place_of(address, platform_id)}))

    async def list(self, conversation: str, *, after: int = 0, limit: int = 1000) -> tuple[Message, ...]:
        """Messages with a `seq` above `after`, in order, the deleted ones too."""
        query = select(table).where(table.c.conversation == conversation, table.c.seq > after)
        return self._all(await self._sql.rows(query.order_by(table.c.seq).limit(limit)))

    async def latest(self, conversation: str, *, limit: int = 1) -> tuple[Message, ...]:
        """The last messages, in order."""
        query = select(table).where(table.c.conversation == conversation).order_by(table.c.seq.desc()).limit(limit)
        return self._all(reversed(await self._sql.rows(query)))

    async def history(self, conversation: str, *, without: Collection[str] = (), limit: int = 10) -> tuple[str, ...]:
        """What the customer wrote or said earlier in this conversation, oldest first: a Question's `history`.

        `without` names the events of the turn that is being answered. A voice note counts by its transcript; taps and
        deleted messages do not count.
        """
        query = select(table.c.text, table.c.facts).where(
            table.c.conversation == conversation,
            table.c.role == Role.CUSTOMER.value,
            table.c.kind == MessageKind.SAID.value,
            table.c.deleted_at == 0,
        )
        if without:
            query = query.where(table.c.event.not_in(list(without)))
        told = []
        for row in await self._sql.rows(query.order_by(table.c.seq.desc()).limit(limit * 3)):
            words = " ".join(part for part in (row.text, str(row.facts.get("transcript", ""))) if part)
            if words and "tap" not in row.facts:
                told.append(words)
        return tuple(reversed(told[:limit]))

    async def edit(self, id: str, text: str, attachments: Sequence[Attachment] | None = None) -> bool:
        """Replace the words of a message (and its files, where given); False when there is none."""
        values: dict[str, Any] = {"text": text, "edited_at": self._sql.now}
        if attachments is not None:
            values["attachments"] = [dump(part) for part in attachments]
        return await self._sql.run(update(table).where(table.c.id == id).values(values)) == 1

    async def delete(self, id: str) -> bool:
        """Mark a message as deleted; False when there is none."""
        return await self._sql.run(update(table).where(table.c.id == id).values(deleted_at=self._sql.now)) == 1

    async def add_facts(self, id: str, facts: Mapping[str, Any]) -> bool:
        """Add facts to a message, such as the `transcript` of its voice note; False when there is none."""
        kept = await self._sql.value(select(table.c.facts).where(table.c.id == id).with_for_update())
        if kept is None:
            return False
        return await self._sql.run(update(table).where(table.c.id == id).values(facts={**kept, **facts})) == 1

    async def set_attachments(self, id: str, attachments: Sequence[Attachment]) -> bool:
        """Replace a message's files, once they are fetched, without calling it edited; False when there is none."""
        plain = [dump(part) for part in attachments]
        return await self._sql.run(update(table).where(table.c.id == id).values(attachments=plain)) == 1

    @staticmethod
    def _one(row: Row[Any] | None) -> Message | None:
        return None if row is None else _from_row(row)

    @staticmethod
    def _all(rows: Any) -> tuple[Message, ...]:
        return tuple(_from_row(row) for row in rows)
