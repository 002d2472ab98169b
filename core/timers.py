"""What happens when nobody comes: waiting customers, silent agents, conversations that ended by themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from core import conversation as moves
from core.bell import Bell
from core.conversation import Conversation
from core.delivery import Courier
from core.errors import NotAllowed, PolydeskError
from core.knowledge.hours import is_open, next_opening
from core.live import Live
from core.ports import Clock
from core.saying import Saying, voice_for
from core.speaking import SYSTEM, Mouth
from core.store.store import Store, Tx

log = structlog.get_logger()

MINUTE = 60_000

Move = Callable[[Conversation, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take, in milliseconds."""

    unclaimed: int = 10 * MINUTE
    agent: int = 30 * MINUTE
    idle: int = 24 * 60 * MINUTE


class Timers:
    """Looks, whenever it is asked to tick, for conversations whose time has come."""

    def __init__(
        self, store: Store, live: Live, mouth: Mouth, courier: Courier, bell: Bell, clock: Clock, patience: Patience
    ) -> None:
        self._store = store
        self._live = live
        self._mouth = mouth
        self._courier = courier
        self._bell = bell
        self._clock = clock
        self._patience = patience

    async def tick(self) -> None:
        """Do what is due; each conversation by itself, so that one that fails harms no other."""
        now = self._clock.now()
        due = await self._store.read(
            lambda tx: tx.conversations.due(
                waiting_before=now - self._patience.unclaimed,
                silent_before=now - self._patience.agent,
                idle_before=now - self._patience.idle,
            )
        )
        for conversation in due.waiting:
            await self._alone(self._nobody_came, conversation, now)
        for conversation in due.silent:
            # Only a customer who wrote since, or was never answered, can miss an agent's word.
            if conversation.heard_at > conversation.agent_at or conversation.waiting_since:
                await self._alone(self._agent_is_silent, conversation, now)
        for conversation in due.idle:
            await self._alone(self._ended, conversation, now)

    @staticmethod
    async def _alone(move: Move, conversation: Conversation, now: int) -> None:
        try:
            await move(conversation, now)
        except PolydeskError as problem:
            # Somebody was faster, or the database is away: the next tick looks again.
            log.info("timers.later", conversation=conversation.id, problem=str(problem))
        except Exception:
            log.exception("timers.failed", conversation=conversation.id)

    async def _ended(self, conversation: Conversation, now: int) -> None:
        """Nobody has said a word for a day."""

        async def close(tx: Tx) -> None:
            kept = await tx.conversations.put(moves.resolve(conversation, now))
            # It has the row to itself now, and sees what was heard since the look around.
            if kept.heard_at > conversation.heard_at or await tx.ledger.pending(conversation.id):
                raise NotAllowed("the customer has said something that waits for its answer")
            await tx.desk.close(conversation.id)

        await self._store.write(close)
        self._bell.ring(conversation.id)

    async def _nobody_came(self, conversation: Conversation, now: int) -> None:
        """Tell the customer once, the agents again and again; outside the working hours nobody is expected."""
        published = await self._live.of(conversation.kb_id)
        desk = published.knowledge.desk
        # Whoever wrote at night waits from the morning on.
        since = next_opening(desk, conversation.waiting_since) or conversation.waiting_since
        if not is_open(desk, now) or now - since < self._patience.unclaimed:
            return
        first = conversation.reminded_at == 0
        minutes = (now - since) // MINUTE

        async def remind(tx: Tx) -> None:
            moved = await tx.conversations.put(replace(conversation, reminded_at=now))
            if first:
                words = Saying(voice_for(moved, published.knowledge).say("nobody", minutes=minutes))
                await self._mouth.say(tx, moved, words, now=now, author=SYSTEM)

        await self._store.write(remind)
        self._tell(conversation.id)

    async def _agent_is_silent(self, conversation: Conversation, now: int) -> None:
        """First a reminder to the agent, then the conversation goes back to the desk, never silently to the bot."""

        async def move(tx: Tx) -> None:
            if conversation.reminded_at == 0:
                await tx.conversations.put(replace(conversation, reminded_at=now))
                text = f"{conversation.agent_name}, the customer is waiting for your answer."
                await tx.transcript.note(conversation.id, SYSTEM, text)
                return
            moved = await tx.conversations.put(moves.give_up(conversation, now))
            await tx.desk.unclaim(moved.id)
            text = f"{conversation.agent_name} did not answer, so the conversation waits at the desk again."
            await tx.transcript.note(moved.id, SYSTEM, text)

        await self._store.write(move)
        self._tell(conversation.id)

    def _tell(self, id: str) -> None:
        self._courier.wake(id)
        self._bell.ring(id)
