"""The policy on its own."""

from __future__ import annotations

from dataclasses import replace

from core.asking import Answer, Candidate, Clarify, Escalate, Hold, Prediction, Question, Reason, Unread
from core.conversation import Conversation, Owner
from core.policy import decide
from core.values import Address, Author, Problem
from tests.core.conftest import KNOWLEDGE
from tests.fakes.house import sure

CONVERSATION = Conversation("1", Address("fake", "bot", "c"), Author("u"), "default", "default", 1, 1)
QUESTION = Question("q", "r")
SURE = sure(QUESTION, "track-order", 0.95, "opening-hours")


def test_a_human_who_has_the_word_keeps_it() -> None:
    assert decide(replace(CONVERSATION, owner=Owner.AGENT), SURE, KNOWLEDGE) == Hold(Reason.AGENT)
    assert decide(replace(CONVERSATION, owner=Owner.DESK), SURE, KNOWLEDGE) == Hold(Reason.DESK)


def test_sure_enough_answers_and_an_entry_can_ask_for_a_human_too() -> None:
    assert decide(CONVERSATION, SURE, KNOWLEDGE) == Answer("track-order")
    assert decide(CONVERSATION, sure(QUESTION, "warranty"), KNOWLEDGE) == Answer("warranty", then_escalate=True)


def test_rivals_and_middling_confidence_ask_back() -> None:
    close = replace(SURE, rivals=("opening-hours",))
    assert decide(CONVERSATION, close, KNOWLEDGE) == Clarify(("track-order", "opening-hours"))
    assert isinstance(decide(CONVERSATION, sure(QUESTION, "track-order", 0.5), KNOWLEDGE), Clarify)


def test_the_first_miss_offers_and_the_second_hands_over() -> None:
    lost = sure(QUESTION, "track-order", 0.1)
    first = decide(CONVERSATION, lost, KNOWLEDGE)
    assert first == Escalate(Reason.UNSURE, offer=True, nearest=("track-order",))
    second = decide(replace(CONVERSATION, misses=1), lost, KNOWLEDGE)
    assert isinstance(second, Escalate) and not second.offer


def test_what_was_disabled_or_deleted_since_is_never_said() -> None:
    assert isinstance(decide(CONVERSATION, sure(QUESTION, "old"), KNOWLEDGE), Escalate)
    assert isinstance(decide(CONVERSATION, sure(QUESTION, "gone"), KNOWLEDGE), Escalate)


def test_small_talk_language_and_what_could_not_be_read() -> None:
    assert decide(CONVERSATION, replace(SURE, builtin="thanks"), KNOWLEDGE) == Answer(builtin="thanks")
    assert decide(CONVERSATION, replace(SURE, builtin="person"), KNOWLEDGE) == Escalate(Reason.ASKED)
    assert decide(CONVERSATION, replace(SURE, spoken=False), KNOWLEDGE) == Escalate(Reason.LANGUAGE, offer=True)
    deaf = Prediction("q", 1, "r", "m", unread=(Unread("b", Problem.SILENT),))
    assert decide(CONVERSATION, deaf, KNOWLEDGE) == Escalate(Reason.UNREADABLE, offer=True)
    assert Candidate("a", 1.0).channels == {}
