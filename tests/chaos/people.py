"""Customers who ask, and agents who step in at the worst moment."""

from __future__ import annotations

import asyncio
import itertools
from contextvars import Context
from dataclasses import dataclass, field, replace

from core.conversation import Owner
from core.errors import PolydeskError
from core.values import Address, Attachment, AttachmentKind, Author, EventKind, InboundEvent, Role
from tests.chaos.brain import ChaosBrain
from tests.chaos.house import Down, House
from tests.chaos.platform import ChaosPlatform
from tests.chaos.world import BEGAN, World

_LINGERS = 90.0  # seconds within which an answer may meet a block that came after its question


@dataclass
class Ask:
    """One question of a customer: the event that carries it, and what they did to it later."""

    unit: int
    chat: str
    at: float
    event: str
    message: str
    deleted: bool = False
    replaced: int = 0  # by the unit of an edit
    edits: bool = False
    group: str = ""  # the album it is a part of
    wordless: bool = False  # a photo alone: the last attempt at a turn goes without it


@dataclass
class Claimed:
    """A time in which an agent had the word, confirmed; `until` is when they began to let go."""

    chat: str
    agent: str
    since: float
    until: float = float("inf")


@dataclass
class Spoken:
    """What an agent wrote; `sure` when the desk said that it is kept."""

    chat: str
    words: str
    at: float
    sure: bool


@dataclass
class Record:
    """What people did."""

    asks: dict[int, Ask] = field(default_factory=dict)
    taps: list[tuple[str, str, str, float]] = field(default_factory=list)  # chat, key, label, moment
    claims: list[Claimed] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    blocks: list[tuple[str, float, float]] = field(default_factory=list)  # chat, from, until
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def blocked(self, chat: str, at: float | None = None) -> bool:
        """Whether this customer blocked the bot, ever or so that words about that moment could not arrive."""
        return any(
            chat == blocker and (at is None or since - _LINGERS < at < until) for blocker, since, until in self.blocks
        )


class Customer:
    """Somebody with one chat on one platform."""

    def __init__(
        self, world: World, house: House, platform: ChaosPlatform, brain: ChaosBrain, record: Record, chat: str
    ) -> None:
        self.world, self.house, self.platform, self.brain, self.record = world, house, platform, brain, record
        self.address = Address(platform.platform, "bot", chat)
        self.author = Author(f"user-{chat}", "Ada", language="en")
        self.chat = chat
        self._events = itertools.count(1)

    async def live(self) -> None:
        """The customer's day."""
        dice = self.world.dice
        asked = 0
        while asked < self.world.plan.questions:
            await asyncio.sleep(dice.random() * self.world.plan.impatience)
            roll = dice.random()
            if roll < 0.55:
                self._asks(whole=dice.random() < 0.7)
                asked += 1
            elif roll < 0.65:
                await self._album()
                asked += 1
            elif roll < 0.73:
                await self._photo_then_question()
                asked += 1
            elif roll < 0.83:
                await asyncio.sleep(dice.random() * 3)
                self._changes_something()
            elif roll < 0.95:
                await asyncio.sleep(dice.random() * 5)
                self._taps_something()
            elif roll < 0.97:
                self._does(self._event(command="human"))
            elif self.world.plan.blocks:
                await self._blocks()

    def _event(self, text: str = "", **fields: object) -> InboundEvent:
        number = next(self._events)
        event = InboundEvent(
            id=f"{self.platform.platform}:{self.chat}:{number}",
            kind=EventKind.CREATED,
            address=self.address,
            author=self.author,
            at=BEGAN + int(self.world.now * 1000),  # by the platform's clock, which does not leap
            text=text,
            message=f"{self.chat}-{number}",
        )
        return replace(event, **fields)  # type: ignore[arg-type]

    def _does(self, event: InboundEvent) -> InboundEvent:
        self.platform.accept(event, self.house.hear)
        return event

    def _unit(self) -> int:
        unit = next(self.record.numbers)
        self.brain.chats[unit] = self.chat
        return unit

    def _kept(self, unit: int, event: InboundEvent, *, edits: bool = False) -> Ask:
        ask = Ask(
            unit,
            self.chat,
            self.world.now,
            event.id,
            event.message,
            edits=edits,
            group=event.group,
            wordless=not event.text,
        )
        self.record.asks[unit] = ask
        return ask

    def _asks(self, *, whole: bool) -> None:
        unit = self._unit()
        text = f"please tell me about q{unit} now?" if whole else f"about q{unit}"
        self._kept(unit, self._does(self._event(text)))

    def _photo(self, unit: int) -> tuple[Attachment, ...]:
        return (Attachment(AttachmentKind.PHOTO, ref=f"photo-{unit}"),)

    async def _album(self) -> None:
        group = f"album-{self.chat}-{self.world.now}"
        parts = self.world.dice.choice((2, 3))
        captioned = self.world.dice.randrange(parts)
        for part in range(parts):
            unit = self._unit()
            text = f"what is q{unit} in these pictures?" if part == captioned else ""
            self._kept(unit, self._does(self._event(text, attachments=self._photo(unit), group=group)))
            await asyncio.sleep(self.world.dice.random() * 0.3)

    async def _photo_then_question(self) -> None:
        unit = self._unit()
        self._kept(unit, self._does(self._event(attachments=self._photo(unit))))
        await asyncio.sleep(self.world.dice.random() * 3)
        self._asks(whole=True)

    def _changes_something(self) -> None:
        mine = [ask for ask in self.record.asks.values() if ask.chat == self.chat]
        mine = [ask for ask in mine if not (ask.deleted or ask.replaced or ask.edits)]
        if not mine:
            return
        ask = self.world.dice.choice(mine)
        if self.world.dice.random() < 0.25:
            ask.deleted = True
            self._does(self._event(kind=EventKind.DELETED, message=ask.message))
            return
        unit = self._unit()
        ask.replaced = unit
        edit = self._event(f"sorry, I mean q{unit} of course?", kind=EventKind.EDITED, message=ask.message)
        self._kept(unit, self._does(edit), edits=True).group = ask.group  # it is still a part of that album

    def _taps_something(self) -> None:
        seen = [one for one in self.platform.shown if one.chat == self.chat]
        buttons = [choice for one in seen[-3:] for choice in one.choices]
        if not buttons:
            return
        key, label = self.world.dice.choice(buttons)
        self.record.taps.append((self.chat, key, label, self.world.now))
        self._does(self._event(label, kind=EventKind.TAPPED, tap=key))
        if self.world.dice.random() < 0.2:  # a double tap
            self._does(self._event(label, kind=EventKind.TAPPED, tap=key))

    async def _blocks(self) -> None:
        since = self.world.now
        self.platform.blocked.add(self.chat)
        self._does(self._event(kind=EventKind.BLOCKED))
        await asyncio.sleep(self.world.dice.random() * 20)
        self.record.blocks.append((self.chat, since, self.world.now))
        self.platform.blocked.discard(self.chat)
        self._does(self._event(kind=EventKind.UNBLOCKED))


class Agents:
    """The people at the desk."""

    def __init__(self, world: World, house: House, customers: dict[str, Customer], record: Record) -> None:
        self.world, self.house, self.customers, self.record = world, house, customers, record
        self.visits: set[asyncio.Task[None]] = set()
        self._words = itertools.count(1)

    async def strike(self, chat: str) -> None:
        """Somebody claims at this very moment; whoever passed the point goes on a little later."""
        if chat:
            # In the world's own context: a crash of the gateway kills no agent.
            task = asyncio.create_task(self.visit(chat), context=Context())
            self.visits.add(task)
            await asyncio.sleep(self.world.dice.choice((0.0, 0.0, 0.001, 0.05, 0.5)))

    async def work(self) -> None:
        """An agent's day."""
        dice = self.world.dice
        for _ in range(dice.choice((1, 2))):
            await asyncio.sleep(dice.random() * 40)
            await self.visit(dice.choice(list(self.customers)))

    async def visit(self, chat: str) -> None:
        """Claim a conversation, write, and leave one way or another."""
        dice = self.world.dice
        name = dice.choice(("Mia", "Tom"))
        agent = Author(name.lower(), name, Role.AGENT)
        customer = self.customers[chat]
        try:
            found = await self.house.call(
                lambda gateway: gateway.store.read(lambda tx: tx.conversations.of(customer.address, customer.author.id))
            )
            if found is None or found.owner is Owner.AGENT:
                return
            await self.house.call(lambda gateway: gateway.desk.claim(found.id, agent))
            self.world.note(f"{name} has {chat}: confirmed")
            claimed = Claimed(chat, agent.id, self.world.now)
            self.record.claims.append(claimed)
            for _ in range(dice.choice((0, 1, 1, 2))):
                await asyncio.sleep(dice.random() * 8)
                await self._says(found.id, chat, agent)
            await asyncio.sleep(dice.random() * 20)
            roll = dice.random()
            if roll < 0.4:
                claimed.until = self.world.now
                await self.house.call(lambda gateway: gateway.desk.hand_back(found.id, agent))
                self.world.note(f"{name} hands {chat} back")
            elif roll < 0.7:
                claimed.until = self.world.now
                await self.house.call(lambda gateway: gateway.desk.resolve(found.id, agent))
                self.world.note(f"{name} resolves {chat}")
        except (Down, PolydeskError) as problem:
            self.world.note(f"{name} at {chat}: {problem!r}")

    async def _says(self, id: str, chat: str, agent: Author) -> None:
        spoken = Spoken(chat, f"agent word {next(self._words)}.", self.world.now, sure=False)
        self.record.spoken.append(spoken)
        await self.house.call(lambda gateway: gateway.desk.say(id, agent, spoken.words))
        spoken.sure = True
