"""The fake Telegram delivers updates to python-telegram-bot's own poller as Telegram does."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from PIL import Image
from telegram import Bot, Update
from telegram.error import BadRequest, Conflict, InvalidToken, NetworkError
from telegram.ext import Application, TypeHandler

from tests.fakes.telegram import FakeTelegram


def picture(width: int = 640, height: int = 480, colour: str = "red") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(stream, "JPEG")
    return stream.getvalue()


def bot_of(telegram: FakeTelegram, token: str = "") -> Bot:
    return Bot(token or telegram.token, base_url=f"{telegram.url}/bot", base_file_url=f"{telegram.url}/file/bot")


def application(
    telegram: FakeTelegram, received: list[Update], *, updater: bool = True
) -> Application[Any, Any, Any, Any, Any, Any]:
    builder = Application.builder().token(telegram.token)
    builder = builder.base_url(f"{telegram.url}/bot").base_file_url(f"{telegram.url}/file/bot")
    app = (builder if updater else builder.updater(None)).build()

    async def keep(update: Update, context: object) -> None:
        received.append(update)

    app.add_handler(TypeHandler(Update, keep))
    return app


@asynccontextmanager
async def polling(
    telegram: FakeTelegram, **options: Any
) -> AsyncIterator[tuple[Application[Any, Any, Any, Any, Any, Any], list[Update]]]:
    received: list[Update] = []
    app = application(telegram, received)
    async with app:
        await app.start()
        assert app.updater is not None
        await app.updater.start_polling(poll_interval=0, timeout=2, **options)
        try:
            yield app, received
        finally:
            await app.updater.stop()
            await app.stop()


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as server:
        yield server


async def test_an_application_polls_and_answers(telegram: FakeTelegram) -> None:
    ada = telegram.customer("Ada", "de")
    async with polling(telegram) as (app, received):
        # When somebody starts the bot and types
        await ada.starts("promo")
        await ada.says("Where is my order? See https://shop.example/o/1")
        await telegram.until(lambda: len(received) == 2)
        # Then PTB understands who it was, the command and the link
        first, second = received
        assert second.update_id == first.update_id + 1
        assert first.message is not None and first.message.text == "/start promo"
        assert first.message.from_user is not None and first.message.from_user.language_code == "de"
        assert [one.type for one in first.message.entities] == ["bot_command"]
        assert second.message is not None and [one.type for one in second.message.entities] == ["url"]
        # And an answer is heard
        await app.bot.send_message(second.message.chat_id, "On its way")
        assert (await ada.hears()).text == "On its way"
        await ada.hears_nothing(0.05)
    await telegram.settled()


async def test_updates_stay_until_the_offset_confirms_them(telegram: FakeTelegram) -> None:
    ada = telegram.customer()
    for word in ("one", "two", "three"):
        await ada.says(word)
    async with bot_of(telegram) as bot:
        # Given nothing is confirmed, the same updates come again
        first = await bot.get_updates()
        assert [one.update_id for one in await bot.get_updates(limit=2)] == [one.update_id for one in first[:2]]
        # When the offset rises, what lies before is forgotten
        assert [one.message.text for one in await bot.get_updates(offset=first[1].update_id) if one.message] == [
            "two",
            "three",
        ]
        # And a negative offset counts from the end
        assert [one.message.text for one in await bot.get_updates(offset=-1) if one.message] == ["three"]
        assert telegram.updates.pending == 1


async def test_a_lost_answer_brings_the_same_updates_again(telegram: FakeTelegram) -> None:
    ada = telegram.customer()
    await ada.says("hello")
    telegram.drop_next("getUpdates", after_effect=True)
    async with bot_of(telegram) as bot:
        with pytest.raises(NetworkError):
            await bot.get_updates()
        assert len(await bot.get_updates()) == 1


async def test_a_long_poll_waits_for_news_and_no_longer(telegram: FakeTelegram) -> None:
    ada = telegram.customer()
    loop = asyncio.get_running_loop()
    async with bot_of(telegram) as bot:
        started = loop.time()
        assert await bot.get_updates(timeout=1) == ()
        assert loop.time() - started >= 1
        waiting = asyncio.create_task(bot.get_updates(timeout=5))
        await asyncio.sleep(0.1)
        await ada.says("now")
        assert len(await asyncio.wait_for(waiting, 3)) == 1


async def test_a_second_poller_ends_the_first(telegram: FakeTelegram) -> None:
    async with bot_of(telegram) as one, bot_of(telegram) as two:
        first = asyncio.create_task(one.get_updates(timeout=5))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(two.get_updates(timeout=1))
        with pytest.raises(Conflict, match="terminated by other getUpdates request"):
            await first
        assert await second == ()


async def test_polling_and_a_webhook_exclude_each_other(telegram: FakeTelegram) -> None:
    async with bot_of(telegram) as bot:
        await bot.set_webhook("https://shop.example/hook", secret_token="s3cret")
        with pytest.raises(Conflict, match="webhook is active"):
            await bot.get_updates()
        assert (await bot.get_webhook_info()).url == "https://shop.example/hook"
        await bot.delete_webhook(drop_pending_updates=True)
        assert await bot.get_updates() == ()


async def test_only_subscribed_kinds_arrive(telegram: FakeTelegram) -> None:
    ada = telegram.customer()
    async with polling(telegram, allowed_updates=["message"]) as (_app, received):
        message = await ada.says("hallo")
        await telegram.until(lambda: telegram.calls_of("getUpdates"))
        await ada.edits(message, "hello")
        await ada.says("again")
        await telegram.until(lambda: len(received) == 2)
        assert all(update.message for update in received)


async def test_wrong_tokens_and_unknown_methods(telegram: FakeTelegram) -> None:
    with pytest.raises(InvalidToken):
        async with bot_of(telegram, "123456:wrong"):
            pass
    async with bot_of(telegram) as bot:
        with pytest.raises(Exception, match="Endpoint 'teleport' not found"):
            await bot.do_api_request("teleport")


async def test_files_are_fetched_by_id(telegram: FakeTelegram) -> None:
    ada = telegram.customer()
    async with polling(telegram) as (app, received):
        original = picture(2000, 1500)
        await ada.sends_photo(original, caption="broken!")
        await ada.sends_voice(b"OggS voice", seconds=3)
        await ada.sends_document(original, name="cup.png", mime="image/png")
        await ada.sends_document(b"", size=21 * 1024 * 1024)
        await ada.sends_video_note(b"mp4")
        await ada.sends_audio(b"mp3")
        await ada.sends_sticker()
        await ada.sends_location()
        await ada.sends_contact()
        await ada.sends_video(b"mp4")
        await telegram.until(lambda: len(received) == 10)
        messages = [update.message for update in received if update.message]
        # A photo is a list of sizes, recompressed; the largest is at most 1280 pixels wide
        assert messages[0].caption == "broken!"
        assert [size.width for size in messages[0].photo] == [90, 320, 800, 1280]
        fetched = await (await messages[0].photo[-1].get_file()).download_as_bytearray()
        assert Image.open(io.BytesIO(bytes(fetched))).size == (1280, 960)
        # Voice and documents come as they are, the latter perhaps without a name
        assert messages[1].voice is not None and messages[1].voice.mime_type == "audio/ogg"
        assert bytes(await (await messages[1].voice.get_file()).download_as_bytearray()) == b"OggS voice"
        assert messages[2].document is not None
        assert bytes(await (await messages[2].document.get_file()).download_as_bytearray()) == original
        assert messages[3].document is not None and messages[3].document.mime_type is None
        with pytest.raises(BadRequest, match="File is too big"):
            await messages[3].document.get_file()
        # The link carries the token, and file_unique_id is the same for the same bytes
        again = await ada.sends_document(original, name="cup.png")
        assert again.files[0].unique == messages[2].document.file_unique_id
        assert again.files[0].id != messages[2].document.file_id
        with pytest.raises(BadRequest, match="Wrong file_id"):
            await app.bot.get_file("nonsense")


async def test_an_album_is_an_update_each(telegram: FakeTelegram) -> None:
    ada = telegram.customer()
    async with polling(telegram) as (_app, received):
        await ada.album([picture(colour=c) for c in ("red", "green", "blue")], caption="these", caption_on=1)
        await telegram.until(lambda: len(received) == 3)
        messages = [update.message for update in received if update.message]
        assert len({message.media_group_id for message in messages}) == 1
        assert [message.caption for message in messages] == [None, "these", None]


async def test_updates_can_be_repeated_and_swapped(telegram: FakeTelegram) -> None:
    ada = telegram.customer()
    async with polling(telegram) as (_app, received):
        telegram.duplicate_next(3)
        await ada.says("thrice")
        await telegram.until(lambda: len(received) == 3)
        assert len({update.update_id for update in received}) == 1
        with telegram.held() as numbers:
            await ada.says("a")
            await ada.says("b")
            numbers.reverse()
        await telegram.until(lambda: len(received) == 5)
        assert [update.message.text for update in received[3:] if update.message] == ["b", "a"]
        telegram.redeliver(received[0].update_id)
        await telegram.until(lambda: len(received) == 6)
    await telegram.settled()


async def test_edits_taps_and_blocking_are_told(telegram: FakeTelegram) -> None:
    ada = telegram.customer()
    async with polling(telegram) as (_app, received):
        message = await ada.says("whre")
        await ada.edits(message, "where")
        await ada.deletes(message)
        await ada.blocks_bot()
        await ada.unblocks_bot()
        telegram.push_update({"message": {"message_id": 9, "date": 1, "chat": {"id": 1, "type": "private"}}})
        await telegram.until(lambda: len(received) == 5)
        assert received[1].edited_message is not None and received[1].edited_message.text == "where"
        changes = [update.my_chat_member for update in received if update.my_chat_member]
        assert [change.new_chat_member.status for change in changes] == ["kicked", "member"]
        assert received[4].message is not None and ada.seen == []


async def test_taking_away_no_webhook_disturbs_no_poller(telegram: FakeTelegram) -> None:
    async with bot_of(telegram) as one, bot_of(telegram) as two:
        first = asyncio.create_task(one.get_updates(timeout=1))
        await asyncio.sleep(0.1)
        await two.delete_webhook()
        assert await first == ()
        first = asyncio.create_task(one.get_updates(timeout=5))
        await asyncio.sleep(0.1)
        await two.set_webhook("https://shop.example/hook", secret_token="s")
        with pytest.raises(Conflict, match="terminated by setWebhook"):
            await first
