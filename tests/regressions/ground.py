"""Telegram and Slack as regressions see them: people who write, and doors by which it comes in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from adapters.slack.adapter import SlackAdapter
from adapters.telegram.adapter import TelegramAdapter
from core.ports import Adapter
from tests.adapters.slack.stage import by_http, by_sockets
from tests.adapters.slack.stage import served as slack_served
from tests.adapters.slack.stage import words as read
from tests.adapters.telegram.stage import served as telegram_served
from tests.fakes import slack as slacks
from tests.fakes import telegram as telegrams
from tests.fakes.slack import FakeSlack
from tests.fakes.telegram import FakeTelegram

Blob = Callable[[str], bytes]

HURRY = 600  # by which the platforms' own waits are divided


class Person(Protocol):
    """Somebody who talks to the bot alone; what they wrote is handed back, to be edited."""

    id: str

    async def says(self, text: str, topic: int = 0) -> Any:
        """Type a message, in a topic (thread) where one is given."""
        ...

    async def shows(self, photo: bytes, caption: str = "") -> Any:
        """Send a picture."""
        ...

    async def speaks(self, sound: bytes) -> Any:
        """Send a voice note."""
        ...

    async def sends(self, file: bytes, name: str, mime: str, size: int | None = None) -> Any:
        """Send a file; `size` claims another size than it has."""
        ...

    async def edits(self, message: Any, text: str) -> None:
        """Change the words of a message."""
        ...

    async def calls_a_person(self) -> None:
        """Ask for a human by the platform's own command."""
        ...

    def seen(self) -> list[str]:
        """The words of the bot that stand in the chat now, the topics' too."""
        ...


class Ground(Protocol):
    """A platform with a bot on it; `posting` is the method by which words are said."""

    fake: Any
    posting: str
    platform: str

    def person(self, name: str = "Ada") -> Person:
        """A new person."""
        ...

    def door(self, blob: Blob) -> AbstractAsyncContextManager[Adapter]:
        """An adapter, reachable where it has to be, that does not run yet."""
        ...

    async def settled(self) -> None:
        """Wait until every event was acknowledged or given up."""
        ...

    def throttle(self, seconds: int, containing: str) -> None:
        """Answer the next message with these words in it with a 429."""
        ...


class OnTelegram:
    """A person on Telegram."""

    def __init__(self, customer: telegrams.Customer) -> None:
        self.customer = customer
        self.id = str(customer.id)

    async def says(self, text: str, topic: int = 0) -> Any:
        return await self.customer.says(text, thread=topic)

    async def shows(self, photo: bytes, caption: str = "") -> Any:
        return await self.customer.sends_photo(photo, caption=caption)

    async def speaks(self, sound: bytes) -> Any:
        return await self.customer.sends_voice(sound)

    async def sends(self, file: bytes, name: str, mime: str, size: int | None = None) -> Any:
        return await self.customer.sends_document(file, name=name, mime=mime, size=size)

    async def edits(self, message: Any, text: str) -> None:
        await self.customer.edits(message, text)

    async def calls_a_person(self) -> None:
        await self.customer.says("/human")

    def seen(self) -> list[str]:
        return [one.text for one in self.customer.seen if one.by_bot]


class OnSlack:
    """A person on Slack."""

    def __init__(self, customer: slacks.Customer) -> None:
        self.customer = customer
        self.id = customer.id
        self._roots: dict[int, str] = {}

    async def says(self, text: str, topic: int = 0) -> Any:
        if topic and topic not in self._roots:
            # A thread begins at a message; this one is nobody's event.
            self._roots[topic] = self.customer.slack.world.add(self.customer.dm, self.customer.person, "a root").ts
        return await self.customer.says(text, thread_ts=self._roots.get(topic))

    async def shows(self, photo: bytes, caption: str = "") -> Any:
        return await self.customer.shares_photo(photo, caption)

    async def speaks(self, sound: bytes) -> Any:
        return await self.customer.shares_clip(sound)

    async def sends(self, file: bytes, name: str, mime: str, size: int | None = None) -> Any:
        return await self.customer.shares_file(file, name=name, mime=mime, size=size)

    async def edits(self, message: Any, text: str) -> None:
        await self.customer.edits(message, text)

    async def calls_a_person(self) -> None:
        await self.customer.says("human")

    def seen(self) -> list[str]:
        return [read(one.shown) for one in self.customer.slack.everything(self.customer) if one.by_bot]


class TelegramGround:
    """Telegram, by polling or by webhook."""

    posting = "sendMessage"
    platform = "telegram"

    def __init__(self, fake: FakeTelegram, *, webhook: bool) -> None:
        self.fake = fake
        self._webhook = webhook

    def person(self, name: str = "Ada") -> OnTelegram:
        return OnTelegram(self.fake.customer(name))

    @asynccontextmanager
    async def door(self, blob: Blob) -> AsyncIterator[TelegramAdapter]:
        def build(address: str) -> TelegramAdapter:
            return TelegramAdapter(self.fake.token, api_url=self.fake.url, blob=blob, webhook_url=address)

        if not self._webhook:
            yield TelegramAdapter(self.fake.token, api_url=self.fake.url, blob=blob)
            return
        async with telegram_served(build) as adapter:
            yield adapter

    async def settled(self) -> None:
        await self.fake.settled()

    def throttle(self, seconds: int, containing: str) -> None:
        self.fake.fail_next(
            self.posting, 429, retry_after=seconds, where=lambda said: containing in str(said.get("text"))
        )


class SlackGround:
    """Slack, over Socket Mode or the Events API."""

    posting = "chat.postMessage"
    platform = "slack"

    def __init__(self, fake: FakeSlack, *, http: bool) -> None:
        self.fake = fake
        self.fake.events.patience = 1.5
        self._http = http

    def person(self, name: str = "Ada") -> OnSlack:
        return OnSlack(self.fake.customer(name))

    @asynccontextmanager
    async def door(self, blob: Blob) -> AsyncIterator[SlackAdapter]:
        if not self._http:
            yield by_sockets(self.fake, blob=blob)
            return
        adapter = by_http(self.fake, blob=blob)
        async with slack_served(adapter) as address:
            await self.fake.use_events_api(address)
            yield adapter

    async def settled(self) -> None:
        await self.fake.settled()

    def throttle(self, seconds: int, containing: str) -> None:
        self.fake.fail_next(self.posting, retry_after=seconds, where=lambda said: containing in str(said))


@asynccontextmanager
async def opened(door: str) -> AsyncIterator[Ground]:
    """The platform behind a door such as `telegram polling` or `slack http`."""
    platform, way = door.split()
    if platform == "telegram":
        async with FakeTelegram(hurry=HURRY) as telegram:
            yield TelegramGround(telegram, webhook=way == "webhook")
    else:
        async with FakeSlack(hurry=HURRY) as slack:
            yield SlackGround(slack, http=way == "http")
