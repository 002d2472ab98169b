"""Hearing a customer out: the events of one turn, once it is quiet with every file here or given up."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from core.company import Company, Superseded
from core.composing import Composing
from core.fetching import Fetcher
from core.lanes import Lanes
from core.ports import Clock
from core.quiet import still_quiet
from core.store.store import Store, Tx
from core.values import Address, EventKind, InboundEvent

ARRIVES = 20.0  # seconds that the files of a turn get once it is quiet; then the words are answered without them


def talk(pending: Sequence[InboundEvent]) -> tuple[InboundEvent, ...]:
    """The leading events that are something said; a tap or a command ends them."""
    said = []
    for event in pending:
        if event.kind not in (EventKind.CREATED, EventKind.EDITED) or event.command:
            break
        said.append(event)
    return tuple(said)


class Listening:
    """Works inside the lane of a conversation."""

    def __init__(
        self, store: Store, fetcher: Fetcher, lanes: Lanes, clock: Clock, composing: Composing | None = None
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._lanes = lanes
        self._clock = clock
        self._composing = composing or Composing()

    async def hear_out(self, conversation: str, began: int, company: Company | None = None) -> tuple[InboundEvent, ...]:
        """Wait for quiet, then for files, which are fetched meanwhile. Empty when there is nothing to answer yet.

        `began` (UTC ms) is when the first word was heard: more words are waited for until `core.quiet.LONGEST` from
        there, and files for `ARRIVES` seconds more, with `company`. A file that has not come by then counts as not
        delivered, for good: the customer is asked to send it again. Words that come while we wait belong to the turn; a
        further file, which would have less time than the others, begins the next one.
        """
        fetches: dict[InboundEvent, asyncio.Task[InboundEvent]] = {}
        enough, until, time = asyncio.Event(), math.inf, asyncio.get_running_loop().time
        company = company or Company()
        try:
            while True:
                self._lanes.heard(conversation)
                pending = await self.pending(conversation)
                events = talk(pending)
                for place, event in enumerate(events):
                    if not event.attachments or event in fetches:
                        continue
                    if until < math.inf and not _settled(event):
                        events = events[:place]
                        break
                    fetches[event] = asyncio.create_task(self._fetch(conversation, event, enough))
                if not events:
                    return ()
                # What follows is no part of this turn, so there is nothing to wait for.
                if len(events) == len(pending) and await self._woken(conversation, events, began):
                    continue
                until = min(until, time() + ARRIVES)
                files = [fetches[event] for event in events if event in fetches and not fetches[event].done()]
                if files and not await self._arrived(conversation, events[-1].address, files, until, company):
                    continue
                enough.set()
                return tuple([await fetches[event] if event in fetches else event for event in events])
        finally:
            for fetch in fetches.values():
                fetch.cancel()

    async def damaged(self, events: Collection[str], blobs: Collection[str]) -> None:
        """Nobody shall be asked again about these files of these events (`InboundEvent.id`)."""
        await self._store.write(lambda tx: tx.ledger.spoil(events, blobs))

    async def pending(self, conversation: str) -> tuple[InboundEvent, ...]:
        """What was heard and not taken care of."""
        return await self._store.read(lambda tx: tx.ledger.pending(conversation))

    async def _woken(self, conversation: str, events: Sequence[InboundEvent], began: int) -> bool:
        """Wait until it is quiet; True as soon as there is something to look at instead."""
        time = asyncio.get_running_loop().time
        came, address, arrived = time(), events[-1].address, {event.message for event in events}
        # A message that is given up wakes the lane as one that arrives does: silence begins anew.
        with self._composing.watching(address, partial(self._lanes.wake, conversation)):
            while True:
                heard = (self._clock.now() - began) / 1000
                wait = still_quiet(events, time() - came, heard, self._composing.lasts(address, arrived))
                if not wait:
                    return False
                if await self._lanes.woken(conversation, wait):
                    return True

    async def _arrived(
        self,
        conversation: str,
        address: Address,
        files: Collection[asyncio.Task[InboundEvent]],
        until: float,
        company: Company,
    ) -> bool:
        """Wait for these files, to the loop's time `until`; False as soon as there is something to look at instead."""
        left = max(until - asyncio.get_running_loop().time(), 0.0)
        waiting = asyncio.create_task(asyncio.wait(files, timeout=left))
        try:
            await company.keep(waiting, address, partial(self._lanes.woken, conversation))
        except Superseded:
            return False
        return True

    async def _fetch(self, conversation: str, event: InboundEvent, enough: asyncio.Event) -> InboundEvent:
        got = await self._fetcher.fetch(event, enough)

        async def keep(tx: Tx) -> None:
            for current in await tx.ledger.pending(conversation):
                if current.id != event.id or current.attachments != event.attachments:
                    continue  # the one that an edit has put in its place is fetched by itself
                if got.attachments != event.attachments:
                    # An edit may have changed the words while the file was on its way: only the files are ours.
                    await tx.ledger.amend(replace(current, attachments=got.attachments))
                    message = await tx.transcript.of_event(event.id)
                    if message is not None:
                        await tx.transcript.set_attachments(message.id, got.attachments)
                for part in got.attachments:
                    if part.blob:
                        await tx.blobs.refer(part.blob, conversation, "attachment")

        await self._store.write(keep)
        return got


def _settled(event: InboundEvent) -> bool:
    """Whether it is known of every file what became of it."""
    return all(part.blob or part.problem is not None for part in event.attachments)
