"""Hearing a customer out: the events of one turn, once it is quiet and every file is here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from core.composing import Composing
from core.fetching import Fetcher
from core.lanes import Lanes
from core.ports import Clock
from core.quiet import still_quiet
from core.store.store import Store, Tx
from core.values import EventKind, InboundEvent


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

    async def hear_out(self, conversation: str, began: int) -> tuple[InboundEvent, ...]:
        """Wait for quiet; files are fetched meanwhile. Empty when everything was deleted again.

        `began` (UTC ms) is when the first word was heard: nobody waits longer than `core.quiet.LONGEST` from there.
        """
        fetches: dict[InboundEvent, asyncio.Task[InboundEvent]] = {}
        try:
            while True:
                self._lanes.heard(conversation)
                pending = await self.pending(conversation)
                events = talk(pending)
                if not events:
                    return ()
                for event in events:
                    if event.attachments and event not in fetches:
                        fetches[event] = asyncio.create_task(self._fetch(conversation, event))
                # What follows is no part of this turn, so there is nothing to wait for.
                if len(events) < len(pending) or not await self._woken(conversation, events, began):
                    return tuple([await fetches[event] if event in fetches else event for event in events])
        finally:
            for fetch in fetches.values():
                fetch.cancel()

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

    async def _fetch(self, conversation: str, event: InboundEvent) -> InboundEvent:
        got = await self._fetcher.fetch(event)

        async def keep(tx: Tx) -> None:
            # An edit may have changed the words while the file was on its way: only the files are ours to change.
            for current in await tx.ledger.pending(conversation):
                if current.id == event.id and current.attachments == event.attachments:
                    await tx.ledger.amend(replace(current, attachments=got.attachments))
            message = await tx.transcript.of_event(event.id)
            if message is not None:
                await tx.transcript.set_attachments(message.id, got.attachments)
            for part in got.attachments:
                if part.blob:
                    await tx.blobs.refer(part.blob, conversation, "attachment")

        await self._store.write(keep)
        return got
