"""An adapter connected to the fake Slack, with an ear that remembers."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from aiohttp import web
from PIL import Image

from adapters.slack.adapter import SlackAdapter
from adapters.slack.events import PATH
from adapters.slack.words import plain
from core import wire
from core.values import Address, Call, InboundEvent, Reply, Sent
from tests.fakes.slack import Customer, FakeSlack


class Ear:
    """Stands in for the gateway: keeps what it hears; `trouble` may raise or return something to wait for first."""

    def __init__(self) -> None:
        self.heard: list[InboundEvent] = []
        self.asked: list[InboundEvent] = []
        self.trouble: Callable[[InboundEvent], Any] = lambda event: None

    async def hear(self, event: InboundEvent) -> bool:
        self.asked.append(event)
        first = self.trouble(event)
        if first is not None:
            await first
        self.heard.append(event)
        return True

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.heard]


class Shelf:
    """Pictures by SHA-256."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        self.blobs[name] = content
        return name

    def __call__(self, name: str) -> bytes:
        return self.blobs[name]


def picture(colour: str = "red", size: tuple[int, int] = (64, 48), kind: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


def words(shown: str) -> str:
    """What a person reads of mrkdwn."""
    return re.sub(r"(?<!\w)[*_`]+|[*_`]+(?!\w)", "", plain(shown)).replace("\u200b", "")


def by_sockets(slack: FakeSlack, shelf: Shelf | None = None, **options: Any) -> SlackAdapter:
    settings: dict[str, Any] = {"app_token": slack.app_token, "api_url": slack.api_url, "blob": shelf or Shelf()}
    return SlackAdapter(slack.bot_token, **{**settings, **options})


def by_http(slack: FakeSlack, shelf: Shelf | None = None, **options: Any) -> SlackAdapter:
    return by_sockets(slack, shelf, **{"app_token": None, "signing_secret": slack.signing_secret, **options})


@asynccontextmanager
async def connected(
    slack: FakeSlack, ear: Ear, shelf: Shelf | None = None, **options: Any
) -> AsyncIterator[SlackAdapter]:
    """By Socket Mode."""
    adapter = by_sockets(slack, shelf, **options)
    async with adapter.running(ear.hear):
        yield adapter


@asynccontextmanager
async def served(adapter: SlackAdapter) -> AsyncIterator[str]:
    """A real HTTP server with the adapter's router; yields the address for Slack's events."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}"
        server = uvicorn.Server(uvicorn.Config(adapter.router, log_config=None, lifespan="off", ws="none"))
        started = asyncio.Event()

        async def serve() -> None:
            await server.startup([listening])
            started.set()
            await server.main_loop()
            await server.shutdown([listening])

        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        serving = asyncio.create_task(serve())
        await started.wait()
        try:
            yield address
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def hooked(
    slack: FakeSlack, ear: Ear, shelf: Shelf | None = None, **options: Any
) -> AsyncIterator[tuple[SlackAdapter, str]]:
    """By the Events API; yields the adapter and the address of its events."""
    adapter = by_http(slack, shelf, **options)
    async with served(adapter) as address:
        await slack.use_events_api(address)
        async with adapter.running(ear.hear):
            yield adapter, address


def address(slack: FakeSlack, chat: str, thread: str = "") -> Address:
    return Address("slack", slack.world.team, chat, thread)


async def say(adapter: SlackAdapter, where: Address, reply: Reply) -> list[Sent]:
    """Send a reply as the outbox would: its calls have been JSON in between."""
    return [await adapter.send(wire.loads(Call, wire.dumps(call))) for call in adapter.render(where, reply)]


@asynccontextmanager
async def answering(routes: dict[str, object]) -> AsyncIterator[str]:
    """A server that answers in Slack's place; yields its address."""
    app = web.Application()
    for path, answer in routes.items():
        app.router.add_route("*", path, answer)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def last_event_of(slack: FakeSlack, customer: Customer) -> str:
    """The event_id of the customer's last message."""
    return [event_id for event_id, payload in slack.events.log.items() if payload["event"].get("user") == customer.id][
        -1
    ]
