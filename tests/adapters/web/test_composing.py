"""The route by which a page says that somebody writes: who may, how often, and what it must not touch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from adapters.web.adapter import WebAdapter
from adapters.web.parse import address_of
from core.bell import Bell
from core.clock import WallClock
from core.composing import Composing
from core.store.store import Store
from core.values import InboundEvent
from tests.migrated import migrated


class Visitor:
    """One browser with an open chat, at a gateway whose signs can be looked at."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.told: list[str] = []
        self.composing = Composing(self.told.append)
        self.heard: list[InboundEvent] = []
        self.adapter = WebAdapter(store, Bell(), self.composing)
        transport = httpx.ASGITransport(Starlette(routes=self.adapter.router.routes))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://web")
        self.id = ""

    async def hear(self, event: InboundEvent) -> bool:
        self.heard.append(event)
        return True

    async def open(self) -> None:
        opened = (await self.http.post("/api/v1/conversations")).json()
        self.id, self.http.headers["Authorization"] = opened["id"], f"Bearer {opened['token']}"

    async def composes(self, id: str = "", headers: dict[str, str] | None = None, **data: str) -> httpx.Response:
        url = f"/api/v1/conversations/{id or self.id}/composing"
        return await self.http.post(url, data={"client_id": "m2", **data}, headers=headers)

    def lasts(self, *arrived: str) -> float:
        return self.composing.lasts(address_of(self.id), arrived)


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    store = await Store.open(migrated(tmp_path / "web.db"), tmp_path / "blobs", WallClock())
    made = Visitor(store)
    async with made.http, made.adapter.running(made.hear):
        await made.open()
        yield made
    await store.close()


async def test_typing_is_known_until_it_is_given_up_or_sent(visitor: Visitor) -> None:
    answer = await visitor.composes()
    assert (answer.status_code, answer.content) == (204, b"")
    assert 3 < visitor.lasts() <= 4
    assert visitor.lasts("m2") == 0, "its own arrival ends it"
    assert (await visitor.composes(stopped="true")).status_code == 204
    assert visitor.lasts() == 0
    assert len(visitor.told) == 2, "other gateways hear of it"


async def test_a_sign_is_no_event_and_nothing_is_written(visitor: Visitor) -> None:
    commits = visitor.store.writer.commits
    for stopped in ("false", "true", "false"):
        assert (await visitor.composes(stopped=stopped)).status_code == 204
    assert visitor.store.writer.commits == commits
    assert visitor.heard == []
    assert (await visitor.http.get(f"/api/v1/conversations/{visitor.id}/messages")).json() == []
    assert await visitor.store.read(lambda tx: tx.conversations.of(address_of(visitor.id), visitor.id)) is None


async def test_strangers_cannot_say_that_somebody_writes(visitor: Visitor) -> None:
    other = "01234567-0000-7000-8000-000000000000"
    refused = [
        await visitor.composes(headers={"Authorization": "Bearer wrong"}),
        await visitor.composes(headers={"Authorization": ""}),
        await visitor.composes(other),
    ]
    assert [answer.status_code for answer in refused] == [401] * 3
    assert visitor.told == []


async def test_a_strangers_sign_is_not_read_nor_one_that_is_long(visitor: Visitor) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"client_id=m2&"
        raise AssertionError("a refused body was read on")

    url = f"/api/v1/conversations/{visitor.id}/composing"
    for headers, status in (
        ({"Content-Length": "1000", "Authorization": "Bearer wrong"}, 401),
        ({"Content-Length": "3000"}, 413),
        ({}, 411),  # chunked
    ):
        assert (await visitor.http.post(url, content=body(), headers=headers)).status_code == status, headers
    for bad in ({"client_id": ""}, {"client_id": "a:b"}, {"client_id": "x" * 65}, {"stopped": "perhaps"}):
        assert (await visitor.composes(**bad)).status_code == 422, bad
    assert visitor.told == []


async def test_a_flood_of_signs_is_told_to_wait_and_takes_nothing_from_the_messages(visitor: Visitor) -> None:
    statuses = [(await visitor.composes()).status_code for _ in range(65)]
    assert statuses == [204] * 60 + [429] * 5
    url = f"/api/v1/conversations/{visitor.id}/messages"
    assert (await visitor.http.post(url, data={"client_id": "m2", "text": "hello"})).status_code == 202
    # Nor does one address flood us from many chats.
    for _ in range(3):
        await visitor.open()
        statuses += [(await visitor.composes()).status_code for _ in range(60)]
    await visitor.open()
    assert statuses[65:] == [204] * 180
    assert (await visitor.composes()).status_code == 429


async def test_a_gateway_that_is_closed_says_so(visitor: Visitor) -> None:
    async with visitor.adapter.running(visitor.hear):
        pass
    answer = await visitor.composes()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert visitor.told == []


async def test_the_api_document_tells_of_it(visitor: Visitor) -> None:
    paths = (await visitor.http.get("/api/openapi.json")).json()["paths"]
    told = paths["/v1/conversations/{id}/composing"]["post"]
    assert "204" in told["responses"] and "every two seconds" in told["description"]
