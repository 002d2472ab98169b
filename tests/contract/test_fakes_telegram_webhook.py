"""The fake Telegram pushes updates to a webhook of ours as Telegram does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from telegram import Update
from telegram.error import BadRequest
from telegram.ext import Application, TypeHandler

from tests.fakes.telegram import FakeTelegram

SECRET = "only-telegram-knows"


@dataclass
class Door:
    """A webhook of our own in front of a real Application; `statuses` are answered first, then 200."""

    application: Application[Any, Any, Any, Any, Any, Any]
    statuses: list[int] = field(default_factory=list)
    pause: float = 0.0
    open: int = 0
    widest: int = 0
    heard: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)

    async def enter(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Telegram-Bot-Api-Secret-Token") != SECRET:
            return web.Response(status=403)
        self.open += 1
        self.widest = max(self.widest, self.open)
        try:
            update = Update.de_json(await request.json(), self.application.bot)
            text = update.effective_message.text if update.effective_message else ""
            self.started.append(str(text))
            await asyncio.sleep(self.pause)
            if self.statuses:
                return web.Response(status=self.statuses.pop(0))
            await self.application.process_update(update)
            return web.Response()
        finally:
            self.open -= 1


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram(hurry=50) as server:
        yield server


@pytest.fixture
async def door(telegram: FakeTelegram) -> AsyncIterator[Door]:
    builder = Application.builder().token(telegram.token).updater(None)
    app = builder.base_url(f"{telegram.url}/bot").base_file_url(f"{telegram.url}/file/bot").build()
    door = Door(app)

    async def keep(update: Update, context: object) -> None:
        assert update.effective_message is not None
        door.heard.append(str(update.effective_message.text))
        if update.callback_query:
            await update.callback_query.answer("noted")

    app.add_handler(TypeHandler(Update, keep))
    site = web.Application()
    site.router.add_post("/hook", door.enter)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with app:
        await app.start()
        await app.bot.set_webhook(f"http://127.0.0.1:{runner.addresses[0][1]}/hook", secret_token=SECRET)
        yield door
        await app.stop()
    await runner.cleanup()


async def test_updates_are_pushed_with_the_secret(telegram: FakeTelegram, door: Door) -> None:
    ada = telegram.customer()
    await ada.says("hello")
    await telegram.settled()
    assert door.heard == ["hello"]
    # A stranger who does not know the secret is not let in
    update = {"update_id": 5, "message": {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}}}
    assert await telegram.post_webhook(update, secret="") == 403
    assert await telegram.post_webhook(update, secret="wrong") == 403


async def test_a_failed_delivery_is_repeated_and_holds_back_only_its_chat(telegram: FakeTelegram, door: Door) -> None:
    ada, bob = telegram.customer("Ada"), telegram.customer("Bob")
    door.statuses = [500, 503]
    await ada.says("a1")
    await ada.says("a2")
    await telegram.until(lambda: door.started == ["a1"])
    await telegram.until(lambda: len(door.started) >= 3)
    await bob.says("b1")
    await telegram.settled()
    # The failed one came again, first at once, then after two seconds (hurried here), before its successor
    assert [one for one in door.started if one.startswith("a")] == ["a1", "a1", "a1", "a2"]
    assert sorted(door.heard) == ["a1", "a2", "b1"]
    info = await door.application.bot.get_webhook_info()
    assert info.pending_update_count == 0 and info.last_error_message == "Wrong response from the webhook: 503"


async def test_chats_are_served_at_once_up_to_max_connections(telegram: FakeTelegram, door: Door) -> None:
    door.pause = 0.3
    people = [telegram.customer(f"p{number}") for number in range(6)]
    await asyncio.gather(*(person.says("hi") for person in people))
    await telegram.settled()
    assert door.widest == 6
    # When fewer connections are allowed
    door.widest = 0
    await door.application.bot.set_webhook(telegram.updates.hook.url, secret_token=SECRET, max_connections=2)
    await asyncio.gather(*(person.says("hi") for person in people))
    await telegram.settled()
    assert door.widest == 2


async def test_one_chat_overtakes_itself_only_when_told_to(telegram: FakeTelegram, door: Door) -> None:
    ada = telegram.customer()
    door.pause = 0.15
    await asyncio.gather(*(ada.says(f"{number}") for number in range(4)))
    await telegram.settled()
    assert door.heard == ["0", "1", "2", "3"] and door.widest == 1
    telegram.updates.ordered = False
    await asyncio.gather(*(ada.says(f"{number}") for number in range(4)))
    await telegram.settled()
    assert door.widest == 4
    # And a shuffled batch arrives shuffled
    door.heard.clear()
    door.pause = 0
    with telegram.held() as numbers:
        for word in ("x", "y", "z"):
            await ada.says(word)
        numbers.reverse()
    await telegram.settled()
    assert sorted(door.heard) == ["x", "y", "z"] and door.started[-3:] == ["z", "y", "x"]


async def test_duplicates_and_taps(telegram: FakeTelegram, door: Door) -> None:
    ada = telegram.customer()
    telegram.duplicate_next(4)
    await ada.says("four times")
    await telegram.until(lambda: door.heard == ["four times"] * 4)
    assert len({one.update_id for one in telegram.updates.deliveries}) == 1
    # Given a message with a button
    keyboard = {"inline_keyboard": [[{"text": "Yes", "callback_data": "k1"}]]}
    await door.application.bot.send_message(ada.id, "Did that help?", reply_markup=keyboard)
    tap = await ada.taps("Yes")
    await telegram.until(lambda: tap.answered)
    assert tap.text == "noted"
    with pytest.raises(AssertionError, match="no button 'No'"):
        await ada.taps("No")
    telegram.expire_taps()
    with pytest.raises(BadRequest, match="Query is too old"):
        await door.application.bot.answer_callback_query(tap.id)


async def test_a_webhook_that_is_away_gets_everything_later(telegram: FakeTelegram, door: Door) -> None:
    ada = telegram.customer()
    url = telegram.updates.hook.url
    await door.application.bot.delete_webhook()
    for word in ("one", "two"):
        await ada.says(word)
    assert telegram.updates.pending == 2
    await door.application.bot.set_webhook(url, secret_token=SECRET)
    await telegram.settled()
    assert door.heard == ["one", "two"]


async def test_bad_webhooks_are_refused() -> None:
    async with FakeTelegram(strict=False) as telegram:
        app = Application.builder().token(telegram.token).updater(None).base_url(f"{telegram.url}/bot").build()
        async with app:
            for url in ("http://shop.example/hook", "https://shop.example:8080/hook"):
                with pytest.raises(BadRequest, match="ad webhook"):
                    await app.bot.set_webhook(url, secret_token="s")
            with pytest.raises(BadRequest, match="unallowed characters"):
                await app.bot.set_webhook("https://shop.example/hook", secret_token="a b")
            # What Telegram takes, but nobody should send
            await app.bot.set_webhook(f"https://shop.example/{telegram.token}")
            assert len(telegram.complaints) == 2
