"""Open conversations on the fake Slack, with a reader of what was missed in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager

from adapters.slack.adapter import SlackAdapter
from adapters.slack.client import Client
from adapters.slack.gaps import Gaps
from adapters.slack.intake import Intake
from adapters.slack.people import People
from adapters.slack.sending import Shares
from core.ports import Reading, Standing
from core.values import Address
from tests.adapters.slack.stage import address, by_http, by_sockets, served
from tests.adapters.stage import Ear
from tests.fakes.slack import Customer, FakeSlack

HISTORY, REPLIES = "conversations.history", "conversations.replies"


class Notes:
    """Stands in for the store: conversations that are open, the ids that were heard, what came of reading."""

    def __init__(self, ear: Ear) -> None:
        self.ear = ear
        self.open: dict[str, Standing] = {}
        self.readings: list[Reading] = []
        self.done = asyncio.Event()
        self.trouble: list[Exception] = []
        self.look: Callable[[], bool] = lambda: False
        self.looks: list[bool] = []

    def stands(self, where: Address, author: str, message: str, at: int = 0) -> None:
        self.open[author] = Standing(f"conversation of {author}", where, author, message, at)

    async def standing(self) -> Sequence[Standing]:
        self.looks.append(self.look())
        if self.trouble:
            raise self.trouble.pop(0)
        for event in self.ear.heard:
            if (known := self.open.get(event.author.id)) is not None and event.address == known.address:
                self.stands(event.address, event.author.id, event.message)
        return tuple(self.open.values())

    async def known(self, events: Collection[str]) -> Collection[str]:
        return {event.id for event in self.ear.heard}.intersection(events)

    async def caught_up(self, readings: Sequence[Reading]) -> None:
        self.readings += readings
        self.done.set()

    async def told(self) -> list[Reading]:
        """What the next reading brings."""
        async with asyncio.timeout(10):
            await self.done.wait()
        self.done.clear()
        told, self.readings = self.readings, []
        return told


@asynccontextmanager
async def at_door(slack: FakeSlack, door: str, ear: Ear, notes: Notes) -> AsyncIterator[SlackAdapter]:
    if door == "Socket Mode":
        adapter = by_sockets(slack)
        adapter.catch_up_from(notes)
        async with adapter.running(ear.hear):
            yield adapter
        return
    adapter = by_http(slack)
    adapter.catch_up_from(notes)
    async with served(adapter) as url:
        await slack.use_events_api(url)
        async with adapter.running(ear.hear):
            yield adapter


@asynccontextmanager
async def reading(slack: FakeSlack, ear: Ear, notes: Notes, **options: float) -> AsyncIterator[Gaps]:
    """The reader alone."""
    client = Client(slack.bot_token, slack.api_url)
    people = People(client)
    bot, _scopes = await client.me()
    gaps = Gaps(client, bot, Intake(bot, ear.hear, people, Shares()), notes, **options)
    try:
        async with gaps.reading():
            yield gaps
    finally:
        await people.close()
        await client.close()


def counts(readings: Iterable[Reading]) -> list[tuple[str, int, bool]]:
    return [(one.conversation, one.found, bool(one.problem)) for one in readings]


def in_messages(slack: FakeSlack, ear: Ear, customer: Customer, last: str) -> Notes:
    notes = Notes(ear)
    notes.stands(address(slack, customer.dm.id), customer.id, last)
    return notes
