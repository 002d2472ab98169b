"""Bugs that other bots really had, planted one at a time: the verdict must see each of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import uuid_utils
from sqlalchemy import bindparam, select, update

from core.delivery import Courier
from core.errors import OutcomeUnknown, Retry
from core.hearing import Hearing
from core.ports import Adapter
from core.store.tables import events, outbox
from core.values import Call, EventKind, InboundEvent, Sent
from tests.chaos.house import Parts, WatchedLedger, WatchedOutbox, WatchedTx, with_parts

_KEPT: set[asyncio.Task[None]] = set()
_KNOWN = select(events.c.id).where(events.c.key == bindparam("known"))
_AS_READY = update(outbox).where(outbox.c.id == bindparam("row")).values(state="ready")
_NEWEST = (
    select(outbox)
    .where(outbox.c.conversation == bindparam("of"), outbox.c.state == "ready", outbox.c.seq > 0)
    .order_by(outbox.c.seq.desc())
    .limit(1)
)
_TO_FRONT = update(outbox).where(outbox.c.id == bindparam("row")).values(seq=bindparam("place"))


class _ForgetfulLedger(WatchedLedger):
    """Takes every delivery for a new one."""

    async def remember(self, event: InboundEvent, *args: Any, **kwargs: Any) -> Any:
        if event.kind is EventKind.CREATED and not event.group:
            known = await self.sql_knows(event.id)
            if known:
                object.__setattr__(event, "id", f"{event.id}:{uuid_utils.uuid7()}")
        return await super().remember(event, *args, **kwargs)

    async def sql_knows(self, key: str) -> bool:
        return await self._sql.value(_KNOWN, {"known": key}) is not None


class _ForgetfulTx(WatchedTx):
    ledger_class = _ForgetfulLedger


class _OpenOutbox(WatchedOutbox):
    """Queues everything as if no human could ever come."""

    async def add(self, *args: Any, **kwargs: Any) -> Any:
        return await super().add(*args, **{**kwargs, "fenced": False})


class _FencelessTx(WatchedTx):
    outbox_class = _OpenOutbox


class _LateOutbox(WatchedOutbox):
    """Marks a row only once it has been sent."""

    async def take(self, *args: Any, **kwargs: Any) -> Any:
        row = await super().take(*args, **kwargs)
        if row is not None:
            await self._sql.run(_AS_READY, {"row": row.id})
        return row


class _LateTx(WatchedTx):
    outbox_class = _LateOutbox


class _StackOutbox(WatchedOutbox):
    """Sends what came last first."""

    async def take(self, conversation: str, now: int, holder: str = "") -> Any:
        last = await self._sql.row(_NEWEST, {"of": conversation})
        if last is not None:
            await self._sql.run(_TO_FRONT, {"row": last.id, "place": -int(last.seq)})
        return await super().take(conversation, now, holder)


class _StackTx(WatchedTx):
    outbox_class = _StackOutbox


class _HastyCourier(Courier):
    """Confirms a claim while words of the bot are still on their way."""

    async def settled(self, conversation: str, seconds: float) -> bool:
        return True


class _HastyHearing(Hearing):
    """Acknowledges first, commits later."""

    async def hear(self, event: InboundEvent) -> bool:
        hear = super().hear

        async def later() -> None:
            await asyncio.sleep(0.05)
            await hear(event)

        _KEPT.add(task := asyncio.create_task(later()))
        task.add_done_callback(_KEPT.discard)
        return True


class _StubbornDoor:
    """Sends again whatever may not have arrived."""

    def __init__(self, door: Adapter) -> None:
        self._door = door
        self.platform, self.router = door.platform, door.router
        self.running, self.render, self.fetch = door.running, door.render, door.fetch

    async def send(self, call: Call) -> Sent:
        try:
            return await self._door.send(call)
        except OutcomeUnknown as problem:
            raise Retry("once more") from problem


class _MuteDoor(_StubbornDoor):
    """Never says that a human was asked."""

    async def send(self, call: Call) -> Sent:
        if "[handoff" in str(call.arguments.get("text")):
            return Sent("0")
        return await self._door.send(call)


class _PlainDoor(_StubbornDoor):
    """Says anew what should replace something."""

    def __init__(self, door: Adapter) -> None:
        super().__init__(door)
        self.render = lambda address, reply: door.render(address, replace(reply, edits=""))
        self.send = door.send  # type: ignore[method-assign]


class _OnceOutbox(WatchedOutbox):
    """Says only once in a conversation that a human was asked."""

    async def add(self, conversation: str, calls: Any, *args: Any, **kwargs: Any) -> Any:
        if any("[handoff" in str(call.arguments.get("text")) for call in calls):
            said = [row.call.arguments["text"] for row in await self.list(conversation)]
            if any("[handoff" in str(text) for text in said):
                return ()
        return await super().add(conversation, calls, *args, **kwargs)


class _OnceTx(WatchedTx):
    outbox_class = _OnceOutbox


class _CarelessCourier(Courier):
    """Forgets what the platform refused."""

    async def _to_a_human(self, *args: Any) -> None:
        return None


BUGS: dict[str, dict[str, Any]] = {
    "no dedupe": {"tx": _ForgetfulTx},
    "no fence": {"tx": _FencelessTx},
    "sent before it is marked": {"tx": _LateTx},
    "the last first": {"tx": _StackTx},
    "claims confirmed at once": {"courier": _HastyCourier},
    "acknowledged before the commit": {"hearing": _HastyHearing},
    "unknown outcomes sent again": {"door": _StubbornDoor},
    "handed over without a word": {"door": _MuteDoor},
    "the next time handed over without a word": {"tx": _OnceTx},
    "said anew instead of replaced": {"door": _PlainDoor},
    "refused and forgotten": {"courier": _CarelessCourier},
    "no recovery": {"recovers": False},
}


def parts_with(bug: str) -> Parts:
    """The parts of a gateway, one of them wrong if a bug is named.

    Raises:
        KeyError: there is no such bug.
    """
    return with_parts(Parts(), **BUGS[bug]) if bug else Parts()
