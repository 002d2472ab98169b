"""An adapter connected to the fake Telegram, with an ear that remembers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.routing import Router

from adapters.telegram.adapter import TelegramAdapter
from tests.adapters.stage import Ear, Shelf, serving
from tests.fakes.telegram import FakeTelegram


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
