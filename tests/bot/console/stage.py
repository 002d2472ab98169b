"""A gateway whose brain is a function: every page, door and rule is real, only the thinking is not."""

from __future__ import annotations

import asyncio
import io
import itertools
import math
import re
import struct
import time
import uuid
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import httpx
import uvicorn
from PIL import Image

from adapters.web.adapter import WebAdapter
from adapters.web.parse import address_of, message
from bot.doors import Doors
from bot.gateway import build
from bot.measures import Measures
from bot.settings import Settings
from bot.users import hashed
from bot.wiring import BOT_ID, KB_ID, House
from core.answering import Answering, Room
from core.asking import Prediction, Question
from core.bell import Bell
from core.clock import WallClock
from core.delivery import Courier
from core.desk import Desk
from core.errors import PolydeskError
from core.fetching import Fetcher
from core.hearing import Hearing
from core.knowledge.entries import Entry, KnowledgeBase
from core.learning import Learning
from core.live import Live
from core.publishing import Publishing
from core.speaking import Mouth
from core.store.store import Store
from core.timers import Patience, Timers
from core.values import Attachment
from tests.fakes.house import FakeBrain, sure
from tests.fakes.trainer import FakeTrainer
from tests.migrated import migrated

ADMIN = "ada"
AGENT = "mia"
OTHER_AGENT = "tom"
PASSWORD = "correct horse battery"

KNOWLEDGE = KnowledgeBase(
    title="Test shop",
    entries=(
        Entry(
            "return-damaged",
            "My item arrived damaged, what now?",
            {"en": "Sorry! Send us **a photo** of it."},
            "returns",
            ("it came broken", "the mug is cracked"),
        ),
        Entry(
            "track-order",
            "Where is my order?",
            {"en": "See [the tracking page](https://example.com/track)."},
            "orders",
        ),
        Entry("opening-hours", "When are you open?", {"en": "Nine to five."}, "shop", ("are you open on sundays",)),
    ),
)


@dataclass
class Thinking(FakeBrain):
    """The fake brain, with the count of workers that the gateway's own would have."""

    workers: dict[str, int] = field(default_factory=lambda: {"text": 1, "media": 1})


def think(question: Question) -> Prediction | PolydeskError:
    """Sure about orders, unsure about everything else."""
    if "order" in question.text.lower() or question.photos:
        return sure(question, "track-order", 0.95, "opening-hours", "return-damaged")
    return sure(question, "opening-hours", 0.1, "return-damaged")


@dataclass
class Gateway:
    """A running gateway."""

    url: str
    house: House
    brain: Thinking

    @property
    def store(self) -> Store:
        return self.house.store


@cache
def _known() -> str:
    return hashed(PASSWORD)


@asynccontextmanager
async def furnished(folder: Path, knowledge: KnowledgeBase = KNOWLEDGE) -> AsyncIterator[House]:
    """A house with a published knowledge base, an admin and two agents; nothing listens yet."""
    clock = WallClock()
    store = await Store.open(migrated(folder / "polydesk.db"), folder / "blobs", clock)
    bell = Bell()
    brain = Thinking(think)
    doors = {"web": WebAdapter(store, bell)}
    live = Live(store, store.blobs)
    courier = Courier(store, doors, live, bell, clock)
    mouth = Mouth(doors)
    room = Room(store, brain, doors, Fetcher(doors, store.blobs, clock), live, courier, bell, clock)
    answering = Answering(room)
    publishing = Publishing(store, bell, clock, KB_ID)
    await publishing.bring_in(knowledge)
    await publishing.publish(by="seed")
    for name, role in ((ADMIN, "admin"), (AGENT, "agent"), (OTHER_AGENT, "agent")):
        await store.write(lambda tx, name=name, role=role: tx.users.add(name, role, _known()))
    try:
        yield House(
            settings=Settings(data=folder, secret="a secret of the tests"),  # type: ignore[arg-type]
            store=store,
            bell=bell,
            brain=brain,  # type: ignore[arg-type]
            adapters=doors,  # type: ignore[arg-type]
            live=live,
            courier=courier,
            answering=answering,
            hearing=Hearing(store, answering, bell, idle_ms=86_400_000, bot_id=BOT_ID, kb_id=KB_ID),
            desk=Desk(store, live, mouth, courier, bell, clock),
            timers=Timers(store, live, mouth, courier, bell, clock, Patience()),
            publishing=publishing,
            learning=Learning(store, publishing, bell, KB_ID, FakeTrainer(), 365),
            measures=Measures(),
        )
    finally:
        await answering.close()
        await courier.close()
        await store.close()


@asynccontextmanager
async def served(house: House, port: int = 0) -> AsyncIterator[Gateway]:
    """The house behind a real HTTP server on 127.0.0.1, doors open."""
    doors = Doors(house.adapters)
    config = uvicorn.Config(
        build(house, doors), port=port, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    tasks = [asyncio.create_task(server.serve()), asyncio.create_task(doors.run(house.hearing.hear))]
    try:
        while not (server.started and all(door.open for door in doors.states.values())):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Gateway(f"http://127.0.0.1:{port}", house, house.brain)  # type: ignore[arg-type]
    finally:
        server.should_exit = True
        await tasks[0]
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Visit(httpx.AsyncClient):
    """A browser at the console, without its eyes."""

    async def log_in(self, name: str, password: str = PASSWORD, next: str = "/console/") -> httpx.Response:
        answer = await self.post("/console/login", data={"name": name, "password": password, "next": next})
        if answer.status_code == 303:
            self.headers["X-CSRF"] = await self.token()
        return answer

    async def token(self) -> str:
        """What our own pages carry and other sites cannot know."""
        page = await self.get("/console/desk")
        found = re.search(r'hx-headers=\'{"X-CSRF": "([0-9a-f]+)"}\'', page.text)
        assert found is not None, page.text[:500]
        return found[1]

    async def upload(self, raw: bytes, kind: str = "photo", name: str = "photo.jpg") -> str:
        """Add a file as the pages do; returns its SHA-256."""
        answer = await self.post(f"/console/uploads?kind={kind}", files={"file": (name, raw)})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["sha"])


class Guest:
    """A customer of the web chat, at the API."""

    def __init__(self, house: House, name: str = "") -> None:
        self.house = house
        self.session = str(uuid.uuid4())
        self.name = name or f"Web visitor {self.session[-4:]}"
        self._numbers = itertools.count(1)

    async def says(self, text: str = "", parts: tuple[Attachment, ...] = ()) -> None:
        """Write, and wait until the bot has nothing left to do."""
        if next(self._numbers) == 1:
            await self.house.store.write(lambda tx: tx.web.open(self.session, "x" * 64))
        event = message(self.session, f"m{next(self._numbers)}", text, parts, "en", int(time.time() * 1000))
        event = replace(event, author=replace(event.author, name=self.name))
        assert await self.house.hearing.hear(event)
        await self.house.answering.idle()
        await self.house.courier.idle()

    async def id(self) -> str:
        """The id of the open conversation."""
        found = await self.house.store.read(lambda tx: tx.conversations.of(address_of(self.session), self.session))
        assert found is not None
        return found.id

    async def hears(self) -> list[str]:
        """What others said in the chat."""
        rows = await self.house.store.read(lambda tx: tx.web.after(self.session, 0))
        return [str(row.payload["text"]) for row in rows if row.payload["from"] != "customer"]


def jpeg(color: str = "green", side: int = 48) -> bytes:
    """A small photo."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), color).save(out, "JPEG")
    return out.getvalue()


def wav(seconds: float = 1.0) -> bytes:
    """A small recording."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        tone = (int(8000 * math.sin(0.17 * n)) for n in range(int(16_000 * seconds)))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in tone))
    return out.getvalue()
