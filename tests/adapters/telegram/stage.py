"""An adapter connected to the fake Telegram, with an ear that remembers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.routing import Router

from adapters.telegram.adapter import TelegramAdapter
from core import wire
from core.errors import Throttled
from core.values import Address, Call, Reply, Sent
from tests.adapters.stage import Ear, Shelf, serving
from tests.fakes.telegram import Customer, FakeTelegram


def adapter_for(telegram: FakeTelegram, shelf: Shelf | None = None, **options: Any) -> TelegramAdapter:
    return TelegramAdapter(telegram.token, api_url=telegram.url, blob=shelf or Shelf(), **options)


@asynccontextmanager
async def connected(
    telegram: FakeTelegram, ear: Ear, shelf: Shelf | None = None, **options: Any
) -> AsyncIterator[TelegramAdapter]:
    """By polling."""
    adapter = adapter_for(telegram, shelf, **options)
    async with adapter.running(ear.hear):
        yield adapter


@asynccontextmanager
async def served(build: Callable[[str], TelegramAdapter]) -> AsyncIterator[TelegramAdapter]:
    """The adapter that `build` makes for the address of a real HTTP server, which serves its router."""
    built: list[TelegramAdapter] = []

    def route(address: str) -> Router:
        built.append(build(address))
        return built[0].router

    async with serving(route):
        yield built[0]


@asynccontextmanager
async def hooked(telegram: FakeTelegram, ear: Ear, **options: Any) -> AsyncIterator[tuple[TelegramAdapter, str]]:
    """By webhook; yields the adapter and the webhook's address."""

    def build(address: str) -> TelegramAdapter:
        return adapter_for(telegram, webhook_url=address, **options)

    async with served(build) as adapter, adapter.running(ear.hear):
        assert adapter._webhook is not None
        yield adapter, adapter._webhook.url


@asynccontextmanager
async def talking(
    telegram: FakeTelegram, shelf: Shelf | None = None
) -> AsyncIterator[tuple[TelegramAdapter, Customer]]:
    """A customer who has said something, so that we may write."""
    ada = telegram.customer()
    await ada.says("hi")
    async with connected(telegram, Ear(), shelf) as adapter:
        yield adapter, ada


def address(telegram: FakeTelegram, chat: int, thread: str = "") -> Address:
    return Address("telegram", str(telegram.world.bot.id), str(chat), thread)


async def say(adapter: TelegramAdapter, where: Address, reply: Reply) -> list[Sent]:
    """Send a reply as the outbox would: its calls have been JSON in between."""
    return [await patiently(adapter, wire.loads(Call, wire.dumps(call))) for call in adapter.render(where, reply)]


async def patiently(adapter: TelegramAdapter, call: Call) -> Sent:
    """As the outbox does: what was throttled is sent when its time has come."""
    while True:
        try:
            return await adapter.send(call)
        except Throttled as problem:
            await asyncio.sleep(problem.after)
