"""A gateway with every door open, on a thread of its own, whose books and log are watched."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from structlog.testing import capture_logs

from adapters.slack.adapter import SlackAdapter
from adapters.telegram.adapter import TelegramAdapter
from adapters.web.chats import digest
from bot.console.app import pages
from bot.console.front import Front
from bot.doors import Doors
from bot.wiring import House
from core.store.tables import metadata
from tests.bot.console.stage import ADMIN, AGENT, Guest, Visit, furnished, jpeg, served
from tests.fakes.slack import FakeSlack
from tests.fakes.telegram import FakeTelegram

SECRET = "a-secret-of-the-webhook"
TOKEN = "a-token-of-the-chat"
CHATS = tuple(f"0190c0de-0000-7000-8000-{number:012d}" for number in range(8))
_HURRY = 600  # by which the platforms' own waits are divided
_PATIENT = 60.0
_NEWS = ("slack.removed", "slack.events_dropped")  # Slack says so, and the operator must hear of it
# A request that is refused while its body turns out to be no HTTP: uvicorn answers 400 itself, then hears our answer.
_OF_UVICORN = "can't handle event type Response when role=SERVER and state=MUST_CLOSE"


class Ground:
    """The gateway and who visits it; use as a context manager.

    `url` is its address, `talk` a conversation at the desk, `photo` a stored picture. `cookies` and `tokens` are those
    of the admin and the agent; `CHATS` are open web chats whose bearer token is `TOKEN`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = self.talk = self.photo = ""
        self.cookies: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.slack = FakeSlack(hurry=_HURRY, strict=False)
        self.api: dict[str, Any] = {}
        self.console: dict[str, Any] = {}
        self.routes: list[str] = []
        self._told: list[str] = []
        self._events: list[Any] = []
        self._home: House | None = None
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._live(),), daemon=True)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(_listening(self._told))
        self._events = self._stack.enter_context(capture_logs())
        self._thread.start()
        while not self._ready.wait(0.1):
            assert self._thread.is_alive(), "the gateway did not start"
        self._books = sqlite3.connect(f"file:{self.folder / 'polydesk.db'}?mode=ro", uri=True, check_same_thread=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._books.close()
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_PATIENT)
        self._loop.close()
        self._stack.close()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def rest(self) -> None:
        """Wait until the gateway has nothing left to do for what it was told."""
        assert self._home is not None
        for lane in (self._home.answering, self._home.courier):
            asyncio.run_coroutine_threadsafe(lane.idle(), self._loop).result(_PATIENT)

    def version(self) -> int:
        """A number that changes with every transaction that wrote (https://sqlite.org/pragma.html, data_version)."""
        return int(self._books.execute("PRAGMA data_version").fetchone()[0])

    def books(self) -> dict[str, int]:
        """Table -> checksum of all its rows; `blobs on disk` are the files."""
        found = {
            name: zlib.crc32("\n".join(sorted(map(repr, self._books.execute(f'SELECT * FROM "{name}"')))).encode())
            for name in metadata.tables
        }
        files = (str(path) for path in (self.folder / "blobs").rglob("*") if path.is_file())
        return {**found, "blobs on disk": zlib.crc32("\n".join(sorted(files)).encode())}

    def troubles(self) -> list[str]:
        """What the gateway has logged as an error since the last call."""
        worse = [event for event in self._events if event["log_level"] in ("error", "critical")]
        found = [line for line in self._told if not line.endswith(_OF_UVICORN)]
        found += [repr(event) for event in worse if event["event"] not in _NEWS]
        self._told.clear()
        self._events.clear()
        return found

    async def _live(self) -> None:
        async with AsyncExitStack() as stack:
            telegram = await stack.enter_async_context(FakeTelegram(hurry=_HURRY, strict=False))
            await stack.enter_async_context(self.slack)
            home = await stack.enter_async_context(furnished(self.folder))
            home.adapters["telegram"] = TelegramAdapter(
                telegram.token,
                api_url=telegram.url,
                blob=home.store.blobs.get,
                webhook_url="https://desk.test/telegram/webhook",
                secret=SECRET,
            )
            home.adapters["slack"] = SlackAdapter(
                self.slack.bot_token,
                api_url=self.slack.api_url,
                blob=home.store.blobs.get,
                signing_secret=self.slack.signing_secret,
            )
            gateway = await stack.enter_async_context(served(home))
            self._home, self.url = home, gateway.url
            await self._furnish(home)
            self._ready.set()
            await self._end.wait()

    async def _furnish(self, home: House) -> None:
        guest = Guest(home)
        await guest.says("can I talk to a human")
        self.talk = await guest.id()
        for chat in CHATS:
            await home.store.write(lambda tx, chat=chat: tx.web.open(chat, digest(TOKEN)))
        for name in (ADMIN, AGENT):
            async with Visit(base_url=self.url, headers={"Sec-Fetch-Site": "same-origin"}) as visit:
                assert (await visit.log_in(name)).status_code == 303
                self.cookies[name] = visit.cookies["polydesk"]
                self.tokens[name] = visit.headers["X-CSRF"]
                if name == ADMIN:
                    self.photo = await visit.upload(jpeg())
        async with httpx.AsyncClient(base_url=self.url) as http:
            self.api = (await http.get("/api/openapi.json")).json()
        doors = Doors(home.adapters)
        self.console = pages(Front(home, doors)).openapi()
        self.routes = [
            *(f"/api{path}" for path in (*self.api["paths"], "/docs", "/openapi.json")),
            *(f"/console{path}" for path in (*self.console["paths"], "/static/console.css")),
            *("/", "/chat/chat.js", "/healthz", "/readyz", "/metrics", "/telegram/webhook", "/slack/events"),
        ]


@contextmanager
def _listening(told: list[str]) -> Iterator[None]:
    """Keep what is logged as an error, such as uvicorn's "Exception in ASGI application"."""

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(logging.Formatter("%(name)s: %(message)s").format(record))

    ear = Ear(logging.ERROR)
    logging.getLogger().addHandler(ear)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(ear)
