"""The ear: an event is committed to the ledger before anybody acknowledges it."""

from __future__ import annotations

import structlog

from core.answering import Answering
from core.bell import Bell
from core.store.store import Store
from core.values import EventKind, InboundEvent

log = structlog.get_logger()


class Hearing:
    """What every adapter calls with every event; see `core.ports.Hear`."""

    def __init__(
        self, store: Store, answering: Answering, bell: Bell, *, idle_ms: int, bot_id: str, kb_id: str
    ) -> None:
        self._store = store
        self._answering = answering
        self._bell = bell
        self._idle_ms = idle_ms
        self._bot_id = bot_id
        self._kb_id = kb_id

    async def hear(self, event: InboundEvent) -> bool:
        """Commit the event, then wake its lane; a repetition is acknowledged and changes nothing.

        Raises:
            Retry: nothing could be committed; the platform should deliver it again.
        """
        heard = await self._store.write(
            lambda tx: tx.ledger.remember(event, self._idle_ms, self._bot_id, self._kb_id),
        )
        if heard is None:
            log.info("event.known", event_id=event.id)
            return True
        if heard.conversation is None:
            return False
        log.info("event.heard", event_id=event.id, conversation=heard.conversation.id, kind=event.kind.value)
        # An edit or a deletion changes what is pending without being pending itself.
        if heard.waits or event.kind in (EventKind.EDITED, EventKind.DELETED):
            self._answering.wake(heard.conversation.id)
        self._bell.ring(heard.conversation.id)
        return True
