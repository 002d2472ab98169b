"""Delivery: the outbox leaves in order, each row fenced, each outcome recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import structlog

from core.asking import Reason
from core.bell import Bell
from core.conversation import Conversation, Owner
from core.errors import MENDING, Blocked, Broken, OutcomeUnknown, PolydeskError, Refused, Retry, Throttled
from core.finishing import HOLDING, Finishing
from core.lanes import Lanes, backoff
from core.leases import Alone, Holding, Lost
from core.live import Live, Published
from core.ports import Adapter, Clock
from core.saying import Saying, voice_for
from core.speaking import Mouth
from core.store.outbox import Delivery, Outgoing
from core.store.store import Store, Tx
from core.values import Role

T = TypeVar("T")

log = structlog.get_logger()

_LONGEST_PAUSE = 60.0  # seconds between two attempts
_LONGEST_WAIT = 3600.0  # seconds that a platform may make us wait
_GIVE_UP_MS = 6 * 3600 * 1000  # of a platform that cannot be reached; nobody wants yesterday's answer
_GLANCE = 0.02  # seconds between two looks
_LOOK_AFTER = 2.0  # seconds until a platform shows what it took
_BEHIND_MS = 500  # between two looks whether it is our turn
ASKED_AGAIN = "asked_again"  # the notice that words may not have arrived


class Courier:
    """One lane a conversation; wake it after every commit that added to the outbox."""

    def __init__(
        self,
        store: Store,
        doors: Mapping[str, Adapter],
        live: Live,
        bell: Bell,
        clock: Clock,
        holding: Holding | None = None,
    ) -> None:
        self._store = store
        self._doors = doors
        self._live = live
        self._mouth = Mouth(doors)
        self._finishing = Finishing(self._mouth, clock)
        self._bell = bell
        self._clock = clock
        self._holding = holding or Alone()
        self._lanes = Lanes(self._work)
        self._later: dict[str, asyncio.Task[None]] = {}  # conversation -> its next look
        self._records: set[asyncio.Task[None]] = set()

    def wake(self, conversation: str) -> None:
        """There may be something to send."""
        self._lanes.wake(conversation)

    async def recover(self) -> None:
        """After a start: rows that were being sent may have left, so they are looked for; what was ready leaves now."""
        if stuck := await self._store.read(lambda tx: tx.outbox.stuck()):
            await self._clock.sleep(_LOOK_AFTER)
        for row in stuck:
            await self._doubt(row)
        for conversation in await self._store.read(lambda tx: tx.outbox.waiting()):
            self.wake(conversation)

    async def settled(self, conversation: str, seconds: float) -> bool:
        """Wait until nothing of this conversation is on its way to the platform; False after `seconds`."""
        waited = 0.0  # counted, since the wall clock may leap
        while waited <= seconds:
            with suppress(Retry, Broken):  # a database that is away for a moment is asked again
                if not await self._store.read(lambda tx: tx.outbox.in_flight(conversation)):
                    return True
            await self._clock.sleep(_GLANCE)
            waited += _GLANCE
        return False

    async def finish(self, seconds: float) -> None:
        """Let what is ready leave, at most `seconds`; then stop. What is left leaves at the next start."""
        for task in self._later.values():
            task.cancel()
        await self._lanes.finish(seconds)
        for task in self._records:
            task.cancel()
        await asyncio.gather(*self._records, return_exceptions=True)

    async def close(self) -> None:
        """Stop at once."""
        await self.finish(0)

    async def idle(self) -> None:
        """Wait until no lane works."""
        await self._lanes.idle()

    async def _work(self, conversation: str) -> None:
        try:
            async with self._holding.held(conversation) as ours:
                if ours:
                    await self._drain(conversation)
        except Lost as lost:
            log.warning("delivery.overtaken", conversation=conversation, problem=str(lost))

    async def _drain(self, conversation: str) -> None:
        async def take(tx: Tx) -> tuple[Adapter, Outgoing] | Outgoing | int | None:
            token = await self._holding.confirm(tx, conversation)
            known = await tx.conversations.get(conversation)
            door = self._doors.get(known.address.platform) if known else None
            if door is None:
                return None  # a door that is shut today may be open after the next start: its rows wait
            row = await tx.outbox.take(conversation, self._clock.now(), token)
            if row is not None:
                return door, row
            left = await tx.outbox.stuck(conversation) if token else ()
            if left:
                return left[0]
            due = await tx.outbox.due(conversation)
            # What could leave and was not taken comes after words of the conversation before this one.
            return due if due is None or due > self._clock.now() else self._clock.now() + _BEHIND_MS

        while not (isinstance(taken := await self._store.write(take), int) or taken is None):
            if isinstance(taken, Outgoing):
                # Somebody was sending it under the lease before ours; or nobody, since we never heard that it is ours.
                await self._clock.sleep(_LOOK_AFTER)
                await self._doubt(taken)
            else:
                await self._send(*taken)
            self._bell.ring(conversation)
        if taken is not None:
            self._wake_later(conversation, max(0, taken - self._clock.now()) / 1000)

    async def _send(self, door: Adapter, row: Outgoing) -> None:
        """Send one row and record the outcome, whatever happens: a row left as being sent would block all behind it."""
        try:
            self._holding.sure(row.conversation)
        except Lost:
            await self._noted(lambda tx: tx.outbox.later(row.id, 0, holder=row.holder))  # it never left
            raise
        try:
            sent = await door.send(replace(row.call, key=row.id))
        except Throttled as problem:
            await self._postpone(row, problem, problem.after)
        except Retry as problem:
            if self._clock.now() - row.created_at > _GIVE_UP_MS:
                await self._record(row, Refused(f"given up after {row.attempts} attempts: {problem}"))
            else:
                await self._postpone(row, problem, max(problem.after, backoff(row.attempts, _LONGEST_PAUSE)))
        except Broken as problem:
            # A token or a proxy that somebody must mend: the words wait for it.
            await self._postpone(row, problem, _LONGEST_PAUSE)
        except OutcomeUnknown as problem:
            if problem.readable and self._clock.now() - row.created_at < _GIVE_UP_MS:
                await self._clock.sleep(_LOOK_AFTER)  # nothing behind it may leave anyway
                await self._doubt(row)
            else:
                await self._record(row, problem)
        except PolydeskError as problem:
            await self._record(row, problem)
        except Exception as problem:
            log.exception("delivery.broke", conversation=row.conversation)
            await self._record(row, OutcomeUnknown(f"{type(problem).__name__} while sending"))
        else:
            await self._noted(lambda tx: tx.outbox.sent(row.id, sent.message))

    async def _postpone(self, row: Outgoing, problem: PolydeskError, pause: float) -> None:
        pause = min(pause, _LONGEST_WAIT)
        log.warning("delivery.later", conversation=row.conversation, seconds=pause, problem=type(problem).__name__)
        not_before = self._clock.now() + int(pause * 1000)
        await self._surely(lambda tx: tx.outbox.later(row.id, not_before, holder=row.holder))

    async def _doubt(self, row: Outgoing) -> None:
        """It may have left: the door looks for it before it makes the call again."""
        call = replace(row.call, key=row.id, since=row.call.since or row.changed_at)
        await self._surely(lambda tx: tx.outbox.later(row.id, self._clock.now(), call, row.holder))

    def _wake_later(self, conversation: str, pause: float) -> None:
        async def wake() -> None:
            await self._clock.sleep(pause)
            self.wake(conversation)

        if (before := self._later.pop(conversation, None)) is not None:
            before.cancel()
        task = self._later[conversation] = asyncio.create_task(wake())

        def over(task: asyncio.Task[None]) -> None:
            if self._later.get(conversation) is task:
                del self._later[conversation]

        task.add_done_callback(over)

    async def _noted(self, work: Callable[[Tx], Awaitable[None]]) -> None:
        """Write a fact down even if we are overtaken meanwhile: it is one whoever has the lease by then."""
        recording = asyncio.create_task(self._surely(work))
        self._records.add(recording)
        recording.add_done_callback(self._records.discard)
        await asyncio.shield(recording)

    async def _surely(self, work: Callable[[Tx], Awaitable[None]]) -> None:
        await self._patiently(lambda: self._store.write(work))

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Record an outcome; while the database is away, nothing else of this conversation may leave.

        Broken is no end either: a row left as being sent waits for the next start. Closing the courier is one.
        """
        while True:
            try:
                return await work()
            except Lost:
                raise
            except Retry as problem:
                log.warning("delivery.not_recorded", problem=str(problem))
                await self._clock.sleep(max(problem.after, 0.2))
            except Broken as problem:
                log.error("delivery.not_recorded", problem=str(problem))
                await self._clock.sleep(MENDING)

    async def _record(self, row: Outgoing, problem: PolydeskError) -> None:
        """Write down that a row did not (surely) arrive, where the agent sees it; the customer may ask again."""
        unknown = isinstance(problem, OutcomeUnknown)
        log.warning("delivery.failed", conversation=row.conversation, unknown=unknown, problem=str(problem))

        published = await self._patiently(lambda: self._published(row))

        async def record(tx: Tx) -> None:
            await self._holding.confirm(tx, row.conversation)
            state = Delivery.UNKNOWN if unknown else Delivery.REFUSED
            if not await tx.outbox.failed(row.id, state, row.holder):
                return  # another gateway had it meanwhile, and found out for itself
            if row.message:
                await tx.transcript.add_facts(row.message, {"delivery": "unknown" if unknown else "refused"})
            conversation = await tx.conversations.get(row.conversation)
            if conversation is None:
                return
            # Whoever wrote since then does not block us any more.
            if isinstance(problem, Blocked) and conversation.heard_at <= row.changed_at:
                await tx.conversations.put(replace(conversation, blocked=True))
            elif unknown and row.role is not Role.AGENT:
                await self._ask_again(tx, conversation, published)
            elif row.role is Role.BOT:
                await self._to_a_human(tx, conversation, row, published)

        await self._surely(record)
        self._bell.ring(row.conversation)

    async def _to_a_human(self, tx: Tx, conversation: Conversation, row: Outgoing, published: Published) -> None:
        """What the bot had to say will never arrive: a human must find another way."""
        message = await tx.transcript.get(row.message) if row.message else None
        if conversation.open and conversation.owner is Owner.BOT and message and message.facts.get("notice") != HOLDING:
            # The notice may have been among the words that did not arrive.
            await self._finishing.hand_over(tx, replace(conversation, noticed=False), Reason.UNSENT, published)

    async def _published(self, row: Outgoing) -> Published:
        known = await self._store.read(lambda tx: tx.conversations.get(row.conversation))
        return await self._live.or_nothing(known.kb_id if known else "")

    async def _ask_again(self, tx: Tx, conversation: Conversation, published: Published) -> None:
        """Tell the customer, once for everything that they have not answered since, how to get what may be missing."""
        if not conversation.open or conversation.owner is Owner.AGENT:
            return  # the agent sees what is missing
        for message in reversed(await tx.transcript.latest(conversation.id, limit=20)):
            if message.author.role is Role.CUSTOMER:
                break
            if message.facts.get("notice") == ASKED_AGAIN:
                return
        words = Saying(voice_for(conversation, published.knowledge).say(ASKED_AGAIN))
        await self._mouth.say(tx, conversation, words, now=self._clock.now(), facts={"notice": ASKED_AGAIN})
