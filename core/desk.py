"""The desk: what agents do with conversations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from core import conversation as moves
from core.bell import Bell
from core.conversation import Conversation, Owner
from core.delivery import Courier
from core.errors import BadInput, NotAllowed
from core.knowledge.entries import NONE, KnowledgeBase
from core.live import Live
from core.ports import Clock
from core.saying import Saying, voice_for
from core.speaking import SYSTEM, Mouth
from core.store.labels import LabelKind
from core.store.store import Store, Tx
from core.values import Author, Role

Move = Callable[[Tx, Conversation, KnowledgeBase], Awaitable[Conversation]]

_UNDER_WAY = (
    "When you took over, a message of the bot had already been handed to the platform, which has not said yet whether "
    "it took it: it may still appear. Nothing else of the bot will."
)
CONFIRM_SECONDS = 10.0  # how long a claim waits for words of the bot that are on their way already


class Desk:
    """Every move commits, then tells: the customer, the other agents' pages, the outbox.

    Agents are `Author`s of role AGENT whose id is their log-in name. All methods raise NotAllowed when the
    conversation's state forbids the move, and BadInput when there is no such conversation.
    """

    def __init__(self, store: Store, live: Live, mouth: Mouth, courier: Courier, bell: Bell, clock: Clock) -> None:
        self._store = store
        self._live = live
        self._mouth = mouth
        self._courier = courier
        self._bell = bell
        self._clock = clock

    async def claim(self, id: str, agent: Author) -> Conversation:
        """Take a conversation over; when this returns, the bot has said its last word.

        But for one: what was handed to the platform before, and was not answered for within `CONFIRM_SECONDS`, may
        still appear. A note tells the agent so.
        """

        async def claim(tx: Tx, conversation: Conversation, knowledge: KnowledgeBase) -> Conversation:
            if conversation.owner is Owner.AGENT and conversation.agent == agent.id:
                return conversation
            moved = moves.claim(conversation, agent.id, agent.name or agent.id, self._clock.now())
            moved = await tx.conversations.put(replace(moved, welcomed=True))
            await tx.desk.claim(id, agent.id)
            await _label(tx, id, LabelKind.CLAIM, agent)
            await self._tell(tx, moved, knowledge, "claimed", name=moved.agent_name)
            return moved

        moved = await self._move(id, claim)
        self._wake(id)
        if not await self._courier.settled(id, CONFIRM_SECONDS):
            await self._store.write(lambda tx: tx.transcript.note(id, SYSTEM, _UNDER_WAY))
            self._bell.ring(id)
        return moved

    async def say(
        self,
        id: str,
        agent: Author,
        text: str,
        photos: Sequence[str] = (),
        *,
        entry: str = "",
        turn: str = "",
        key: str = "",
    ) -> Conversation:
        """Write to the customer; `photos` are blobs, `entry` the one whose answer the agent chose (a label).

        What comes again with the same `key`, since nobody heard that it had arrived, is not said twice.
        """
        if not text.strip() and not photos:
            raise BadInput("nothing to send: write something or add a photo")

        event = _event(id, key)

        async def say(tx: Tx, conversation: Conversation, knowledge: KnowledgeBase) -> Conversation:
            if event and await tx.transcript.of_event(event):
                return conversation
            moved = await tx.conversations.put(moves.agent_spoke(conversation, agent.id, self._clock.now()))
            if entry:
                await _label(tx, id, LabelKind.AGENT_ENTRY, agent, entry, turn)
            for blob in photos:
                await tx.blobs.refer(blob, id, "attachment")
            words = Saying(text.strip(), (), tuple(photos))
            await self._mouth.say(tx, moved, words, now=self._clock.now(), author=agent, event=event)
            return moved

        moved = await self._move(id, say)
        self._wake(id)
        return moved

    async def note(self, id: str, agent: Author, text: str, *, key: str = "") -> None:
        """Write an internal note, which no customer sees; `key` as in `say`."""
        if not text.strip():
            raise BadInput("nothing to note: write something")

        event = _event(id, key)

        async def note(tx: Tx, conversation: Conversation, knowledge: KnowledgeBase) -> Conversation:
            if not (event and await tx.transcript.of_event(event)):
                await tx.transcript.note(id, agent, text.strip(), event=event)
            return conversation

        await self._move(id, note)
        self._bell.ring(id)

    async def correct(self, id: str, agent: Author, turn: str, entry: str) -> None:
        """Say which entry a turn was about: its id, `none` for none of them, "" to take back what agents said.

        Any agent may, whoever has the conversation and also when it is over: the customer notices nothing, the next
        training learns from it (a label of kind CORRECTED).
        """

        async def correct(tx: Tx, conversation: Conversation, knowledge: KnowledgeBase) -> Conversation:
            asked = await tx.turns.get(turn)
            if asked is None or asked.conversation != id:
                raise BadInput("this conversation has no such question; reload the page")
            if entry not in ("", NONE) and knowledge.entry(entry) is None:
                raise BadInput("the live release has no such entry; choose another one")
            await _label(tx, id, LabelKind.CORRECTED, agent, entry, turn)
            return conversation

        await self._move(id, correct)
        self._bell.ring(id)

    async def hand_back(self, id: str, agent: Author) -> Conversation:
        """Give the word back to the bot; the customer is asked for what is still open, which nobody but them knows."""

        async def back(tx: Tx, conversation: Conversation, knowledge: KnowledgeBase) -> Conversation:
            moved = await tx.conversations.put(moves.hand_back(conversation, agent.id))
            await tx.desk.close(id)
            await _label(tx, id, LabelKind.HAND_BACK, agent)
            await self._tell(tx, moved, knowledge, "back")
            return moved

        moved = await self._move(id, back)
        self._wake(id)
        return moved

    async def resolve(self, id: str, agent: Author, *, seen: int | None = None) -> Conversation:
        """Close it; the customer's next message opens a new one.

        `seen` is the number of the last message that the agent saw: nothing is closed over words that came since.
        """

        async def resolve(tx: Tx, conversation: Conversation, knowledge: KnowledgeBase) -> Conversation:
            since = await tx.transcript.list(id, after=seen) if seen is not None and conversation.open else ()
            if any(message.author.role is Role.CUSTOMER for message in since):
                raise NotAllowed("the customer has written in the meantime: read it before you resolve")
            moved = await tx.conversations.put(moves.resolve(conversation, self._clock.now(), agent.id))
            await tx.desk.close(id)
            await _label(tx, id, LabelKind.RESOLVE, agent)
            await self._tell(tx, moved, knowledge, "resolved")
            return moved

        moved = await self._move(id, resolve)
        self._wake(id)
        return moved

    async def _move(self, id: str, move: Move) -> Conversation:
        conversation = await self._store.read(lambda tx: _existing(tx, id))
        published = await self._live.or_nothing(conversation.kb_id)

        async def work(tx: Tx) -> Conversation:
            return await move(tx, await _existing(tx, id), published.knowledge)

        return await self._store.write(work)

    async def _tell(
        self, tx: Tx, conversation: Conversation, knowledge: KnowledgeBase, text: str, **values: object
    ) -> None:
        """Tell the customer that the word has passed on; said whoever has it now."""
        words = Saying(voice_for(conversation, knowledge).say(text, **values))
        await self._mouth.say(tx, conversation, words, now=self._clock.now(), author=SYSTEM, fenced=False)

    def _wake(self, id: str) -> None:
        self._courier.wake(id)
        self._bell.ring(id)


def _event(id: str, key: str) -> str:
    """What an agent's message is known by in the transcript; empty without a key."""
    return f"desk:{id}:{key}" if key else ""


async def _existing(tx: Tx, id: str) -> Conversation:
    conversation = await tx.conversations.get(id)
    if conversation is None:
        raise BadInput("there is no such conversation; it may have been deleted")
    return conversation


async def _label(tx: Tx, id: str, kind: LabelKind, agent: Author, entry: str = "", turn: str = "") -> None:
    """What an agent did, with the release and the model that stood behind the conversation's turn."""
    last = await tx.turns.get(turn) if turn else None
    if last is None or last.conversation != id:  # what a page sends may be about anything
        last = await tx.turns.last(id)
    model = str((last.prediction or {}).get("model", "")) if last else ""
    release = last.release if last else ""
    turn = last.id if last else ""
    await tx.labels.add(id, kind.value, entry=entry, turn=turn, release=release, model=model, by=agent.id)
