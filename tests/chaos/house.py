"""Gateways over the real rules and the real store, one life after the other on the same file."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy import event as hooks
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from core.answering import Answering, Room
from core.bell import Bell
from core.delivery import Courier
from core.desk import Desk
from core.errors import PolydeskError
from core.fetching import Fetcher
from core.hearing import Hearing
from core.live import Live
from core.ports import Adapter, Brain
from core.speaking import Mouth
from core.store.ledger import Ledger
from core.store.outbox import Outbox
from core.store.store import Store, Tx
from core.timers import Patience, Timers
from core.values import InboundEvent
from tests.chaos.loop import LIFE, Inline, Life
from tests.chaos.world import World, WorldClock

T = TypeVar("T")

IDLE_MS = 86_400_000
READ_ONLY = "attempt to write a readonly database"
BROKEN = "what no code of ours foresaw"  # which nobody can know to heal; it does
_AS: dict[str, type[DBAPIError]] = {BROKEN: DatabaseError}
_TICK = 15.0


# Engines compile each statement once; a new pair for every life of a gateway would cost more than all else.
_ENGINES: dict[str, list[Engine]] = {}
_NOW: list[ChaosStore] = []


class Down(Exception):
    """The gateway was killed before it could answer, or none runs."""


class WatchedLedger(Ledger):
    """Tells which point was passed, once the transaction is committed."""

    tx: WatchedTx

    async def remember(self, event: InboundEvent, *args: Any, **kwargs: Any) -> Any:
        heard = await super().remember(event, *args, **kwargs)
        self.tx.notes.append(("heard", event.address.chat))
        return heard


class WatchedOutbox(Outbox):
    """Tells which point was passed, once the transaction is committed."""

    tx: WatchedTx

    async def add(self, conversation: str, calls: Any, *args: Any, **kwargs: Any) -> Any:
        ids = await super().add(conversation, calls, *args, **kwargs)
        for call in calls[:1]:
            claimed = "[claimed]" in str(call.arguments.get("text"))
            self.tx.notes.append(("claiming" if claimed else "queued", str(call.arguments["chat"])))
        return ids

    async def take(self, *args: Any, **kwargs: Any) -> Any:
        row = await super().take(*args, **kwargs)
        if row is not None:
            self.tx.notes.append(("taken", str(row.call.arguments["chat"])))
        return row

    async def sent(self, *args: Any, **kwargs: Any) -> None:
        await super().sent(*args, **kwargs)
        self.tx.notes.append(("recorded", ""))


class WatchedTx(Tx):
    """A transaction with eyes; `notes` are those of the unit of work that runs."""

    ledger_class: type[WatchedLedger] = WatchedLedger
    outbox_class: type[WatchedOutbox] = WatchedOutbox
    notes: list[tuple[str, str]]

    @cached_property
    def ledger(self) -> Ledger:
        room = self.ledger_class(self.sql)
        room.tx = self
        return room

    @cached_property
    def outbox(self) -> Outbox:
        room = self.outbox_class(self.sql)
        room.tx = self
        return room


@dataclass(frozen=True, slots=True)
class Parts:
    """What a gateway is built of; a planted bug swaps one of them."""

    tx: type[WatchedTx] = WatchedTx
    courier: type[Courier] = Courier
    hearing: type[Hearing] = Hearing
    door: Callable[[Adapter], Adapter] = lambda door: door
    recovers: bool = True


class ChaosStore(Store):
    """The real store; its threads are the loop's own (see `Inline`), and its disk fails now and then."""

    world: World
    tx: type[WatchedTx]
    starting = False

    def settle_in(self, world: World, tx: type[WatchedTx]) -> None:
        self.world, self.tx = world, tx
        self._readers.shutdown()
        self.writer._thread.shutdown()
        self._readers = Inline(world.loop)  # type: ignore[assignment]
        self.writer._thread = Inline(world.loop)  # type: ignore[assignment]
        kept = _ENGINES.setdefault(str(self._engines[0].url), self._engines)
        if kept is self._engines:
            writing, reading = kept[:2]
            hooks.listen(writing, "begin", partial(_fails, 0.5, ("database is locked", READ_ONLY)), insert=True)
            hooks.listen(writing, "commit", partial(_fails, 1.0, ("disk is full", BROKEN)), insert=True)
            hooks.listen(reading, "begin", partial(_fails, 0.25, ("disk I/O error",)), insert=True)
        self._engines, self.writer._engine = kept, kept[0]
        _NOW[:] = [self]

    def fail(self, share: float, troubles: Sequence[str]) -> None:
        """Let a transaction fail, as often as the plan says; `share` of that for these kinds of failure."""
        odds = self.world.plan.storage * share
        away = self.world.now < self.world.storage_away and not self.world.calm
        if self.world.happens(odds) or (away and self.world.dice.random() < 0.8):
            words = min(troubles, key=lambda one: self.world.injected[one])  # each in turn
            self.world.injected[words] += 1
            self.world.note(f"!! {words}")
            raise _AS.get(words, OperationalError)("", {}, sqlite3.OperationalError(words))

    def _transaction(self, connection: Any) -> Tx:
        tx = self.tx(connection, self.clock)
        tx.notes = []
        return tx

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        notes: list[tuple[str, str]] = []

        async def watched(tx: Tx) -> T:
            tx.notes = notes  # type: ignore[attr-defined]
            return await work(tx)

        result = await super().write(watched)
        for name, chat in notes:
            await self.world.point(name, chat)
        await self._recovering()
        return result

    async def read(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        result = await super().read(work)
        await self._recovering()
        return result

    async def _recovering(self) -> None:
        if self.starting:
            await self.world.point("recovering")

    def vanish(self) -> None:
        """What the system does to the files of a killed process."""
        for engine in self._engines:
            engine.dispose()


def _fails(share: float, troubles: Sequence[str], connection: Connection) -> None:
    _NOW[0].fail(share, troubles)


class Gateway:
    """One life of the gateway process."""

    def __init__(
        self, world: World, life: Life, store: ChaosStore, doors: Mapping[str, Adapter], brain: Brain, parts: Parts
    ) -> None:
        clock, bell = WorldClock(world), Bell()
        doors = {name: parts.door(door) for name, door in doors.items()}
        self.life, self.store, self._parts = life, store, parts
        live, mouth = Live(store, store.blobs), Mouth(doors)
        self.courier = parts.courier(store, doors, live, bell, clock)
        room = Room(store, brain, doors, Fetcher(doors, store.blobs, clock), live, self.courier, bell, clock)
        self.answering = Answering(room)
        self.hearing = parts.hearing(store, self.answering, bell, idle_ms=IDLE_MS, bot_id="default", kb_id="default")
        self.desk = Desk(store, live, mouth, self.courier, bell, clock)
        self.timers = Timers(store, live, mouth, self.courier, bell, clock, Patience())

    async def start(self) -> None:
        """As `bot.gateway` does it: what is left over first, then the doors."""
        self.store.starting = True
        if self._parts.recovers:
            await self.courier.recover()
            await self.answering.recover()
        self.store.starting = False

    async def tick(self) -> None:
        while True:
            with contextlib.suppress(PolydeskError):  # the next tick looks again
                await self.timers.tick()
            await asyncio.sleep(120.0 if self.store.world.calm else _TICK)


class House:
    """Keeps a gateway running: whenever one is killed, another starts on the same file."""

    def __init__(
        self, world: World, url: str, blobs: Path, doors: Mapping[str, Adapter], brain: Brain, parts: Parts
    ) -> None:
        self._world, self._url, self._blobs = world, url, blobs
        self._doors, self._brain, self._parts = doors, brain, parts
        self.lives: list[tuple[Life, ChaosStore]] = []
        self.gateway: Gateway | None = None

    async def keep(self) -> None:
        """Start gateways, one after the other, for ever."""
        world = self._world
        while True:
            life = Life(len(self.lives) + 1)
            world.life = life
            starting = copy_context().run(self._in_life, life, self._start(life))
            ended = asyncio.create_task(life.ended.wait())
            await asyncio.wait({starting, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not life.dead and starting.exception() is not None:
                world.note(f"gateway {life.number} cannot start: {starting.exception()!r}")
                life.end()
            await ended
            self.gateway = None
            await asyncio.sleep(0.5 + world.dice.random() * (0.1 if world.calm else 6.0))

    @staticmethod
    def _in_life(life: Life, work: Any) -> asyncio.Task[Any]:
        LIFE.set(life)
        return asyncio.create_task(work)

    async def _start(self, life: Life) -> None:
        store = await ChaosStore.open(self._url, self._blobs, WorldClock(self._world))
        assert isinstance(store, ChaosStore)
        store.settle_in(self._world, self._parts.tx)
        self.lives.append((life, store))
        gateway = Gateway(self._world, life, store, self._doors, self._brain, self._parts)
        await gateway.start()
        self.gateway = gateway
        self._world.note(f"gateway {life.number} runs")
        await gateway.tick()

    async def call(self, work: Callable[[Gateway], Awaitable[T]], seconds: float = 60.0) -> T:
        """Have the running gateway do something.

        Raises:
            Down: none runs, or it was killed meanwhile, or did not answer. Whatever the work raised.
        """
        gateway = self.gateway
        if gateway is None or gateway.life.dead:
            raise Down

        async def do() -> T:
            return await work(gateway)

        task = copy_context().run(self._in_life, gateway.life, do())
        ended = asyncio.create_task(gateway.life.ended.wait())
        try:
            await asyncio.wait({task, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if not task.done():
            raise Down
        return task.result()  # type: ignore[no-any-return]

    async def hear(self, event: InboundEvent) -> bool:
        """What platforms call; True when it was acknowledged, which is so too for what concerns nobody."""
        try:
            await self.call(lambda gateway: gateway.hearing.hear(event), 10.0)
        except (Down, PolydeskError):
            return False
        return True

    def bury(self) -> None:
        """Close what all lives left open."""
        for life, store in self.lives:
            life.end()
            store.vanish()
            life.bury()


def with_parts(parts: Parts, **swapped: Any) -> Parts:
    """The parts with some of them swapped."""
    return replace(parts, **swapped)
