"""The road of a turn: hear, ask, decide, speak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from core import wire
from core.admission import Admission
from core.amending import amended
from core.asking import Decision, Question, Reason
from core.bell import Bell
from core.company import Company, Superseded
from core.composing import Composing
from core.conversation import Conversation, Owner
from core.delivery import Courier
from core.errors import Retry
from core.fetching import Fetcher
from core.finishing import HOLDING, STALE_MS, Finishing, Outcome
from core.lanes import Lanes
from core.leases import Alone, Holding, Lost
from core.listening import Listening, talk
from core.live import Live, Published
from core.noticing import as_told, tone_allowed
from core.policy import kind
from core.ports import Adapter, Brain, Clock
from core.quiet import LONGEST
from core.saying import Saying, introduced, met, voice_for
from core.speaking import Mouth
from core.store.store import Store, Tx
from core.store.tables import new_id
from core.store.trouble import Conflict
from core.taps import Taps
from core.thinking import think
from core.values import Address, AttachmentKind, Call, InboundEvent, Problem, Turn

log = structlog.get_logger()

_LANDS = 5.0  # seconds for which a reply that is being sent is waited for
_PATIENCE = 3  # attempts at a turn that fails for a reason nobody foresaw


@dataclass(frozen=True, slots=True)
class Room:
    """What the road runs through; `notice` tells customers that their tone is looked at, else it is empty."""

    store: Store
    brain: Brain
    doors: Mapping[str, Adapter]
    fetcher: Fetcher
    live: Live
    courier: Courier
    bell: Bell
    clock: Clock
    measure: Callable[[str, float], None] = lambda decision, seconds: None
    holding: Holding = field(default_factory=Alone)
    composing: Composing = field(default_factory=Composing)
    admission: Admission = field(default_factory=Admission)
    notice: str = ""


class Answering:
    """One lane a conversation; wake it after every commit that left something pending."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._mouth = Mouth(room.doors)
        self._lanes = Lanes(self._work)
        self._listening = Listening(room.store, room.fetcher, self._lanes, room.clock, room.composing)
        self._finishing = Finishing(self._mouth, room.clock, room.notice)
        self._taps = Taps(self._mouth, self._finishing, room.clock)
        self._courtesies: set[asyncio.Task[None]] = set()
        self._failures: dict[str, int] = {}
        self._spoiled: set[str] = set()  # files that killed a worker, and the ledger does not know it
        self._began: dict[str, int] = {}  # when the turn that a lane works on was first heard

    def wake(self, conversation: str) -> None:
        """There is something to do."""
        self._lanes.wake(conversation)

    async def recover(self) -> None:
        """After a start: ask again what was heard but never answered."""
        for conversation in await self._room.store.read(lambda tx: tx.ledger.unanswered()):
            self.wake(conversation)

    async def close(self) -> None:
        """Stop; what is pending is asked again at the next start."""
        await self._lanes.close()

    async def idle(self) -> None:
        """Wait until no lane works."""
        await self._lanes.idle()

    async def _work(self, id: str) -> None:
        try:
            async with self._room.holding.held(id) as ours:
                if ours:
                    await self._road(id)
            self._failures.pop(id, None)
        except Lost as lost:
            self._began.pop(id, None)  # whoever has the conversation now hears it out anew
            log.warning("turn.overtaken", conversation=id, problem=str(lost))
        except Exception as problem:
            if isinstance(problem, Retry) and not isinstance(problem, Conflict):
                raise  # the database is away for a moment: the lane looks again
            self._failures[id] = self._failures.get(id, 0) + 1
            if self._failures[id] < _PATIENCE:
                raise
            log.exception("turn.given_up", conversation=id)
            async with self._room.holding.held(id) as ours:
                if ours:
                    await self._give_up(id)

    async def _give_up(self, id: str) -> None:
        """Whatever it is that we cannot do with these events, a human can look at them, and the customer is told."""
        conversation = await self._room.store.read(lambda tx: _read(tx, id))
        published = await self._room.live.or_nothing(conversation.kb_id)

        async def hand_over(tx: Tx) -> None:
            await self._room.holding.confirm(tx, id)
            conversation = await self._known(tx, id)
            await tx.ledger.settle(id, [event.id for event in await tx.ledger.pending(id)])
            if conversation.open and conversation.owner is Owner.BOT:
                await self._finishing.hand_over(tx, conversation, Reason.BRAIN, published)

        await self._room.store.write(hand_over)
        self._failures.pop(id, None)
        self._began.pop(id, None)
        self._room.courier.wake(id)
        self._room.bell.ring(id)

    async def _road(self, id: str) -> None:
        while True:
            self._lanes.heard(id)
            pending = await self._listening.pending(id)
            if not pending:
                self._began.pop(id, None)
                return
            with structlog.contextvars.bound_contextvars(conversation=id, event_id=pending[0].id):
                if talk(pending):
                    await self._turn(id)
                else:
                    await self._act(id, pending[0])
            self._room.courier.wake(id)
            self._room.bell.ring(id)

    async def _act(self, id: str, event: InboundEvent) -> None:
        """A tap or a command: no model needed."""
        published = await self._published(id)

        async def act(tx: Tx) -> None:
            await self._room.holding.confirm(tx, id)
            if event.id not in [known.id for known in await tx.ledger.pending(id)]:
                return  # somebody else acted upon it meanwhile
            conversation = await self._known(tx, id)
            if conversation.open:  # else the customer was told how to go on
                await self._taps.take(tx, conversation, event, published)
            await tx.ledger.settle(id, [event.id])

        await self._room.store.write(act)

    async def _turn(self, id: str) -> None:
        began = self._began.setdefault(id, self._room.clock.now())
        key = new_id()
        company = Company(partial(self._show_busy, id), partial(self._say_holding, id))
        events = await self._listening.hear_out(id, began, company)
        if not events:
            return
        published = await self._published(id)
        asked = self._room.clock.now()
        late = all(event.group for event in events)  # an item of an album, whose other items may be answered already
        earlier = await self._room.store.read(lambda tx: amended(tx, id, events, asked)) if late else None
        turn = Turn(key, id, (*earlier.events, *events) if earlier else events)

        async def finish(tx: Tx) -> Decision:
            await self._room.holding.confirm(tx, id)
            pending = await tx.ledger.pending(id)
            if _content(pending[: len(events)]) != _content(events):
                raise Superseded  # edited or deleted at the last moment
            # Whether our first reply has arrived, and can be edited, may have changed while somebody thought.
            amends = await amended(tx, id, events, asked) if earlier else None
            decision = await self._finishing.finish(tx, await self._known(tx, id), turn, outcome, published, amends)
            await tx.ledger.settle(id, [event.id for event in events], turn.id)
            return decision

        try:
            outcome = await self._think(turn, len(events), began, published, company)
            if earlier:  # a first reply that is on its way can be replaced once it has arrived
                await self._room.courier.settled(id, _LANDS)
            decision = await self._room.store.write(finish)
        except Superseded:
            return  # nothing was settled: the whole turn is heard out again, with what arrived meanwhile
        self._began.pop(id, None)
        self._room.measure(kind(decision), (self._room.clock.now() - asked) / 1000)

    async def _think(self, turn: Turn, fresh: int, began: int, published: Published, company: Company) -> Outcome:
        """Ask about a turn of which the last `fresh` events are pending, the others answered already."""
        id, last = turn.conversation, turn.events[-1]
        problems = tuple(part.problem for part in turn.attachments if part.problem is not None)
        text, photos, voices = turn.text.strip(), turn.blobs(AttachmentKind.PHOTO), turn.blobs(AttachmentKind.VOICE)
        if spoiled := self._spoiled & {*photos, *voices}:
            problems = (*problems, *[Problem.DAMAGED] * len(spoiled))
            photos, voices = (tuple(blob for blob in blobs if blob not in spoiled) for blobs in (photos, voices))
        if not (text or photos or voices):
            return Outcome(None, None, problems)
        if self._room.clock.now() - last.at > STALE_MS:
            return Outcome(None, None, problems, stale=True)
        keys = [event.id for event in turn.events]

        async def before(tx: Tx) -> tuple[tuple[str, ...], bool]:
            tone = await tone_allowed(tx, await _read(tx, id), self._room.notice)
            return await tx.transcript.history(id, without=keys), tone

        history, tone = await self._room.store.read(before)
        question = Question(turn.id, published.blob, text, photos, voices, history, last.author.language, tone=tone)

        async def newer(seconds: float) -> bool:
            # Whoever never stops writing gets an answer to what they wrote so far.
            if self._room.clock.now() - began > LONGEST * 1000:
                await self._room.clock.sleep(seconds)
                return False
            if not await self._lanes.woken(id, seconds) or self._room.clock.now() - began > LONGEST * 1000:
                return False
            self._lanes.heard(id)
            return _content(talk(await self._listening.pending(id))) != _content(turn.events[-fresh:])

        thinking = think(
            self._room.brain, self._room.clock, question, self._room.admission, partial(self._damaged, keys)
        )
        prediction = await company.keep(asyncio.create_task(thinking), last.address, newer)
        return Outcome(question, prediction, problems)

    async def _damaged(self, events: Collection[str], blobs: Collection[str]) -> None:
        """Never ask with these files of these events again, not even while the database cannot note it."""
        self._spoiled |= {*blobs}
        await self._listening.damaged(events, blobs)
        self._spoiled -= {*blobs}

    async def _say_holding(self, id: str) -> None:
        """Ask for a moment, once for all that waits, however often the turn begins anew, or with whom."""
        published = await self._published(id)

        async def hold(tx: Tx) -> None:
            await self._room.holding.confirm(tx, id)
            conversation = await self._known(tx, id)
            waits = [event.id for event in talk(await tx.ledger.pending(id))]
            if conversation.open and conversation.owner is Owner.BOT and not await _held(tx, id, waits):
                voice = voice_for(conversation, published.knowledge)
                words = introduced(Saying(voice.say("holding")), conversation, voice, self._room.notice)
                kept = await tx.conversations.put(met(conversation, self._room.notice))
                now = self._room.clock.now()
                # No turn's: an answer that is said anew later does not replace it.
                await self._mouth.say(tx, kept, words, now=now, facts={"notice": HOLDING})

        await self._room.store.write(hold)
        self._room.courier.wake(id)

    def _show_busy(self, id: str, address: Address) -> None:
        # While a human has the word, it is not the bot whom the customer waits for.
        door = self._room.doors.get(address.platform)
        if door is None:
            return

        async def show() -> None:
            call = Call("busy", {"address": wire.dump(address)})
            try:
                conversation = await self._room.store.read(lambda tx: _read(tx, id))
                if conversation.open and conversation.owner is Owner.BOT:
                    await door.send(call)
            except Exception as problem:
                # A courtesy: whether it arrives changes nothing.
                log.debug("busy.not_shown", problem=type(problem).__name__)

        task = asyncio.create_task(show())
        self._courtesies.add(task)
        task.add_done_callback(self._courtesies.discard)

    async def _known(self, tx: Tx, id: str) -> Conversation:
        """The conversation to which something may be said."""
        return await as_told(tx, await _read(tx, id), self._room.notice)

    async def _published(self, id: str) -> Published:
        conversation = await self._room.store.read(lambda tx: _read(tx, id))
        return await self._room.live.of(conversation.kb_id)


async def _read(tx: Tx, id: str) -> Conversation:
    conversation = await tx.conversations.get(id)
    if conversation is None:
        raise LookupError(f"conversation {id} is gone")
    return conversation


async def _held(tx: Tx, id: str, events: Sequence[str]) -> bool:
    """Whether the customer was asked for a moment since the first of these events."""
    left = set(events)
    for message in reversed(await tx.transcript.latest(id, limit=20)):
        if message.facts.get("notice") == HOLDING:
            return True
        left.discard(message.event)
        if not left:
            break
    return False


def _content(events: Sequence[InboundEvent]) -> list[tuple[str, str, tuple[str, ...]]]:
    """What events say and show; what became of their files meanwhile is none of it."""
    return [(event.id, event.text, tuple(part.ref for part in event.attachments)) for event in events]
