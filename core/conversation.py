"""A conversation's states, and the named moves between them.

```
            hand_over                claim
   BOT ------------------> DESK ------------------> AGENT
    ^  <--- ask_the_bot ---  |  <---- give_up -----   |
    |                                                 |
    +------------------- hand_back -------------------+        resolve: from anywhere, for good
```

What the customer said before `resolve` and nobody answered is answered no more: the closing words say how to go on.
Time alone resolves nothing that still waits for an answer.

A move returns a new conversation or raises NotAllowed. Moves that take the word from the bot raise the fence: what was
queued under a lower fence is never sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from core.errors import NotAllowed
from core.values import Address, Author


class Owner(StrEnum):
    """Who has the word."""

    BOT = "bot"
    DESK = "desk"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Conversation:
    """One (address, author) until it is resolved or silent for a day.

    `misses` counts the turns in a row for which nothing was good enough; `waiting_since` is when a human was asked;
    `reminded_at` is when the customer or the agent was last told that nobody came; `agent` and `agent_name` say who has
    it; `blocked` is set while the customer blocks the bot; `acknowledged` once whoever writes to humans has heard that
    they are there; `noticed` once it was said that tone is looked at (whether it arrived: `core.noticing`); `strained`
    says where strain was found (`core.waiting`), and is empty again as soon as a human has come.
    """

    id: str
    address: Address
    author: Author
    bot_id: str
    kb_id: str
    opened_at: int
    heard_at: int
    owner: Owner = Owner.BOT
    fence: int = 0
    language: str = ""
    misses: int = 0
    welcomed: bool = False
    reason: str = ""
    waiting_since: int = 0
    reminded_at: int = 0
    acknowledged: bool = False
    agent: str = ""
    agent_name: str = ""
    agent_at: int = 0
    blocked: bool = False
    resolved_at: int = 0
    noticed: bool = False
    strained: str = ""

    @property
    def open(self) -> bool:
        """Whether it still goes on."""
        return self.resolved_at == 0


def _must_be_open(conversation: Conversation) -> None:
    if not conversation.open:
        raise NotAllowed("this conversation is resolved; the customer's next message opens a new one")


def hand_over(conversation: Conversation, reason: str, now: int) -> Conversation:
    """The bot asks for a human."""
    _must_be_open(conversation)
    if conversation.owner is not Owner.BOT:
        raise NotAllowed(f"a human was asked already (the {conversation.owner} has it)")
    return replace(
        conversation, owner=Owner.DESK, reason=reason, waiting_since=now, reminded_at=0, acknowledged=False, misses=0
    )


def ask_the_bot(conversation: Conversation) -> Conversation:
    """The waiting customer would rather have the bot again."""
    _must_be_open(conversation)
    if conversation.owner is not Owner.DESK:
        raise NotAllowed("only a conversation that waits for a human can go back to the bot this way")
    return replace(conversation, owner=Owner.BOT, reason="", waiting_since=0, reminded_at=0, misses=0, strained="")


def claim(conversation: Conversation, agent: str, name: str, now: int) -> Conversation:
    """An agent takes it over, from the desk or straight from the bot; the fence rises."""
    _must_be_open(conversation)
    if conversation.owner is Owner.AGENT:
        if conversation.agent == agent:
            return conversation
        raise NotAllowed(f"{conversation.agent_name} has this conversation; ask them to hand it back")
    return replace(
        conversation,
        owner=Owner.AGENT,
        fence=conversation.fence + 1,
        agent=agent,
        agent_name=name,
        agent_at=now,
        # The customer goes on waiting until the agent has said something.
        waiting_since=conversation.waiting_since or now,
        reminded_at=0,
        acknowledged=True,
        misses=0,
        noticed=False,  # words of the bot that had not left yet are dropped, the notice with them
        strained="",
    )


def agent_spoke(conversation: Conversation, agent: str, now: int) -> Conversation:
    """The agent wrote to the customer; only the one who claimed may."""
    _must_be_open(conversation)
    if conversation.owner is not Owner.AGENT or conversation.agent != agent:
        raise NotAllowed("claim the conversation first: only the agent who has it may write to the customer")
    return replace(conversation, agent_at=now, waiting_since=0, reminded_at=0)


def hand_back(conversation: Conversation, agent: str) -> Conversation:
    """The agent gives the word back to the bot."""
    _must_be_open(conversation)
    if conversation.owner is not Owner.AGENT or conversation.agent != agent:
        raise NotAllowed("only the agent who has the conversation can hand it back")
    return replace(
        conversation,
        owner=Owner.BOT,
        fence=conversation.fence + 1,
        agent="",
        agent_name="",
        agent_at=0,
        reason="",
        waiting_since=0,
        reminded_at=0,
    )


def give_up(conversation: Conversation, now: int) -> Conversation:
    """A silent agent loses the conversation to the desk, never silently to the bot."""
    _must_be_open(conversation)
    if conversation.owner is not Owner.AGENT:
        raise NotAllowed("no agent has this conversation")
    return replace(
        conversation,
        owner=Owner.DESK,
        fence=conversation.fence + 1,
        agent="",
        agent_name="",
        agent_at=0,
        waiting_since=now,
        reminded_at=0,
        acknowledged=True,
    )


def resolve(conversation: Conversation, now: int, agent: str = "") -> Conversation:
    """It is done, by an agent or by time; the customer's next message opens a new one."""
    _must_be_open(conversation)
    if agent and conversation.owner is Owner.AGENT and conversation.agent != agent:
        raise NotAllowed(f"{conversation.agent_name} has this conversation; ask them to resolve it")
    return replace(conversation, fence=conversation.fence + 1, resolved_at=now, strained="")
