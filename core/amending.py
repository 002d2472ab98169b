"""What a late part belongs to: a turn that was answered before all of it had arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.store.store import Tx
from core.values import InboundEvent

LATE_MS = 60_000  # after which a part of an album is a message of its own


@dataclass(frozen=True, slots=True)
class Amended:
    """A turn that goes on: what was said in it, what was decided, and the platform's id of our reply.

    `reply` is empty when the reply cannot be replaced: none arrived yet, or it took several messages. `first` tells
    that it was the conversation's first turn, whose reply says who is speaking.
    """

    turn: str
    events: tuple[InboundEvent, ...]
    decision: dict[str, Any]
    reply: str
    first: bool


async def amended(tx: Tx, conversation: str, events: Sequence[InboundEvent], now: int) -> Amended | None:
    """The answered turn that these events are late parts of: further items of its album; None when they are not."""
    groups = {event.group for event in events}
    if "" in groups:
        return None
    last = await tx.turns.last(conversation)
    if last is None or last.decision is None or now - last.opened_at > LATE_MS:
        return None
    before = await tx.ledger.of_turn(last.id)
    if not groups <= {event.group for event in before}:
        return None
    rows = await tx.outbox.list(conversation, turn=last.id)
    reply = rows[0].message_id if len(rows) == 1 else ""
    return Amended(last.id, before, last.decision, reply, len(await tx.turns.list(conversation)) == 1)
