"""The fake Telegram accepts and refuses what python-telegram-bot sends as Telegram does."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from PIL import Image
from telegram import (
    Bot,
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    Message,
    ReplyParameters,
)
from telegram.constants import ChatAction
from telegram.error import BadRequest, ChatMigrated, Forbidden, NetworkError, RetryAfter, TimedOut

from tests.fakes.telegram import Customer, FakeTelegram


def picture(width: int = 64, height: int = 48) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(stream, "PNG")
    return stream.getvalue()


def buttons(*data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(f"B{n}", callback_data=one)] for n, one in enumerate(data)])


@pytest.fixture(autouse=True)
def delays_are_timedeltas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this, PTB 22.8 warns whenever a RetryAfter is built."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as server:
        yield server


@pytest.fixture
async def bot(telegram: FakeTelegram) -> AsyncIterator[Bot]:
    async with Bot(telegram.token, f"{telegram.url}/bot", f"{telegram.url}/file/bot") as client:
        yield client


@pytest.fixture
async def ada(telegram: FakeTelegram) -> Customer:
    customer = telegram.customer("Ada")
    await customer.starts()
    return customer


async def test_marked_up_text_is_seen_as_people_see_it(bot: Bot, ada: Customer) -> None:
    sent = await bot.send_message(
        ada.id, '  <b>Näh 👍</b> &lt;5 kg, <a href="https://shop.example/a">see here</a>\n', parse_mode="HTML"
    )
    assert sent.text == "Näh 👍 <5 kg, see here"
    heard = await ada.hears()
    assert heard.styled == (("bold", "Näh 👍"), ("text_link", "see here", "https://shop.example/a"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<b>bold", 'can\'t find end tag corresponding to start tag "b"'),
        ("ä <b>x</i>", 'unmatched end tag at byte offset 7, expected "</b>", found "</i>"'),
        ("<h1>x</h1>", 'unsupported start tag "h1" at byte offset 0'),
        ("1 < 2", 'unsupported start tag "" at byte offset 2'),
        ("x</b>", "unexpected end tag at byte offset 1"),
        ("<b", "unclosed start tag at byte offset 0"),
        ('<a href="x', "unclosed start tag at byte offset 0"),
        ("<span>x</span>", 'tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
async def test_broken_markup_is_refused(bot: Bot, ada: Customer, text: str, complaint: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await bot.send_message(ada.id, text, parse_mode="HTML")
    assert refused.value.message.lower() == f"can't parse entities: {complaint}"


async def test_texts_are_counted_in_utf16_after_parsing(bot: Bot, ada: Customer) -> None:
    await bot.send_message(ada.id, "<b>" + "👍" * 2048 + "</b>", parse_mode="HTML")
    with pytest.raises(BadRequest, match="Message is too long"):
        await bot.send_message(ada.id, "👍" * 2049)
    for empty in (" \n ", "<b> </b>"):
        with pytest.raises(BadRequest, match="Message text is empty"):
            await bot.send_message(ada.id, empty, parse_mode="HTML")
    await bot.send_photo(ada.id, picture(), caption="c" * 1024)
    with pytest.raises(BadRequest, match="caption is too long"):
        await bot.send_photo(ada.id, picture(), caption="c" * 1025)


async def test_keyboards_have_limits(telegram: FakeTelegram, bot: Bot, ada: Customer) -> None:
    await bot.send_message(ada.id, "Choose", reply_markup=buttons("a", "ä" * 32))
    assert (await ada.hears()).rows == (("B0",), ("B1",))
    with pytest.raises(BadRequest, match="Button_data_invalid"):
        await bot.send_message(ada.id, "Choose", reply_markup=buttons("ä" * 33))
    await bot.send_message(ada.id, "Choose", reply_markup=buttons(*["x"] * 100))
    with pytest.raises(BadRequest, match="Reply_markup_too_long"):
        await bot.send_message(ada.id, "Choose", reply_markup=buttons(*["x"] * 101))
    with pytest.raises(BadRequest, match="text buttons are unallowed"):
        empty = InlineKeyboardMarkup([[InlineKeyboardButton(" ", callback_data="x")]])
        await bot.send_message(ada.id, "Choose", reply_markup=empty)


async def test_who_can_be_written_to(telegram: FakeTelegram, bot: Bot, ada: Customer) -> None:
    with pytest.raises(BadRequest, match="Chat not found"):
        await bot.send_message(42, "hi")
    with pytest.raises(Forbidden, match="can't initiate conversation"):
        await bot.send_message(telegram.customer("Stranger").id, "hi")
    await ada.blocks_bot()
    for attempt in (bot.send_message(ada.id, "hi"), bot.send_chat_action(ada.id, ChatAction.TYPING)):
        with pytest.raises(Forbidden, match="bot was blocked by the user"):
            await attempt
    await ada.unblocks_bot()
    await bot.send_message(ada.id, "hi")
    with pytest.raises(BadRequest, match="Message thread not found"):
        await bot.send_message(ada.id, "hi", message_thread_id=7)
    await ada.says("in a topic", thread=7)
    assert (await bot.send_message(ada.id, "hi", message_thread_id=7)).message_thread_id == 7


async def test_pictures_are_uploaded_reused_and_refused(bot: Bot, ada: Customer) -> None:
    content = picture()
    sent = await bot.send_photo(ada.id, content, caption="<i>this one</i>", parse_mode="HTML")
    heard = await ada.hears("this one")
    assert heard.kind == "photo" and heard.content == content and heard.styled == (("italic", "this one"),)
    await bot.send_photo(ada.id, sent.photo[-1].file_id)
    assert (await ada.hears()).content == content
    album = await bot.send_media_group(ada.id, [InputMediaPhoto(content, caption="first"), InputMediaPhoto(content)])
    assert album[0].media_group_id == album[1].media_group_id
    assert [one.album for one in ada.seen[-2:]] == [album[0].media_group_id] * 2
    await bot.send_document(ada.id, b"%PDF", filename="invoice.pdf")
    for bad, why in ((b"not a picture", "Image_process_failed"), (picture(4000, 10), "Photo_invalid_dimensions")):
        with pytest.raises(BadRequest, match=why):
            await bot.send_photo(ada.id, bad)
    with pytest.raises(BadRequest, match="rong file identifier"):
        await bot.send_photo(ada.id, "unknown")
    with pytest.raises(BadRequest, match="2-10 items"):
        await bot.send_media_group(ada.id, [InputMediaPhoto(content)])


async def test_editing_and_deleting(bot: Bot, ada: Customer) -> None:
    sent = await bot.send_message(ada.id, "one", reply_markup=buttons("k"))
    edited = await bot.edit_message_text("two", ada.id, sent.message_id)
    assert isinstance(edited, Message) and edited.edit_date is not None
    # An edit without a keyboard takes it away
    seen = await ada.hears()
    assert (seen.text, seen.edited, seen.buttons) == ("two", True, ())
    with pytest.raises(BadRequest, match="Message is not modified"):
        await bot.edit_message_text("two", ada.id, sent.message_id)
    await bot.edit_message_reply_markup(ada.id, sent.message_id, reply_markup=buttons("k"))
    with pytest.raises(BadRequest, match="Message to edit not found"):
        await bot.edit_message_text("x", ada.id, 999)
    theirs = await ada.says("mine")
    with pytest.raises(BadRequest, match="Message can't be edited"):
        await bot.edit_message_text("x", ada.id, theirs.id)
    photo = await bot.send_photo(ada.id, picture(), caption="a")
    with pytest.raises(BadRequest, match="no text in the message to edit"):
        await bot.edit_message_text("x", ada.id, photo.message_id)
    await bot.edit_message_caption(ada.id, photo.message_id, caption="b")
    await bot.delete_message(ada.id, photo.message_id)
    assert [one.text for one in ada.seen] == ["/start", "two", "mine"]
    with pytest.raises(BadRequest, match="Message to delete not found"):
        await bot.delete_message(ada.id, photo.message_id)


async def test_replies_actions_commands_and_chats(telegram: FakeTelegram, bot: Bot, ada: Customer) -> None:
    asked = await ada.says("why?")
    await bot.send_message(ada.id, "because", reply_parameters=ReplyParameters(asked.id))
    assert (await ada.hears()).reply_to == asked.id
    with pytest.raises(BadRequest, match="Message to be replied not found"):
        await bot.send_message(ada.id, "because", reply_parameters=ReplyParameters(999))
    await bot.send_message(ada.id, "still", reply_parameters=ReplyParameters(999, allow_sending_without_reply=True))
    await bot.send_chat_action(ada.id, ChatAction.UPLOAD_PHOTO)
    assert ada.private.actions == ["upload_photo"]
    await bot.send_message_draft(ada.id, 1, "thinking")
    assert ada.private.draft == "thinking"
    await bot.set_my_commands([BotCommand("help", "What I can do")], language_code="en")
    assert (await bot.get_my_commands(language_code="en"))[0].command == "help"
    with pytest.raises(BadRequest, match="Bot_command_invalid"):
        await bot.set_my_commands([BotCommand("Help me", "x")])
    assert (await bot.get_chat(ada.id)).first_name == "Ada"
    assert (await bot.get_chat_member(ada.id, ada.id)).status == "member"


async def test_planned_accidents(telegram: FakeTelegram, bot: Bot, ada: Customer) -> None:
    telegram.fail_next("sendMessage", 429, retry_after=22)
    with pytest.raises(RetryAfter) as throttled:
        await bot.send_message(ada.id, "a")
    assert throttled.value.retry_after == timedelta(seconds=22)
    telegram.fail_next("*", 502, description="Bad Gateway")
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.send_message(ada.id, "b")
    # An outcome that the sender cannot know: once nothing happened, once it did
    telegram.drop_next("sendMessage", after_effect=False)
    with pytest.raises(NetworkError):
        await bot.send_message(ada.id, "c")
    telegram.drop_next("sendMessage", after_effect=True)
    with pytest.raises(NetworkError):
        await bot.send_message(ada.id, "d")
    telegram.slow_next("sendMessage", 0.5)
    with pytest.raises(TimedOut):
        await bot.send_message(ada.id, "e", read_timeout=0.1)
    telegram.fail_next("sendMessage", 400, description="Bad Request: no", where=lambda sent: sent["text"] == "g")
    await bot.send_message(ada.id, "f")
    with pytest.raises(BadRequest):
        await bot.send_message(ada.id, "g")
    await telegram.until(lambda: [one.text for one in ada.seen] == ["/start", "d", "e", "f"])
    assert [call.status for call in telegram.calls_of("sendMessage")] == [429, 502, 0, 0, 200, 200, 400]


async def test_flood_limits_when_asked_for(telegram: FakeTelegram, bot: Bot, ada: Customer) -> None:
    telegram.limit(overall=30, per_chat=2)
    results = await asyncio.gather(*(bot.send_message(ada.id, str(n)) for n in range(3)), return_exceptions=True)
    assert [type(one) for one in results].count(RetryAfter) == 1
    group = telegram.group()
    telegram.limit(overall=100, per_chat=100, per_group=20)
    for number in range(20):
        await bot.send_message(group.id, str(number))
    with pytest.raises(RetryAfter):
        await bot.send_message(group.id, "21st")


async def test_groups(telegram: FakeTelegram, bot: Bot, ada: Customer) -> None:
    group = telegram.group("Outdoor club", supergroup=False)
    await bot.get_updates(offset=-1)
    before = telegram.updates.pending
    # Given privacy mode, the bot hears only what is meant for it
    await ada.says("just talking", chat=group)
    assert telegram.updates.pending == before
    sent = await bot.send_message(group.id, "Hello all")
    await ada.mentions("where is my order?", chat=group)
    await ada.says("/help", chat=group)
    await ada.says("/help@other_bot", chat=group)
    await ada.says("thanks", chat=group, reply_to=telegram.seen(group)[1])
    heard = [update.message for update in await bot.get_updates() if update.message][-3:]
    assert [one.text for one in heard if one] == ["@polydesk_bot where is my order?", "/help", "thanks"]
    assert heard[2].reply_to_message is not None and heard[2].reply_to_message.message_id == sent.message_id
    assert (await bot.get_chat_member(group.id, bot.id)).status == "member"
    # When it becomes a supergroup, the old id leads to the new one
    old = group.id
    await group.upgrade()
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(old, "still there?")
    assert moved.value.new_chat_id == group.id
    await bot.send_message(group.id, "there")
    await bot.leave_chat(group.id)
    with pytest.raises(Forbidden, match="kicked from the supergroup chat"):
        await bot.send_message(group.id, "there")


async def test_what_telegram_would_swallow_is_a_complaint(bot: Bot) -> None:
    with pytest.raises(AssertionError, match="knows no 'colour'"):
        async with FakeTelegram() as telegram:
            ada = telegram.customer()
            await ada.starts()
            async with Bot(telegram.token, f"{telegram.url}/bot") as client:
                await client.send_message(ada.id, "hi", api_kwargs={"colour": "red"})


async def test_long_texts_of_people_are_split_by_their_app(telegram: FakeTelegram, bot: Bot, ada: Customer) -> None:
    await ada.says("👍" * 3000)
    texts = [update.message.text for update in await bot.get_updates() if update.message and update.message.text]
    assert [len(text) for text in texts[1:]] == [2048, 952]


async def test_an_edit_is_seen_and_not_heard_again(bot: Bot, ada: Customer) -> None:
    sent = await bot.send_message(ada.id, "Looking ...")
    await ada.hears("Looking")
    await bot.edit_message_text("Found it", ada.id, sent.message_id)
    assert (await ada.sees("Found")).edited
    await ada.hears_nothing(0.05)
    await ada.blocks_bot()
    with pytest.raises(AssertionError, match="has blocked the bot"):
        await ada.says("hello?")
