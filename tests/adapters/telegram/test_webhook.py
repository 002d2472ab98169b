"""Receiving over HTTP from the fake Telegram."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from structlog.testing import capture_logs

from adapters.telegram.webhook import HEADER, LARGEST_UPDATE, Webhook
from core.errors import Broken, Retry
from core.values import InboundEvent
from tests.adapters.stage import Ear
from tests.adapters.telegram.stage import adapter_for, hooked
from tests.fakes.telegram import FakeTelegram

SECRET = "s3cret_-of-the-operator"
UPDATE = {
    "update_id": 5,
    "message": {
        "message_id": 1,
        "date": 1790000000,
        "chat": {"id": 9, "type": "private"},
        "from": {"id": 9, "is_bot": False, "first_name": "Eve"},
        "text": "let me in",
    },
}


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram(hurry=50) as platform:
        yield platform


async def _post(url: str, body: bytes, method: str = "POST") -> tuple[int, str]:
    """The status and the Retry-After of a request with the right secret."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=io.BytesIO(body), headers={HEADER: SECRET}) as answer,
    ):
        return answer.status, answer.headers.get("Retry-After", "")


async def test_updates_are_heard_and_confirmed(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    async with hooked(telegram, ear, secret=SECRET) as (_adapter, url):
        await ada.says("one")
        await ada.says("two")
        await telegram.settled()
    assert ear.texts == ["one", "two"]
    assert [delivery.status for delivery in telegram.updates.deliveries] == [200, 200]
    (call,) = telegram.calls_of("setWebhook")
    assert call.arguments["url"] == url
    assert call.arguments["secret_token"] == SECRET
    assert call.arguments["allowed_updates"] == ["message", "edited_message", "callback_query", "my_chat_member"]


async def test_200_comes_only_after_the_commit(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    committed = asyncio.Event()
    ear.trouble = lambda event: committed.wait()
    async with hooked(telegram, ear):
        await ada.says("wait for it")
        await telegram.until(lambda: ear.asked)
        await asyncio.sleep(0.1)
        assert telegram.updates.deliveries == []
        committed.set()
        await telegram.settled()
    assert ear.texts == ["wait for it"]


async def test_what_could_not_be_committed_is_delivered_again(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    troubles = iter([Retry("the database is locked", 3.0), ZeroDivisionError()])

    def stumble(event: InboundEvent) -> None:
        if trouble := next(troubles, None):
            raise trouble

    ear.trouble = stumble
    async with hooked(telegram, ear):
        await ada.says("again")
        await telegram.settled()
    assert ear.texts == ["again"]
    assert len({event.id for event in ear.asked}) == 1
    assert [delivery.status for delivery in telegram.updates.deliveries] == [503, 503, 200]


async def test_nothing_is_given_up_while_nothing_can_be_committed(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()

    def broken(event: InboundEvent) -> None:
        if len(ear.asked) <= 4:
            raise Broken("the database failed: nobody knows why")

    ear.trouble = broken
    async with hooked(telegram, ear):
        await ada.says("do not lose me")
        await telegram.settled()
    assert ear.texts == ["do not lose me"]
    assert [delivery.status for delivery in telegram.updates.deliveries] == [503, 503, 503, 503, 200]


async def test_a_duplicate_has_the_same_id(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    async with hooked(telegram, ear):
        telegram.duplicate_next(3)
        await ada.says("thrice")
        await telegram.until(lambda: len(ear.heard) == 3)
    assert len({event.id for event in ear.heard}) == 1


@pytest.mark.parametrize(("secret", "status"), [("", 401), ("wrong", 403), (SECRET + "x", 403), ("ü", 403)])
async def test_strangers_are_turned_away(telegram: FakeTelegram, secret: str, status: int) -> None:
    ear = Ear()
    with capture_logs() as logged:
        async with hooked(telegram, ear, secret=SECRET):
            for _ in range(3):
                assert await telegram.post_webhook(UPDATE, secret=secret) == status
    assert ear.asked == []
    # And the operator hears of a wrong one, once a minute, without it
    told = [line for line in logged if line["event"] == "telegram.turned_away"]
    assert len(told) == (status == 403) and SECRET not in str(told)


async def test_without_a_secret_of_ones_own_there_is_one_all_the_same(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    async with hooked(telegram, ear):
        assert await telegram.post_webhook(UPDATE, secret="") == 401
        await ada.says("me")
        await telegram.settled()
    assert ear.texts == ["me"]
    secret = telegram.calls_of("setWebhook")[0].arguments["secret_token"]
    assert len(secret) == 64 and telegram.token not in secret


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 100_000, 400),
        (b'"text"', 400),
        (b"\xff\xfe", 400),
        (b'{"message": {}}', 400),
        (b'{"update_id": "5"}', 400),
        (b'{"update_id": ' + b"9" * 5000 + b"}", 400),
        (b'{"update_id": 5}', 200),
        (b'{"update_id": 5, "message": 7}', 200),
        (b'{"update_id": 5, "telepathy": {"thought": "hm"}}', 200),
        (b'{"update_id": 5, "message": {"chat": []}}', 200),
        (b" " * (LARGEST_UPDATE + 1), 413),
    ],
    ids=lambda value: None if isinstance(value, int) else repr(value[:30]),
)
async def test_malformed_bodies_harm_nobody(telegram: FakeTelegram, body: bytes, status: int) -> None:
    ear = Ear()
    async with hooked(telegram, ear, secret=SECRET) as (_adapter, url):
        assert (await _post(url, body))[0] == status
    assert ear.asked == []


async def test_only_posts_are_taken(telegram: FakeTelegram) -> None:
    async with hooked(telegram, Ear(), secret=SECRET) as (_adapter, url):
        assert (await _post(url, b"{}", method="PUT"))[0] == 405


async def test_a_request_outside_the_running_context_is_to_come_again(telegram: FakeTelegram) -> None:
    ear = Ear()
    async with hooked(telegram, ear, secret=SECRET) as (adapter, url):
        assert adapter._webhook is not None
        adapter._webhook.intake = None  # as before the start, and after the end
        assert await _post(url, json.dumps(UPDATE).encode()) == (503, "5")


async def test_the_webhook_stays_when_we_stop_so_that_updates_wait_for_us(telegram: FakeTelegram) -> None:
    async with hooked(telegram, Ear()):
        pass
    assert telegram.updates.hook.url


@pytest.mark.parametrize(
    ("given", "told", "path"),
    [
        ("https://bot.example.com", "https://bot.example.com/telegram/webhook", "/telegram/webhook"),
        ("https://bot.example.com/", "https://bot.example.com/telegram/webhook", "/telegram/webhook"),
        ("https://bot.example.com:8443/hooks/tg", "https://bot.example.com:8443/hooks/tg", "/hooks/tg"),
    ],
)
def test_the_address(given: str, told: str, path: str) -> None:
    hook = Webhook("1:x", given, None)
    assert hook.url == told
    assert {"/telegram/webhook", path} == {route.path for route in hook.router.routes}


async def test_a_secret_that_telegram_would_refuse(telegram: FakeTelegram) -> None:
    """It shuts this door, on entry; the others open."""
    adapter = adapter_for(telegram, webhook_url="https://bot.example.com", secret="not allowed!")
    with pytest.raises(Broken, match="POLYDESK_TELEGRAM_SECRET"):
        async with adapter.running(Ear().hear):
            pass


async def test_an_address_that_telegram_refuses(telegram: FakeTelegram) -> None:
    adapter = adapter_for(telegram, webhook_url="http://bot.example.com")
    with pytest.raises(Broken, match=r"HTTPS.*POLYDESK_TELEGRAM_WEBHOOK_URL"):
        async with adapter.running(Ear().hear):
            pass


def test_polling_needs_no_router(telegram: FakeTelegram) -> None:
    assert adapter_for(telegram).router is None
