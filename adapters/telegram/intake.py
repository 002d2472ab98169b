"""The way from a raw update to the gateway's ear, the same for polling as for the webhook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from adapters.stumbling import stumble
from adapters.telegram.parse import BotIdentity, moved, parse, tap_id
from core.errors import MENDING, Broken, Retry
from core.ports import Hear
from core.values import InboundEvent

log = structlog.get_logger()

_TRIES = 3  # for an event that the gateway cannot take for no good reason, before the next one's turn comes


class Intake:
    """Turns updates into events, then has them heard.

    `tapped` is told the id of each callback query at once, `relocated` the old and new id of a group that moved; both
    return at once. `now` is UTC milliseconds.
    """

    def __init__(
        self,
        bot: BotIdentity,
        hear: Hear,
        *,
        now: Callable[[], int],
        tapped: Callable[[str], None],
        relocated: Callable[[str, str], None],
    ) -> None:
        self._bot = bot
        self._hear = hear
        self._now = now
        self._tapped = tapped
        self._relocated = relocated
        self._failed: dict[str, int] = {}

    def read(self, update: Any) -> InboundEvent | None:
        """The event in an update, if there is one."""
        if query := tap_id(update):
            self._tapped(query)
        if move := moved(update):
            self._relocated(*move)
        return parse(update, self._bot, self._now())

    async def take(self, event: InboundEvent) -> None:
        """Have the event committed.

        Raises:
            Retry: it was not; deliver it again. An event over which the gateway stumbles (a bug of ours) is given up
                the third time, so that it does not stand before all the others for ever.
        """
        try:
            await self._hear(event)
        except Retry:
            raise
        except Broken as trouble:
            # Nothing can be committed at all, until somebody mends it: whatever is given up now is lost.
            raise Retry(str(trouble), MENDING) from trouble
        except Exception as bug:
            tries = self._failed.pop(event.id, 0) + 1
            log.error("telegram.stumbled", event_id=event.id, tries=tries, **stumble(bug))
            if tries < _TRIES:
                self._failed[event.id] = tries
                raise Retry(f"{type(bug).__name__} while hearing {event.id}") from bug
            log.error("telegram.given_up", event_id=event.id)
        else:
            self._failed.pop(event.id, None)
