"""The web chat's API with a browser's requests, over a real store."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette

from adapters.web.adapter import WebAdapter
from core.bell import Bell
from core.clock import WallClock
from core.errors import Broken, PolydeskError, Retry
from core.store.store import Store
from core.values import Choice, InboundEvent, Problem, Reply
from tests.migrated import migrated


class Chat:
    """One browser."""

    def __init__(self, http: httpx.AsyncClient, adapter: WebAdapter, heard: list[InboundEvent]) -> None:
        self.http = http
        self.adapter = adapter
        self.heard = heard
        self.id = ""

    async def open(self) -> None:
        answer = await self.http.post("/api/v1/conversations")
        assert answer.status_code == 201
        self.id = answer.json()["id"]
        self.http.headers["Authorization"] = f"Bearer {answer.json()['token']}"

    async def write(self, client_id: str = "c1", files: object = None, **data: str) -> httpx.Response:
        url = f"/api/v1/conversations/{self.id}/messages"
        return await self.http.post(url, data={"client_id": client_id, **data}, files=files)  # type: ignore[arg-type]

    async def lines(self, after: int = 0) -> list[dict]:  # type: ignore[type-arg]
        answer = await self.http.get(f"/api/v1/conversations/{self.id}/messages", params={"after": after})
        assert answer.status_code == 200
        return answer.json()  # type: ignore[no-any-return]


WHERE = 'the database is away: connection to server at "10.1.2.3" failed for user "shop"'


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(migrated(tmp_path / "web.db"), tmp_path / "blobs", WallClock())
    yield store
    await store.close()


@pytest.fixture
async def chat(store: Store) -> AsyncIterator[Chat]:
    adapter = WebAdapter(store, Bell())
    heard: list[InboundEvent] = []

    async def hear(event: InboundEvent) -> bool:
        heard.append(event)
        return True

    transport = httpx.ASGITransport(Starlette(routes=adapter.router.routes))
    async with adapter.running(hear), httpx.AsyncClient(transport=transport, base_url="http://web") as http:
        made = Chat(http, adapter, heard)
        await made.open()
        yield made


def photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "green").save(out, "JPEG")
    return out.getvalue()


async def test_a_message_is_heard_and_shown_once_however_often_it_is_sent(chat: Chat) -> None:
    for _ in range(3):
        answer = await chat.write(text="hello there")
        assert answer.status_code == 202
        assert answer.json() == {"event": f"web:{chat.id}:c1"}
    assert {event.id for event in chat.heard} == {f"web:{chat.id}:c1"}
    assert [line["line"]["text"] for line in await chat.lines()] == ["hello there"]


async def test_a_reply_with_choices_reaches_the_list_and_its_markdown_is_safe(chat: Chat) -> None:
    reply = Reply("**Hi** <script>alert(1)</script> [x](javascript:alert(1))", (Choice("k1", "That's not it"),))
    for call in chat.adapter.render(chat.heard[0].address if chat.heard else _address(chat), reply):
        await chat.adapter.send(call)
    (line,) = await chat.lines()
    assert line["line"]["choices"] == [{"key": "k1", "label": "That's not it"}]
    assert "<strong>Hi</strong>" in line["line"]["html"]
    assert "<script" not in line["line"]["html"] and 'href="javascript' not in line["line"]["html"]
    assert await chat.lines(after=line["cursor"]) == []


async def test_a_line_that_may_have_been_written_is_written_once(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to the database that breaks at COMMIT leaves it open whether the line is there."""
    (call,) = chat.adapter.render(_address(chat), Reply("See the tracking page."))
    store = chat.adapter._store
    write = store.write

    async def breaks(store: Store, work: Any) -> Any:
        await write(work)
        raise Retry("the connection broke: COMMIT")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "write", breaks)
        with pytest.raises(Retry):
            await chat.adapter.send(replace(call, key="row-1"))
    for key in ("row-1", "row-2"):
        await chat.adapter.send(replace(call, key=key))
    assert len(await chat.lines()) == 2


def _address(chat: Chat):  # type: ignore[no-untyped-def]
    from adapters.web.parse import address_of

    return address_of(chat.id)


async def test_too_many_photos_are_refused_rather_than_dropped(chat: Chat) -> None:
    answer = await chat.write(files=[("photo", (f"{number}.png", photo(), "image/png")) for number in range(11)])
    assert answer.status_code == 422
    assert "at most 10 photos" in answer.json()["detail"]
    assert not chat.heard


async def test_a_photo_arrives_as_a_blob_and_can_be_seen_again_by_its_own_chat_only(chat: Chat) -> None:
    answer = await chat.write(files={"photo": ("cat.png", photo(), "image/png")})
    assert answer.status_code == 202
    (part,) = chat.heard[0].attachments
    assert (part.kind, part.mime, part.problem) == ("photo", "image/jpeg", None)
    seen = await chat.http.get(f"/api/v1/conversations/{chat.id}/files/{part.blob}")
    assert (seen.status_code, seen.headers["content-type"]) == (200, "image/jpeg")
    other = await chat.http.get(f"/api/v1/conversations/{chat.id}/files/{'0' * 64}")
    assert other.status_code == 404


async def test_what_is_no_picture_is_a_named_problem_not_an_error(chat: Chat) -> None:
    files = [("photo", ("a.jpg", b"<html>log in</html>", "image/jpeg")), ("photo", ("b.jpg", b"", "image/jpeg"))]
    assert (await chat.write(files=files)).status_code == 202
    assert [part.problem for part in chat.heard[0].attachments] == [Problem.DOCUMENT, Problem.EMPTY]


async def test_strangers_and_nonsense_are_refused_and_nothing_is_heard(chat: Chat) -> None:
    url = f"/api/v1/conversations/{chat.id}/messages"
    refused = {
        401: await chat.http.post(url, data={"client_id": "x"}, headers={"Authorization": "Bearer wrong"}),
        422: await chat.http.post(url, data={"text": "no client id"}),
        413: await chat.http.post(url, content=b"x", headers={"Content-Length": str(10**9)}),
    }
    assert {status: answer.status_code for status, answer in refused.items()} == {k: k for k in refused}
    assert (await chat.write(text="   ")).status_code == 422
    assert chat.heard == []


async def test_a_strangers_body_is_never_read(chat: Chat) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise AssertionError("a refused body was read on")

    url = f"/api/v1/conversations/{chat.id}/messages"
    for headers, status in (
        ({"Content-Length": "1000", "Authorization": "Bearer wrong"}, 401),
        ({"Content-Length": str(50 * 1024 * 1024)}, 413),
        ({"Content-Length": "-1"}, 411),
        ({}, 411),  # chunked
    ):
        answer = await chat.http.post(url, content=body(), headers=headers)
        assert answer.status_code == status, headers


@pytest.mark.parametrize(("trouble", "after"), [(Retry(WHERE, 4.2), "5"), (Broken(WHERE), "10")])
async def test_whoever_writes_or_reads_while_the_database_is_away_is_told_when_to_come_again(
    chat: Chat, store: Store, trouble: PolydeskError, after: str
) -> None:
    """Nobody learns where the database is; whoever waits for lines connects again."""
    assert (await chat.write(text="hello")).status_code == 202
    place = f"/api/v1/conversations/{chat.id}"
    read, away = store.read, True

    async def unread(work):  # type: ignore[no-untyped-def]
        if away:
            raise trouble
        return await read(work)

    async def unwritten(work):  # type: ignore[no-untyped-def]
        raise trouble

    store.read, store.write = unread, unwritten  # type: ignore[method-assign]
    answers = [
        await chat.http.post("/api/v1/conversations"),
        await chat.http.get(f"{place}/messages"),
        await chat.http.get(f"{place}/stream"),
        await chat.http.get(f"{place}/files/{'0' * 64}"),
    ]
    assert [answer.headers["retry-after"] for answer in answers] == [after] * 4
    answers.append(await chat.write(text="hello again"))  # turned away at the door
    away = False
    answers.append(await chat.write(text="hello again"))
    assert [answer.status_code for answer in answers] == [503] * 6
    assert not any(word in answer.text for answer in answers for word in ("10.1.2.3", "shop", "Traceback"))


async def test_a_stream_ends_quietly_when_the_database_goes_away(chat: Chat, store: Store) -> None:
    real, reads = store.read, 0

    async def once(work):  # type: ignore[no-untyped-def]
        nonlocal reads
        reads += 1
        if reads > 1:  # the token was checked
            raise Retry(WHERE)
        return await real(work)

    store.read = once  # type: ignore[method-assign]
    answer = await chat.http.get(f"/api/v1/conversations/{chat.id}/stream")
    assert (answer.status_code, answer.text) == (200, ": hello\n\n")


async def test_what_no_database_can_hold_is_left_out(chat: Chat) -> None:
    assert (await chat.write(text="a\0b", files={"photo": ("x.pdf", b"%PDF-1", "image/jpeg")})).status_code == 202
    (event,) = chat.heard
    assert (event.text, event.attachments[0].name) == ("ab", "x.pdf")
    (line,) = await chat.lines()
    assert (line["line"]["text"], line["line"]["unread"]) == ("ab", ["x.pdf"])


async def test_too_many_messages_are_told_to_wait(chat: Chat) -> None:
    statuses = [(await chat.write(client_id=f"c{n}", text="hi")).status_code for n in range(65)]
    assert statuses[:60] == [202] * 60
    assert set(statuses[60:]) == {429}


async def test_the_page_and_the_api_document_are_served(chat: Chat) -> None:
    page = await chat.http.get("/")
    assert page.status_code == 200 and "Content-Security-Policy" in page.headers
    document = await chat.http.get("/api/docs")
    assert document.status_code == 200
    brought = re.findall(r"""(?:src|href)="([^"]+)""", document.text)
    assert brought and all(path.startswith("/api/docs/assets/") for path in brought)  # nothing from elsewhere
    assert {(await chat.http.get(path)).status_code for path in brought} == {200}
    paths = (await chat.http.get("/api/openapi.json")).json()["paths"]
    assert "/v1/conversations/{id}/messages" in paths
