"""The whole road over a real SQLite store, with a platform and a brain that tests control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core import learning as rules
from core.answering import Answering, Room
from core.bell import Bell
from core.clock import WallClock
from core.delivery import Courier
from core.desk import Desk
from core.fetching import Fetcher
from core.hearing import Hearing
from core.knowledge.entries import Entry, KnowledgeBase
from core.learning import Learning
from core.live import Live
from core.publishing import Publishing
from core.speaking import Mouth
from core.store.store import Store
from core.store.trainings import TrainingRow
from core.timers import Patience, Timers
from core.training import News, Outcome
from tests.fakes.house import FakeBrain, FakeCustomer, FakePlatform, sure
from tests.fakes.trainer import FakeTrainer
from tests.migrated import migrated

KNOWLEDGE = KnowledgeBase(
    title="Test shop",
    entries=(
        Entry(
            "return-damaged", "My item arrived damaged, what now?", {"en": "Send us a photo.", "de": "Bitte ein Foto."}
        ),
        Entry("track-order", "Where is my order?", {"en": "See the tracking page."}),
        Entry("opening-hours", "When are you open?", {"en": "Nine to five."}),
        Entry("warranty", "Is there a warranty claim?", {"en": "Two years."}, escalate=True),
        Entry("old", "An old question", {"en": "An old answer."}, enabled=False),
    ),
)


class TurnableClock(WallClock):
    """The wall clock, that tests can put forward."""

    def __init__(self) -> None:
        self.ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead


@dataclass
class Road:
    store: Store
    platform: FakePlatform
    brain: FakeBrain
    answering: Answering
    courier: Courier
    hearing: Hearing
    desk: Desk
    timers: Timers
    publishing: Publishing
    clock: TurnableClock
    bell: Bell

    def customer(self, chat: str = "c1") -> FakeCustomer:
        return FakeCustomer(self.hearing.hear, chat)

    async def settle(self) -> None:
        """Until nobody has anything left to do."""
        for _ in range(3):
            await self.answering.idle()
            await self.courier.idle()

    async def until(self, condition: object, seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # type: ignore[operator]  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def under_way(self, conversation: str) -> None:
        """Until words of this conversation are being sent, which the test's platform holds back."""
        async with asyncio.timeout(20):
            while not await self.store.read(lambda tx: tx.outbox.in_flight(conversation)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def conversation(self, chat: str = "c1"):  # type: ignore[no-untyped-def]
        customer = self.customer(chat)
        found = await self.store.read(lambda tx: tx.conversations.of(customer.address, customer.author.id))
        assert found is not None
        return found


async def opened(
    folder: Path, platform: FakePlatform, brain: FakeBrain, clock: TurnableClock, notice: str = ""
) -> Road:
    """A house on the store in this folder; the first one on it publishes the knowledge base."""
    store = await Store.open(migrated(folder / "road.db"), folder / "blobs", clock)
    doors = {"fake": platform}
    bell = Bell()
    live = Live(store, store.blobs)
    courier = Courier(store, doors, live, bell, clock)
    mouth = Mouth(doors)
    fetcher = Fetcher(doors, store.blobs, clock)
    room = Room(store, brain, doors, fetcher, live, courier, bell, clock, notice=notice)
    answering = Answering(room)
    publishing = Publishing(store, bell, clock, "default")
    if await publishing.live() is None:
        await publishing.bring_in(KNOWLEDGE)
        await publishing.publish()
    return Road(
        store,
        platform,
        brain,
        answering,
        courier,
        Hearing(store, answering, bell, idle_ms=86_400_000, bot_id="default", kb_id="default"),
        Desk(store, live, mouth, courier, bell, clock),
        Timers(store, live, mouth, courier, bell, clock, Patience()),
        publishing,
        clock,
        bell,
    )


@pytest.fixture
async def road(tmp_path: Path) -> AsyncIterator[Road]:
    brain = FakeBrain(lambda question: sure(question, "track-order", 0.95, "opening-hours", "return-damaged"))
    road = await opened(tmp_path, FakePlatform(), brain, TurnableClock())
    yield road
    await road.answering.close()
    await road.courier.close()
    await road.store.close()


@pytest.fixture
def trainer() -> FakeTrainer:
    return FakeTrainer()


class Seconds:
    """A monotonic clock that tests turn."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def learning(road: Road, trainer: FakeTrainer, seconds: Seconds, monkeypatch: pytest.MonkeyPatch) -> Learning:
    monkeypatch.setattr(rules, "_WAIT", 0.02)
    return Learning(road.store, road.publishing, road.bell, "default", trainer, 365, seconds)


async def attended(learning: Learning, trainer: FakeTrainer) -> None:
    """Until all that was said is heard, and everybody was looked for."""
    await learning.attend()
    while trainer.said:
        await learning.attend()


async def heard(learning: Learning, trainer: FakeTrainer, *told: Any, **said: Any) -> TrainingRow:
    """A training of which its worker was heard to say this, see `News`."""
    row = await learning.start(by="ada")
    trainer.said.append(News(row.id, 1, *told, **said))
    await attended(learning, trainer)
    return row


async def later(learning: Learning, trainer: FakeTrainer, seconds: Seconds, by: float) -> None:
    """Look now, and again after a while."""
    await attended(learning, trainer)
    seconds.now += by
    await attended(learning, trainer)


async def outcome(road: Road, passed: bool = True) -> Outcome:
    model, report = await road.store.keep(b"a model"), await road.store.keep(b"<p>a report")
    return Outcome(model, report, passed, "it is not worse" if passed else "it is worse on: cases")


async def row(road: Road, id: str) -> TrainingRow:
    found = await road.store.read(lambda tx: tx.trainings.get(id))
    assert found is not None
    return found
