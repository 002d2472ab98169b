"""The named moves, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import conversation as moves
from core.conversation import Conversation, Owner
from core.errors import NotAllowed
from core.values import Address, Author

FRESH = Conversation("1", Address("fake", "bot", "c"), Author("u"), "default", "default", 1, 1)

MOVES: dict[str, Callable[[Conversation], Conversation]] = {
    "hand_over": lambda c: moves.hand_over(c, "asked", 2),
    "ask_the_bot": lambda c: moves.ask_the_bot(c),
    "claim": lambda c: moves.claim(c, "mia", "Mia", 2),
    "claim_tom": lambda c: moves.claim(c, "tom", "Tom", 2),
    "agent_spoke": lambda c: moves.agent_spoke(c, "mia", 2),
    "hand_back": lambda c: moves.hand_back(c, "mia"),
    "give_up": lambda c: moves.give_up(c, 2),
    "resolve": lambda c: moves.resolve(c, 2),
}


def test_the_drawn_road() -> None:
    waiting = moves.hand_over(FRESH, "asked", 5)
    assert (waiting.owner, waiting.waiting_since, waiting.reason) == (Owner.DESK, 5, "asked")
    claimed = moves.claim(waiting, "mia", "Mia", 6)
    assert (claimed.owner, claimed.agent, claimed.fence) == (Owner.AGENT, "mia", 1)
    back = moves.hand_back(claimed, "mia")
    assert (back.owner, back.agent, back.fence) == (Owner.BOT, "", 2)


def test_a_resolved_conversation_refuses_every_move() -> None:
    done = moves.resolve(FRESH, 9)
    for move in MOVES.values():
        with pytest.raises(NotAllowed):
            move(done)


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=30))
def test_no_order_of_moves_gives_the_bot_the_word_while_an_agent_has_it(names: list[str]) -> None:
    conversation = FRESH
    for name in names:
        before = conversation
        try:
            conversation = MOVES[name](before)
        except NotAllowed:
            continue
        assert conversation.fence >= before.fence
        if before.owner is Owner.AGENT and conversation.owner is Owner.BOT:
            assert name == "hand_back"
        if before.owner is not Owner.AGENT and conversation.owner is Owner.AGENT:
            assert conversation.fence == before.fence + 1
        assert (conversation.owner is Owner.AGENT) == bool(conversation.agent)
