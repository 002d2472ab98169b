"""What an adapter may know in order to catch up, with the ways in which people learn what came of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog

from bot.measures import Measures
from core.bell import Bell
from core.ports import Reading, Standing
from core.speaking import SYSTEM
from core.store.store import Store, Tx

log = structlog.get_logger()

_AT_ONCE = 100  # conversations that get their note in one transaction


class Missed:
    """The memory of one platform; see `core.ports.Memory`."""

    def __init__(self, platform: str, store: Store, bell: Bell, measures: Measures) -> None:
        self._platform = platform
        self._store = store
        self._bell = bell
        self._measures = measures

    async def standing(self) -> Sequence[Standing]:
        """Every open conversation, the one heard last first."""
        return await self._store.read(lambda tx: tx.conversations.standing(self._platform))

    async def known(self, events: Collection[str]) -> Collection[str]:
        """Those of these ids that the ledger has."""
        return await self._store.read(lambda tx: tx.ledger.known(events))

    async def caught_up(self, readings: Sequence[Reading]) -> None:
        """One line for the log, the figures, and a note for agents in every conversation that it concerns."""
        found = sum(one.found for one in readings)
        unread = [one for one in readings if one.conversation and one.problem]
        self._measures.missed.labels(self._platform).inc(found)
        self._measures.unread.labels(self._platform).inc(len(unread))
        read = len({one.conversation for one in readings if one.conversation}) - len(unread)
        log.info("gap.read", platform=self._platform, conversations=read, found=found, unread=len(unread))
        if unread:
            why = sorted({one.problem for one in unread})
            log.warning("gap.unread", platform=self._platform, conversations=len(unread), problems=why[:3])
        told = [(one, self._words(one)) for one in readings if one.conversation and (one.found or one.problem)]
        for first in range(0, len(told), _AT_ONCE):
            batch = told[first : first + _AT_ONCE]

            async def note(tx: Tx, batch: Sequence[tuple[Reading, str]] = batch) -> None:
                for reading, words in batch:
                    if await tx.conversations.get(reading.conversation) is None:
                        continue
                    latest = await tx.transcript.latest(reading.conversation)
                    if not latest or latest[-1].text != words:  # trouble that stays is told once
                        await tx.transcript.note(reading.conversation, SYSTEM, words)

            await self._store.write(note)
            for reading, _words in batch:
                self._bell.ring(reading.conversation)

    def _words(self, reading: Reading) -> str:
        name = self._platform.capitalize()
        words = []
        if reading.found:
            what = "1 message was" if reading.found == 1 else f"{reading.found} messages were"
            words.append(f"{what} not delivered by {name} and found later by reading the conversation again.")
        if reading.problem:
            words.append(
                f"After an interruption this conversation could not be read again: look in {name} for what the "
                "customer may have written meanwhile."
            )
        return " ".join(words)
