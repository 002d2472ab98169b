"""The alarm: tells a webhook that a customer waits for a human."""

from __future__ import annotations

import aiohttp
import structlog

from core.bell import Bell
from core.conversation import Conversation, Owner
from core.store.store import Store

log = structlog.get_logger()

_SECONDS = 10.0
_LOOK_EVERY = 60.0


class Alarm:
    """Listens to the bell; posts once for every handoff, and again whenever the timers remind of it."""

    def __init__(self, store: Store, bell: Bell, notify_url: str, console_url: str) -> None:
        self._store = store
        self._bell = bell
        self._notify_url = notify_url
        self._console_url = console_url
        self._told: dict[str, tuple[int, int]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as http, self._bell.listening() as listener:
            while True:
                waiting = await self._store.read(lambda tx: tx.conversations.list(Owner.DESK, limit=1000))
                for conversation in waiting:
                    await self._once(http, conversation)
                open_now = {conversation.id for conversation in waiting}
                self._told = {known: key for known, key in self._told.items() if known in open_now}
                await listener.wait(_LOOK_EVERY)

    async def _once(self, http: aiohttp.ClientSession, conversation: Conversation) -> None:
        key = (conversation.waiting_since, conversation.reminded_at)
        if self._told.get(conversation.id) == key:
            return
        body = {
            "event": "reminder" if conversation.reminded_at else "waiting",
            "conversation": conversation.id,
            "customer": conversation.author.name,
            "platform": conversation.address.platform,
            "reason": conversation.reason,
            "waiting_since": conversation.waiting_since,
            "url": f"{self._console_url}/console/desk/{conversation.id}",
        }
        try:
            async with http.post(self._notify_url, json=body, allow_redirects=False) as answer:
                if answer.status < 300:
                    self._told[conversation.id] = key
                else:
                    log.warning("alarm.refused", status=answer.status)
        except (TimeoutError, aiohttp.ClientError) as problem:
            # Not remembered as told, so the next ring or look tries again.
            log.warning("alarm.not_delivered", problem=type(problem).__name__)
