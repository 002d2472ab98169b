"""The gateway's house on a fake platform, with a brain that tests control and a clock that they turn."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy import event as hooks
from sqlalchemy.exc import OperationalError

from core.answering import Answering, Room
from core.bell import Bell
from core.clock import WallClock
from core.conversation import Conversation
from core.delivery import Courier
from core.desk import Desk
from core.fetching import Fetcher
from core.hearing import Hearing
from core.knowledge.entries import Entry, KnowledgeBase
from core.live import Live
from core.ports import Adapter, Brain
from core.publishing import Publishing
from core.speaking import Mouth
from core.store.blobs import BlobFolder
from core.store.store import Store
from core.store.tables import conversations, events
from core.values import Author, Role
from tests.fakes.house import FakeBrain, sure
from tests.migrated import migrated
from tests.regressions.ground import Ground, Person

ORDER, HOURS, BROKEN = "where is my order please?", "when are you open today?", "it came damaged, what now?"
AND_ORDER, AND_HOURS, AND_BROKEN = "See the tracking page.", "Nine to five.", "Send us a photo."
MIA = Author("mia", "Mia", Role.AGENT)

LONG = "\n\n".join(
    f"**Clause {number}.** The *buyer* and the seller 🏔️👩🏽‍🚀 agree on `point {number}` <of> these & those terms; "
    "السلام عليكم ورحمة الله، هذا نص طويل من اليمين إلى اليسار مع 7 أرقام؛ "
    "whoever reads on deserves a [map](https://example.com/map) of the long way home."
    for number in range(1, 41)
)

KNOWLEDGE = KnowledgeBase(
    title="Test shop",
    entries=(
        Entry("track-order", "Where is my order?", {"en": "See the **tracking page**."}),
        Entry("opening-hours", "When are you open?", {"en": AND_HOURS}),
        Entry("return-damaged", "My item arrived damaged, what now?", {"en": AND_BROKEN}),
        Entry("terms", "What are the terms?", {"en": LONG}),
    ),
)
_SPOKEN_OF = {"open": "opening-hours", "damaged": "return-damaged", "terms": "terms"}
_WELCOME = "at any time."


class TurnableClock(WallClock):
    """The wall clock, that tests can put forward, or let run faster from now on."""

    def __init__(self) -> None:
        self.ahead = 0
        self._speed = 1.0
        self._began, self._from = super().now(), time.monotonic()

    def now(self) -> int:
        return int(self._began + (time.monotonic() - self._from) * 1000 * self._speed) + self.ahead

    def seconds(self) -> float:
        return self.now() / 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)

    def runs(self, speed: float) -> None:
        """So many seconds pass in one."""
        self._began, self._from, self._speed = self.now() - self.ahead, time.monotonic(), speed


class SlowBrain(FakeBrain):
    """Answers by the words of a question; questions that contain words which are held wait for their gate."""

    def __init__(self) -> None:
        super().__init__(self.recognise)
        self._held: dict[str, asyncio.Event] = {}

    def hold(self, words: str) -> asyncio.Event:
        """Let questions with these words wait for the gate."""
        return self._held.setdefault(words, asyncio.Event())

    async def ask(self, question: Any) -> Any:
        self.asked.append(question)
        for words, gate in self._held.items():
            if words in question.text:
                await gate.wait()
        thought = self.think(question)
        if isinstance(thought, Exception):
            raise thought
        return thought

    @staticmethod
    def recognise(question: Any) -> Any:
        entry = next((entry for word, entry in _SPOKEN_OF.items() if word in question.text), "track-order")
        return sure(question, entry, 0.95, *(other for other in ("opening-hours", "track-order") if other != entry))


@dataclass
class House:
    """One life of a gateway."""

    ground: Ground
    door: Any
    store: Store
    brain: Any
    answering: Answering
    courier: Courier
    desk: Desk
    publishing: Publishing
    clock: TurnableClock

    async def settle(self) -> None:
        """Until nobody has anything left to do; what waits for its time is not waited for."""
        await self.ground.settled()
        for _ in range(3):
            await self.answering.idle()
            await self.courier.idle()
        await self.ground.settled()

    async def until(self, what: Callable[[], Any], seconds: float = 10.0) -> Any:
        return await self.ground.fake.until(what, seconds)

    async def answers(self, person: Person, count: int) -> list[str]:
        """What the person has heard, once it is so many messages; they have time to become too many."""
        await self.until(lambda: len(person.seen()) >= count)
        await self.settle()
        await asyncio.sleep(0.05)
        return heard(person)

    async def conversation(self, person: Person) -> Conversation:
        """The person's open conversation."""
        mine = conversations.c.author_id == person.id
        id = await self.store.read(
            lambda tx: tx.sql.value(select(conversations.c.id).where(mine, conversations.c.resolved_at == 0))
        )
        found = await self.store.read(lambda tx: tx.conversations.get(id))
        assert found is not None
        return found

    async def keys(self) -> list[str]:
        """The keys of dedupe of everything that was stored."""
        return list(await self.store.read(lambda tx: tx.sql.column(select(events.c.key))))

    async def rows(self, person: Person) -> list[str]:
        """What became of each call that was to be made for this person, in order."""
        id = (await self.conversation(person)).id
        return [row.state.value for row in await self.store.read(lambda tx: tx.outbox.list(id))]

    async def delivered(self, person: Person) -> None:
        """Until nothing waits to be sent, whenever its time is."""
        async with asyncio.timeout(10):
            while {"ready", "sending"} & set(await self.rows(person)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def refuse_writes(self, times: int, words: str) -> None:
        """Let the database fail at the next transactions that want to write, with these words of SQLite's."""
        left = times

        def fail(connection: Connection) -> None:
            nonlocal left
            if left > 0:
                left -= 1
                raise OperationalError("", {}, sqlite3.OperationalError(words))

        hooks.listen(self.store.writer._engine, "begin", fail, insert=True)

    async def killed(self) -> None:
        """Stop working this very moment, whatever is on its way."""
        await self.courier.close()
        await self.answering.close()


def heard(person: Person) -> list[str]:
    """What the bot has said to somebody, without the welcome at the beginning."""
    return [text.rpartition(_WELCOME)[2].strip() for text in person.seen()]


@asynccontextmanager
async def life(
    ground: Ground,
    folder: Path,
    brain: Brain | None = None,
    knowledge: KnowledgeBase = KNOWLEDGE,
    *,
    speed: float = 1.0,
) -> AsyncIterator[House]:
    """A gateway from start to stop; the next one on the same folder finds what it left."""
    clock, bell = TurnableClock(), Bell()
    clock.runs(speed)
    store = await Store.open(migrated(folder / "house.db"), folder / "blobs", clock)
    thinking = brain or SlowBrain()
    try:
        async with ground.door(BlobFolder(folder / "blobs").get) as door:
            doors: dict[str, Adapter] = {ground.platform: door}
            live, mouth = Live(store, store.blobs), Mouth(doors)
            courier = Courier(store, doors, live, bell, clock)
            fetcher = Fetcher(doors, store.blobs, clock)
            answering = Answering(Room(store, thinking, doors, fetcher, live, courier, bell, clock))
            hearing = Hearing(store, answering, bell, idle_ms=86_400_000, bot_id="default", kb_id="default")
            publishing = Publishing(store, bell, clock, "default")
            desk = Desk(store, live, mouth, courier, bell, clock)
            if await publishing.live() is None:
                await publishing.bring_in(knowledge)
                await publishing.publish()
            await courier.recover()
            await answering.recover()
            async with door.running(hearing.hear):
                yield House(ground, door, store, thinking, answering, courier, desk, publishing, clock)
                await answering.close()
                await courier.close()
            await answering.close()
            await courier.close()
    finally:
        await store.close()
