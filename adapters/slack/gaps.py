"""Reading what customers wrote while nobody listened, which Slack does not deliver again.

Reference: https://docs.slack.dev/reference/methods/conversations.history and
https://docs.slack.dev/reference/methods/conversations.replies
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

from adapters.fields import child, items, string
from adapters.pacing import Limit, Pace
from adapters.slack.client import Client
from adapters.slack.intake import Intake
from adapters.slack.parse import BotIdentity, parse
from adapters.stumbling import stumble
from core.errors import PolydeskError, Retry, Throttled
from core.ports import Memory, Reading, Standing
from core.values import Address, InboundEvent

log = structlog.get_logger()

AGE = 24 * 3600.0  # seconds; the ledger must know for longer than this what it has heard
BUDGET = 900.0  # seconds for reading everything once

_PAGE, _PAGES = 100, 3  # messages a page, pages of one conversation
_TIER_3 = (40, 60.0)  # calls of a method; Slack allows fifty, of which looking for what we sent needs some
_TRIES = 4  # at a call that fails otherwise than by coming too early
_PATIENCE = 60.0  # seconds until a message that nobody can commit is given up

Place = tuple[Address, str]


class Gaps:
    """Reads the open conversations from where they stood, in the background, one after the other.

    `budget` is in seconds: what was not read by then is reported as unread, and looked at again after the next gap.
    """

    def __init__(
        self, client: Client, bot: BotIdentity, intake: Intake, memory: Memory, *, budget: float = BUDGET
    ) -> None:
        self._client = client
        self._bot = bot
        self._intake = intake
        self._memory = memory
        self._budget = budget
        self._pace = Pace()
        self._owed: dict[Place, Standing] = {}
        self._asked = asyncio.Event()

    async def standing(self) -> tuple[Standing, ...]:
        """Where our conversations stand; to be asked before anything new can be heard, and handed to `read` after.

        Raises:
            Retry: the store is away.
        """
        try:
            return tuple(one for one in await self._memory.standing() if one.address.account == self._bot.team)
        except Retry:
            raise
        except Exception as bug:
            # Without it nothing is read again; live events go on.
            log.error("slack.gap_stumbled", bug=f"{type(bug).__name__}: {bug}")
            return ()

    def read(self, standing: Sequence[Standing]) -> None:
        """Have everything read that was written in these conversations since."""
        for one in standing:
            self._owed.setdefault((one.address, one.author), one)
        self._asked.set()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Do what `read` asks for until the context ends."""
        task = asyncio.create_task(self._go_on(), name="slack gaps")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _go_on(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._read_all()
            except PolydeskError as problem:
                log.warning("slack.gap_not_told", problem=str(problem))
            except Exception as bug:
                log.error("slack.gap_stumbled", **stumble(bug))  # live events go on

    async def _read_all(self) -> None:
        owed, self._owed = self._owed, {}
        places: dict[Address, list[Standing]] = {}
        for one in owed.values():
            places.setdefault(one.address, []).append(one)
        end = time.monotonic() + self._budget
        readings: list[Reading] = []
        try:
            for address, standing in places.items():
                readings += await self._catch_up(address, standing, end)
                for one in standing:
                    del owed[one.address, one.author]
        finally:
            self._owed.update(owed)  # older than what a later gap may have put there
        await self._memory.caught_up(readings)

    async def _catch_up(self, address: Address, standing: Sequence[Standing], end: float) -> list[Reading]:
        marks = {one.author: one.message or _ts(one.at / 1000) for one in standing}
        found: Counter[str] = Counter()
        problem = ""
        try:
            oldest = max(min(marks.values()), _ts(time.time() - AGE))
            messages, whole = await self._messages(address, oldest, end)
            for event in await self._unheard(address, messages, marks, oldest):
                if await self._hear(event, end):
                    log.info("slack.found", event_id=event.id)
                    found[event.author.id] += 1
            problem = "" if whole else "more than could be read"
        except Retry as trouble:
            problem = str(trouble)
            self._owed.update(((one.address, one.author), one) for one in standing)  # it may be read after the next gap
        except PolydeskError as trouble:
            problem = str(trouble)
        readings = [Reading(one.conversation, found.pop(one.author, 0), problem) for one in standing]
        return readings + [Reading("", count) for count in found.values()]

    async def _messages(self, address: Address, oldest: str, end: float) -> tuple[list[dict[str, Any]], bool]:
        """What was written there after `oldest`, in no order, and whether that is all of it.

        Raises:
            PolydeskError: as `_call`.
        """
        method = f"conversations.{'replies' if address.thread else 'history'}"
        where: dict[str, Any] = {"channel": address.chat, "oldest": oldest, "limit": _PAGE}
        where |= {"ts": address.thread} if address.thread else {}
        found: list[dict[str, Any]] = []
        for _ in range(_PAGES):
            page = await self._call(method, where, end)
            found += items(page, "messages")
            where["cursor"] = string(child(page, "response_metadata"), "next_cursor")
            if not where["cursor"]:
                return found, True
        return found, False

    async def _unheard(
        self, address: Address, messages: Sequence[dict[str, Any]], marks: Mapping[str, str], oldest: str
    ) -> list[InboundEvent]:
        """What nobody has told us of, in the order in which it was written.

        A page may have a thread's root on it whatever `oldest` is. In a thread with several people each one's own mark
        counts: what they said among themselves, before they asked us anything, is none of ours.
        """
        events: dict[str, InboundEvent] = {}
        for message in messages:
            told = {"type": "event_callback", "event": {**message, "channel": address.chat}}
            event = parse(told, self._bot)
            if event is not None and event.order > max(oldest, marks.get(event.author.id, "")):
                events[event.id] = event
        known = await self._memory.known(tuple(events)) if events else ()
        return sorted((event for id, event in events.items() if id not in known), key=_order)

    async def _hear(self, event: InboundEvent, end: float) -> bool:
        until = min(end, time.monotonic() + _PATIENCE)
        while True:
            try:
                return await self._intake.hear(event)
            except Retry as trouble:
                if time.monotonic() + trouble.after > until:
                    raise
                await asyncio.sleep(trouble.after)

    async def _call(self, method: str, where: dict[str, Any], end: float) -> dict[str, Any]:
        """Make a call when it is our turn.

        Raises:
            Refused, Broken: we may not read there. Retry: not in this time.
        """
        limit, left = Limit(method, *_TIER_3), _TRIES
        while True:
            wait = self._pace.wait([limit])
            if time.monotonic() + wait > end:
                raise Throttled("Slack lets us read too slowly", wait)
            if wait:
                await asyncio.sleep(wait)
                continue
            self._pace.enter([limit])
            try:
                return await self._client.call(method, where)
            except Throttled as trouble:
                self._pace.told(method, trouble.after, method)
            except Retry as trouble:
                left -= 1
                if not left:
                    raise
                await asyncio.sleep(trouble.after)


def _order(event: InboundEvent) -> str:
    return event.order


def _ts(seconds: float) -> str:
    return f"{seconds:.6f}"
