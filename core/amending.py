"""What a late part belongs to: a turn that was answered before all of it had arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.store.outbox import Delivery, begun
from core.store.store import Tx
from core.values import InboundEvent

MISSES = "misses"  # beside a decision that is kept: the conversation's misses with which it was judged
LATE_MS = 60_000  # after which a part of an album is a message of its own


@dataclass(frozen=True, slots=True)
class Amended:
    """A turn that goes on: what the customer said and did not take back, what was decided, the id of our reply.

    `reply` is empty when the reply cannot be replaced: none arrived yet, it took several messages, or we have said
    more since. `first` tells that the reply was the first thing we said in the conversation, so that it says who is
    speaking. `turns` are all the ids under which it was kept; `misses` is the conversation's when it was first judged.
    """

    events: tuple[InboundEvent, ...]
    decision: dict[str, Any]
    reply: str
    first: bool
    turns: frozenset[str]
    misses: int


async def amended(tx: Tx, conversation: str, events: Sequence[InboundEvent], now: int) -> Amended | None:
    """The answered turn that these events are late parts of: further items of its album; None when they are not."""
    groups = {event.group for event in events}
    if "" in groups:
        return None
    last = await tx.turns.last(conversation)
    if last is None or last.decision is None or now - last.opened_at > LATE_MS:
        return None
    before = await tx.ledger.settled(last.events)
    if not groups <= {event.group for event, _ in before}:
        return None
    # It may have been amended already: what we said stands under any of the turns of its events.
    turns = frozenset(turn for _, turn in before if turn)
    said = await tx.outbox.list(conversation)
    left = [row for row in said if row.state != Delivery.SUPERSEDED]
    mine = [row for row in left if row.turn in turns]
    gone = begun(mine)
    stand = [row for row in mine if row.message in gone]  # the others can still be withdrawn
    shown = {row.message_id for row in stand}
    whole = len(shown) == 1 and all(row.state == Delivery.SENT for row in stand)
    # Words of ours that came after it would be read before it.
    latest = max((row.seq for row in left if row.turn not in turns), default=0)
    reply = shown.pop() if whole and latest < stand[0].seq else ""
    first = bool(said) and said[0].turn in turns
    judged = last.decision
    decision = {name: part for name, part in judged.items() if name != MISSES}
    said_now = [event for event, _ in before if not await _deleted(tx, event)]
    return Amended(tuple(said_now), decision, reply, first, turns, int(judged.get(MISSES, 0)))


async def _deleted(tx: Tx, event: InboundEvent) -> bool:
    message = await tx.transcript.of_event(event.id)
    return message is not None and bool(message.deleted_at)
