"""The waiting list: whom the desk names first.

Whoever waits longest comes first. Where the operator tells customers so (POLYDESK_TONE_NOTICE), the tone of what they
say may move them ahead of others, by a bounded step: nobody who has waited for HEAD_START is ever overtaken, so nobody
waits longer than that because of it (a conversation that an agent is just having aside). Nothing else hangs on tone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.asking import Prediction, Question, ToneBy
from core.conversation import Conversation, Owner

HEAD_START = 10 * 60_000  # ms; as long as it takes until the customer hears that nobody has come yet
STRAINED_FROM = 0.8  # what counts as strained; the figures of docs/models/tone.md are for this


def in_order(waiting: Iterable[Conversation], now: int) -> tuple[Conversation, ...]:
    """Who waits at the desk, first the first to be taken, at the moment `now` (UTC milliseconds).

    Those who have waited for HEAD_START or longer, then the strained, then the others; each as they came.
    """
    return tuple(sorted(waiting, key=lambda one: (_rank(one, now), one.waiting_since, one.id)))


def moved_ahead(conversation: Conversation, now: int) -> bool:
    """Whether somebody waits at the desk before others because of their tone."""
    return conversation.owner is Owner.DESK and _rank(conversation, now) == 1


def may_look(conversation: Conversation, notice: str) -> bool:
    """Whether tone may be looked at once the notice has arrived (`core.noticing`): it was said, no human has come."""
    return bool(notice) and conversation.open and conversation.noticed and conversation.owner is not Owner.AGENT


def noted(conversation: Conversation, prediction: Prediction) -> Conversation:
    """The conversation with what its waiting list needs: whether strain was found, and where."""
    if conversation.owner is Owner.AGENT or prediction.tone is None or prediction.tone < STRAINED_FROM:
        return conversation
    return replace(conversation, strained=(prediction.tone_by or ToneBy.WORDS).value)


def forgotten(prediction: Prediction) -> Prediction:
    """What is kept of a prediction: all but the tone."""
    return replace(prediction, tone=None, tone_by=None)


def unasked(question: Question) -> Question:
    """What is kept of a question: whoever asks it again, to see why the bot said what, asks for no tone."""
    return replace(question, tone=False)


def _rank(conversation: Conversation, now: int) -> int:
    if now - conversation.waiting_since >= HEAD_START:
        return 0
    return 1 if conversation.strained else 2
