"""Delivery: the outbox leaves in order, each row fenced, each outcome recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import structlog

from core.bell import Bell
from core.errors import Blocked, Broken, OutcomeUnknown, PolydeskError, Refused, Retry, Throttled
from core.lanes import Lanes
from core.ports import Adapter, Clock
from core.store.outbox import Delivery, Outgoing
from core.store.store import Store, Tx

log = structlog.get_logger()

_LONGEST_PAUSE = 60.0  # seconds between two attempts
_LONGEST_WAIT = 3600.0  # seconds that a platform may make us wait
_GIVE_UP_MS = 6 * 3600 * 1000  # of a platform that cannot be reached; nobody wants yesterday's answer


class Courier:
    """One lane a conversation; wake it after every commit that added to the outbox."""

    def __init__(self, store: Store, doors: Mapping[str, Adapter], bell: Bell, clock: Clock) -> None:
        self._store = store
        self._doors = doors
        self._bell = bell
        self._clock = clock
        self._lanes = Lanes(self._drain)
        self._later: set[asyncio.Task[None]] = set()

    def wake(self, conversation: str) -> None:
        """There may be something to send."""
        self._lanes.wake(conversation)

    async def recover(self) -> None:
        """After a start: rows that were being sent have an unknown outcome; rows that were ready leave now."""
        for row in await self._store.read(lambda tx: tx.outbox.stuck()):
            await self._record(row, OutcomeUnknown("the gateway stopped while this was being sent"))
        for conversation in await self._store.read(lambda tx: tx.outbox.waiting()):
            self.wake(conversation)

    async def settled(self, conversation: str, seconds: float) -> bool:
        """Wait until nothing of this conversation is on its way to the platform; False after `seconds`."""
        end = self._clock.now() + seconds * 1000
        while await self._store.read(lambda tx: tx.outbox.in_flight(conversation)):
            if self._clock.now() > end:
                return False
            await self._clock.sleep(0.02)
        return True

    async def finish(self, seconds: float) -> None:
        """Let what is ready leave, at most `seconds`; then stop. What is left leaves at the next start."""
        for task in self._later:
            task.cancel()
        await self._lanes.finish(seconds)

    async def close(self) -> None:
        """Stop at once."""
        await self.finish(0)

    async def idle(self) -> None:
        """Wait until no lane works."""
        await self._lanes.idle()

    async def _drain(self, conversation: str) -> None:
        known = await self._store.read(lambda tx: tx.conversations.get(conversation))
        door = self._doors.get(known.address.platform) if known else None
        while door is not None:  # a door that is shut today may be open after the next start: its rows wait
            row = await self._store.write(lambda tx: tx.outbox.take(conversation, self._clock.now()))
            if row is None:
                break
            await self._send(door, row)
            self._bell.ring(conversation)
        due = await self._store.read(lambda tx: tx.outbox.due(conversation))
        if door is not None and due is not None:
            self._wake_later(conversation, max(0, due - self._clock.now()) / 1000)

    async def _send(self, door: Adapter, row: Outgoing) -> None:
        """Send one row and record the outcome, whatever happens: a row left as being sent would block all behind it."""
        try:
            sent = await door.send(row.call)
        except Throttled as problem:
            await self._postpone(row, problem, problem.after)
        except Retry as problem:
            if self._clock.now() - row.created_at > _GIVE_UP_MS:
                await self._record(row, Refused(f"given up after {row.attempts} attempts: {problem}"))
            else:
                await self._postpone(row, problem, max(problem.after, min(0.5 * 2**row.attempts, _LONGEST_PAUSE)))
        except Broken as problem:
            # A token or a proxy that somebody must mend: the words wait for it.
            await self._postpone(row, problem, _LONGEST_PAUSE)
        except PolydeskError as problem:
            await self._record(row, problem)
        except Exception as problem:
            log.exception("delivery.broke", conversation=row.conversation)
            await self._record(row, OutcomeUnknown(f"{type(problem).__name__} while sending"))
        else:
            await self._surely(lambda tx: tx.outbox.sent(row.id, sent.message))

    async def _postpone(self, row: Outgoing, problem: PolydeskError, pause: float) -> None:
        pause = min(pause, _LONGEST_WAIT)
        log.warning("delivery.later", conversation=row.conversation, seconds=pause, problem=type(problem).__name__)
        not_before = self._clock.now() + int(pause * 1000)
        await self._surely(lambda tx: tx.outbox.later(row.id, not_before))

    def _wake_later(self, conversation: str, pause: float) -> None:
        async def wake() -> None:
            await self._clock.sleep(pause)
            self.wake(conversation)

        task = asyncio.create_task(wake())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _surely(self, work: Callable[[Tx], Awaitable[None]]) -> None:
        """Record an outcome; while the database is away, nothing else of this conversation may leave."""
        while True:
            try:
                return await self._store.write(work)
            except Retry as problem:
                log.warning("delivery.not_recorded", problem=str(problem))
                await self._clock.sleep(max(problem.after, 0.2))

    async def _record(self, row: Outgoing, problem: PolydeskError) -> None:
        """Write down that a row did not (surely) arrive, where the agent sees it."""
        unknown = isinstance(problem, OutcomeUnknown)
        log.warning("delivery.failed", conversation=row.conversation, unknown=unknown, problem=str(problem))

        async def record(tx: Tx) -> None:
            await tx.outbox.failed(row.id, Delivery.UNKNOWN if unknown else Delivery.REFUSED)
            if row.message:
                await tx.transcript.add_facts(row.message, {"delivery": "unknown" if unknown else "refused"})
            conversation = await tx.conversations.get(row.conversation)
            if conversation is not None and isinstance(problem, Blocked):
                await tx.conversations.put(replace(conversation, blocked=True))

        await self._surely(record)
        self._bell.ring(row.conversation)
