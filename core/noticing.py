"""Whether the notice about tone has reached a customer, told by what became of the words that carried it."""

from __future__ import annotations

from dataclasses import replace

from core.conversation import Conversation
from core.store.outbox import Delivery
from core.store.store import Tx
from core.waiting import may_look

_HOPEFUL = frozenset((Delivery.READY, Delivery.SENDING, Delivery.SENT))


async def as_told(tx: Tx, conversation: Conversation, notice: str) -> Conversation:
    """The conversation, `noticed` only while words with this notice have arrived or still may: else it is said again.

    Words that the platform refused, that were withdrawn, that may not have arrived, or that were never queued (the
    customer blocked the bot, the door was shut) have told nobody.
    """
    if not (notice and conversation.noticed):
        return conversation
    fates = await tx.outbox.carried(conversation.id, notice)
    return replace(conversation, noticed=any(fate <= _HOPEFUL for fate in fates))


async def tone_allowed(tx: Tx, conversation: Conversation, notice: str) -> bool:
    """Whether the tone of what a customer says now may be looked at: the notice has arrived, not only been queued."""
    if not may_look(conversation, notice):
        return False
    return any(fate == {Delivery.SENT} for fate in await tx.outbox.carried(conversation.id, notice))
