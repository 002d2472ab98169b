"""The way from a payload to the gateway's ear, the same for Socket Mode as for events over HTTP."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from weakref import WeakValueDictionary

import structlog

from adapters.fields import child, string
from adapters.slack.parse import BotIdentity, parse, shared_by_us
from adapters.slack.people import People
from adapters.slack.sending import Shares
from adapters.stumbling import stumble
from core.errors import MENDING, Broken, Retry
from core.ports import Hear
from core.values import InboundEvent

log = structlog.get_logger()

PATIENCE = 2.0  # seconds for tries of our own; after three Slack takes us for dead, and comes again in a minute

_REMOVED = {
    "app_uninstalled": "the app was removed from the workspace: install it again, then restart with its new token",
    "tokens_revoked": "Slack has revoked a token: install the app again, then restart with its new token",
}


class Intake:
    """Turns payloads into events, then has them heard, those of one person in one chat in their order."""

    def __init__(
        self, bot: BotIdentity, hear: Hear, people: People, shares: Shares, *, patience: float = PATIENCE
    ) -> None:
        self._bot = bot
        self._hear = hear
        self._people = people
        self._shares = shares
        self._patience = patience
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def take(self, payload: object) -> None:
        """Have what the payload tells committed.

        Raises:
            Retry: it was not; Slack should deliver it again.
        """
        self._notice(payload)
        event = parse(payload, self._bot)
        if event is not None:
            await self.hear(event)

    async def hear(self, event: InboundEvent) -> bool:
        """Have an event committed; False when nobody was addressed.

        Raises:
            Retry: it was not.
        """
        key = (event.address.chat, event.author.id)
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        end = time.monotonic() + self._patience
        async with turn:
            return await self._commit(await self._introduced(event), end)

    async def _commit(self, event: InboundEvent, end: float) -> bool:
        """Try for as long as Slack waits: a tap, in particular, is not delivered again."""
        while True:
            try:
                return await self._hear(event)
            except Retry as trouble:
                if time.monotonic() + trouble.after > end:
                    log.warning("slack.not_committed", event_id=event.id, problem=str(trouble))
                    raise
                await asyncio.sleep(trouble.after)
            except Broken as trouble:
                log.error("slack.not_committed", event_id=event.id, problem=str(trouble))
                raise Retry(str(trouble), MENDING) from trouble
            except Exception as bug:
                log.error("slack.stumbled", event_id=event.id, **stumble(bug))
                raise Retry(f"{type(bug).__name__} while hearing {event.id}") from bug

    async def _introduced(self, event: InboundEvent) -> InboundEvent:
        # Who chats in a channel, with nobody of ours, is nothing to ask Slack about.
        person = await self._people.person(event.author.id, ask=event.addressed)
        author = replace(event.author, name=event.author.name or person.name, language=person.language)
        return replace(event, author=author)

    def _notice(self, payload: object) -> None:
        """What Slack tells about the app, and our own files as they appear."""
        files, ts = shared_by_us(payload, self._bot)
        self._shares.seen(files, ts)
        kind = string(child(payload, "event"), "type")
        if kind in _REMOVED:
            log.error("slack.removed", do=_REMOVED[kind])
        if string(payload, "type") == "app_rate_limited":
            log.error("slack.events_dropped", why="more than 30,000 events an hour: is the bot in too many channels?")
