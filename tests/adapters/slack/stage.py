"""An adapter connected to the fake Slack, with an ear that remembers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from adapters.slack.adapter import SlackAdapter
from adapters.slack.events import PATH
from adapters.slack.words import plain
from core import wire
from core.values import Address, Call, Reply, Sent
from tests.adapters.stage import Ear, Shelf, serving
from tests.fakes.slack import Customer, FakeSlack


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
    async with serving(lambda _: adapter.router) as address:
        yield address + PATH


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
