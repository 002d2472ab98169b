"""The contract of adapters, held against the web chat."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from starlette.applications import Starlette

from adapters.contract import AdapterContract, Shown, Stage
from adapters.web.adapter import WebAdapter
from adapters.web.parse import address_of
from core.bell import Bell
from core.clock import WallClock
from core.store.store import Store
from tests.migrated import migrated


class WebStage:
    """A browser that has a chat open, and tries again while the gateway cannot take it."""

    def __init__(self, adapter: WebAdapter, http: httpx.AsyncClient, chat: str) -> None:
        self.adapter = adapter
        self._http = http
        self._chat = f"/api/v1/conversations/{chat}/messages"
        self._numbers = itertools.count(1)
        self._last: dict[str, str] = {}

    async def says(self, text: str) -> None:
        await self._write(text=text)

    async def repeats(self) -> None:
        await self._deliver()

    async def taps(self, key: str) -> None:
        await self._write(tap=key, text="a button")

    async def seen(self) -> list[Shown]:
        rows = (await self._http.get(self._chat)).json()
        lines = [row["line"] for row in sorted(rows, key=lambda row: row["id"])]
        ours = [line for line in lines if line["from"] != "customer"]
        return [Shown(_words(line["html"]), tuple(one["label"] for one in line["choices"])) for line in ours]

    async def _write(self, **data: str) -> None:
        self._last = {"client_id": f"m{next(self._numbers)}", **data}
        await self._deliver()

    async def _deliver(self) -> None:
        for _ in range(20):
            answer = await self._http.post(self._chat, data=self._last)
            if answer.status_code == 202:
                return
            assert answer.status_code == 503, answer.text
        raise AssertionError("the gateway never took it")


def _words(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html)).strip()


class TestWeb(AdapterContract):
    address = address_of("01234567-0000-7000-8000-000000000000")

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        return self._stage()

    @asynccontextmanager
    async def _stage(self) -> AsyncIterator[Stage]:
        with TemporaryDirectory() as folder:
            store = await Store.open(migrated(Path(folder) / "web.db"), Path(folder) / "blobs", WallClock())
            adapter = WebAdapter(store, Bell())
            transport = httpx.ASGITransport(Starlette(routes=adapter.router.routes))
            async with httpx.AsyncClient(transport=transport, base_url="http://web") as http:
                opened = (await http.post("/api/v1/conversations")).json()
                http.headers["Authorization"] = f"Bearer {opened['token']}"
                yield WebStage(adapter, http, opened["id"])
            await store.close()
