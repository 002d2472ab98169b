"""The policy: what the bot does with what the model thinks."""

from __future__ import annotations

from core.asking import Answer, Clarify, Decision, Escalate, Hold, Prediction, Reason
from core.conversation import Conversation, Owner
from core.knowledge.entries import KnowledgeBase
from core.values import Address, Author

PERSON = "person"  # the small talk that means "I want a human"
SHOWN = 3  # how many topics fit into one "did you mean"


def decide(conversation: Conversation, prediction: Prediction, knowledge: KnowledgeBase) -> Decision:
    """Turn scores into a decision; called at delivery time, because a human may have taken over meanwhile.

    The thresholds travel with the prediction: they were calibrated for its release, none is a constant here.
    """
    if conversation.owner is Owner.AGENT:
        return Hold(Reason.AGENT)
    if conversation.owner is Owner.DESK:
        return Hold(Reason.DESK)
    if prediction.builtin == PERSON:
        return Escalate(Reason.ASKED)
    if prediction.builtin:
        return Answer(builtin=prediction.builtin)
    if not prediction.spoken:
        return Escalate(Reason.LANGUAGE, offer=conversation.misses == 0)

    # The release that was asked may be older than the one that is live: never say what was withdrawn since.
    known = tuple(one for one in prediction.candidates if _live(one.entry, knowledge))
    if not known:
        reason = Reason.UNREADABLE if prediction.unread else Reason.UNSURE
        return Escalate(reason, offer=conversation.misses == 0)
    best = known[0].entry
    sure = prediction.entry == best and prediction.confidence >= prediction.answer_at
    rivals = tuple(rival for rival in prediction.rivals if rival != best and _live(rival, knowledge))
    if sure and not rivals:
        return Answer(entry=best, then_escalate=_escalates(best, knowledge))
    if prediction.confidence >= prediction.clarify_at:
        others = rivals or tuple(one.entry for one in known[1:])
        return Clarify((best, *others)[:SHOWN])
    nearest = tuple(one.entry for one in known[:SHOWN])
    return Escalate(Reason.UNSURE, offer=conversation.misses == 0, nearest=nearest)


def alone(prediction: Prediction, knowledge: KnowledgeBase) -> Decision:
    """The decision for a question that nobody's conversation stands behind: `ask`, `evaluate`, the try-it box."""
    nobody = Conversation("", Address("", "", ""), Author(""), "", "", 0, 0)
    return decide(nobody, prediction, knowledge)


def kind(decision: Decision) -> str:
    """`answer`, `clarify`, `escalate` or `hold`, as commands and files name it."""
    return type(decision).__name__.lower()


def _live(id: str, knowledge: KnowledgeBase) -> bool:
    entry = knowledge.entry(id)
    return entry is not None and entry.enabled


def _escalates(id: str, knowledge: KnowledgeBase) -> bool:
    entry = knowledge.entry(id)
    return entry is not None and entry.escalate
