"""An adapter connected to the fake Telegram, with an ear that remembers."""

from __future__ import annotations

import asyncio
import hashlib
import io
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from PIL import Image

from adapters.telegram.adapter import TelegramAdapter
from core.values import InboundEvent
from tests.fakes.telegram import FakeTelegram


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
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        adapter = build(f"http://127.0.0.1:{listening.getsockname()[1]}")
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
            yield adapter
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def hooked(telegram: FakeTelegram, ear: Ear, **options: Any) -> AsyncIterator[tuple[TelegramAdapter, str]]:
    """By webhook; yields the adapter and the webhook's address."""

    def build(address: str) -> TelegramAdapter:
        return adapter_for(telegram, webhook_url=address, **options)

    async with served(build) as adapter, adapter.running(ear.hear):
        assert adapter._webhook is not None
        yield adapter, adapter._webhook.url
