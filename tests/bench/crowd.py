"""Customers of the web chat by the hundred: each with an address, a live stream and at most one question at a time."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from core.texts import say

PATIENCE = 180.0  # seconds after which a message without any answer counts as lost


@dataclass(frozen=True, slots=True)
class Message:
    """Something to say; `window` is the quiet window that it asks for, in seconds; `key` names what is asked."""

    key: str
    kind: str
    text: str = ""
    files: dict[str, tuple[str, bytes, str]] = field(default_factory=dict)
    window: float = 0.0


@dataclass(slots=True)
class Said:
    """One message with what came back: `seconds` to the first line of ours; all `lines` until the next message.

    "One moment" (`held`) is not an answer.
    """

    key: str
    kind: str
    window: float
    at: float
    accepted: float = 0.0
    seconds: float | None = None
    lines: list[str] = field(default_factory=list)
    held: bool = False
    handed_over: bool = False


class Customer:
    """A browser that outlives gateways: posts until it was accepted, opens its stream again, reads what it missed."""

    def __init__(self, url: str, number: int, ended: Callable[[Customer], None], deck: list[Message]) -> None:
        address = f"127.{1 + number // 60000}.{number // 250 % 240}.{number % 250 + 1}"
        connector = aiohttp.TCPConnector(local_addr=(address, 0), limit=4)
        self._http = aiohttp.ClientSession(url, connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        self._ended = ended
        self.deck = deck
        self._holding = say("holding", "en")
        self._cursor = 0
        self._known: set[int] = set()
        self._number = 0
        self._path = ""
        self._answered = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self.said: list[Said] = []

    async def open(self) -> Customer:
        opened = await self._again(lambda: self._http.post("/api/v1/conversations"))
        self._path = f"/api/v1/conversations/{opened['id']}"
        self._http.headers["Authorization"] = f"Bearer {opened['token']}"
        self._listening = asyncio.create_task(self._listen())
        return self

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._http.close()

    async def ask(self, message: Message) -> Said:
        """Post it and wait for the first line of an answer, at most `PATIENCE` seconds."""
        self._number += 1
        self._answered.clear()
        said = Said(message.key, message.kind, message.window, time.monotonic())
        self.said.append(said)

        def form() -> aiohttp.FormData:
            fields = aiohttp.FormData()
            fields.add_field("client_id", f"n{self._number}")
            fields.add_field("text", message.text)
            for name, (file, content, mime) in message.files.items():
                fields.add_field(name, content, filename=file, content_type=mime)
            return fields

        await self._again(lambda: self._http.post(f"{self._path}/messages", data=form()))
        said.accepted = time.monotonic()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), PATIENCE)
        return said

    async def read_all(self) -> None:
        """What the stream may have missed."""
        for line in await self._again(lambda: self._http.get(f"{self._path}/messages?after={self._cursor}")):
            self._take(line)

    async def _again(self, call: Callable[[], Any]) -> Any:
        """Like a browser's own code: once more after a lost connection, a 429 or a 5xx."""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(30), call() as answer:
                    if answer.status < 400:
                        return await answer.json()
                    if answer.status not in (429, 500, 502, 503):
                        raise RuntimeError(f"{answer.status}: {await answer.text()}")
            await asyncio.sleep(0.5 + random.random() / 2)

    async def _listen(self) -> None:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._http.get(f"{self._path}/stream?after={self._cursor}") as stream:
                    async for raw in stream.content:
                        if raw.startswith(b"data:"):
                            told = json.loads(raw[5:])
                            if "line" in told:
                                self._take(told)
            await asyncio.sleep(0.5)

    def _take(self, told: dict[str, Any]) -> None:
        self._cursor = max(self._cursor, told["cursor"])
        line = told["line"]
        if line["from"] == "customer" or told["id"] in self._known or not self.said:
            return
        self._known.add(told["id"])
        here = self.said[-1]
        if line["text"].endswith(self._holding):
            here.held = True
            return
        here.lines.append(line["text"])
        if here.seconds is None:
            here.seconds = time.monotonic() - here.at
        if any(choice["label"] == "Ask the bot instead" for choice in line.get("choices", [])):
            here.handed_over = True
            self._ended(self)
        self._answered.set()


class Crowd:
    """A pool of customers, each of whom asks the messages of their deck, every one once.

    Whoever has asked all, or was handed over to a human, says no more; somebody new comes in their place.
    """

    def __init__(self, url: str, decks: Iterator[list[Message]]) -> None:
        self._url = url
        self._decks = decks
        self._idle: list[Customer] = []
        self._gone: set[Customer] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._number = 0
        self.everybody: list[Customer] = []

    async def grow(self, count: int) -> None:
        """Open chats until there are `count` idle customers."""
        while len(self._idle) < count:
            some = [self._new() for _ in range(min(32, count - len(self._idle)))]
            self._idle += await asyncio.gather(*some)

    async def _new(self) -> Customer:
        self._number += 1
        customer = Customer(self._url, self._number, self._gone.add, next(self._decks))
        self.everybody.append(customer)
        return await customer.open()

    async def closed_loop(self, count: int, seconds: float) -> float:
        """`count` customers ask again as soon as they were answered; answers a second."""
        await self.grow(count)
        began, answered = time.monotonic(), 0

        async def go_on() -> None:
            nonlocal answered
            while time.monotonic() - began < seconds:
                await self._ask()
                answered += time.monotonic() - began < seconds

        await asyncio.gather(*(go_on() for _ in range(count)))
        return answered / seconds

    async def open_loop(self, rate: float, seconds: float, seed: int) -> None:
        """Messages come as they come (Poisson), whatever became of those before; returns when the last was sent."""
        dice, end = random.Random(seed), time.monotonic() + seconds
        at = time.monotonic()
        while (at := at + dice.expovariate(rate)) < end:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            task = asyncio.create_task(self._ask())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def drained(self) -> None:
        """Everybody has heard something, or gave up waiting."""
        while self._asking:
            await asyncio.wait(set(self._asking))

    async def close(self) -> None:
        await asyncio.gather(*(customer.close() for customer in self.everybody))

    async def _ask(self) -> None:
        customer = self._idle.pop(0) if self._idle else await self._new()
        await customer.ask(customer.deck.pop())
        if customer.deck and customer not in self._gone:
            self._idle.append(customer)
