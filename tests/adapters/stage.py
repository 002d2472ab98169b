"""What the tests of every chat platform need: an ear that remembers, pictures, a server for what platforms post."""

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
from starlette.routing import Router

from core.values import InboundEvent


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


@asynccontextmanager
async def serving(build: Callable[[str], Router]) -> AsyncIterator[str]:
    """A real HTTP server with the routes that `build` makes for its address; yields that address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(build(address), log_config=None, lifespan="off", ws="none"))
        started = asyncio.Event()

        async def serve() -> None:
            await server.startup([listening])
            started.set()
            await server.main_loop()
            await server.shutdown([listening])

        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        running = asyncio.create_task(serve())
        await started.wait()
        try:
            yield address
        finally:
            server.should_exit = True
            await running
