"""Calls made on the fake Telegram: what arrives, and what trouble is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from adapters.telegram.adapter import TelegramAdapter
from adapters.telegram.client import Client
from adapters.telegram.sending import Sender
from core import wire
from core.errors import BadInput, Blocked, Broken, OutcomeUnknown, PolydeskError, Refused, Retry, Throttled, Unreadable
from core.values import Attachment, AttachmentKind, Call, Choice, Problem, Reply, Sent
from tests.adapters.stage import Ear, Shelf, picture
from tests.adapters.telegram.stage import address, connected, say, talking
from tests.fakes.telegram import FakeTelegram


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as platform:
        yield platform


async def test_words_arrive_with_style_and_buttons(telegram: FakeTelegram) -> None:
    async with talking(telegram) as (adapter, ada):
        choices = (Choice("a", "Yes"), Choice("b", "No"))
        (sent,) = await say(
            adapter, address(telegram, ada.id), Reply("**Hello** [you](https://a.example/x?y=1&z)", choices)
        )
    seen = ada.seen[-1]
    assert (seen.text, seen.rows) == ("Hello you", (("Yes", "No"),))
    assert seen.styled == (("bold", "Hello"), ("text_link", "you", "https://a.example/x?y=1&z"))
    assert sent.message == str(seen.id)


async def test_a_long_answer_arrives_whole_and_in_order(telegram: FakeTelegram) -> None:
    text = "\n\n".join(
        f"**Step {number}.** Do *this* 👨‍👩‍👧‍👦 and `that` مرحبا. " + "word " * 60 for number in range(30)
    )
    async with talking(telegram) as (adapter, ada):
        sent = await say(adapter, address(telegram, ada.id), Reply(text))
    seen = [one for one in ada.seen if one.by_bot]
    assert [str(one.id) for one in seen] == [receipt.message for receipt in sent]
    words = " ".join(one.text for one in seen).split()
    assert [word for word in words if word.startswith("Step") or word.endswith(".")][:2] == ["Step", "0."]
    assert words.count("word") == 1800 and words.count("👨‍👩‍👧‍👦") == 30


async def test_pictures_arrive(telegram: FakeTelegram) -> None:
    shelf = Shelf()
    blobs = tuple(shelf.put(picture(colour)) for colour in ("red", "green", "blue"))
    async with talking(telegram, shelf) as (adapter, ada):
        here = address(telegram, ada.id)
        (one,) = await say(adapter, here, Reply("a mug", pictures=blobs[:1]))
        (album,) = await say(adapter, here, Reply("three", pictures=blobs))
    seen = [one for one in ada.seen if one.by_bot]
    assert [(one.kind, one.text) for one in seen] == [
        ("photo", "a mug"),
        ("photo", "three"),
        ("photo", ""),
        ("photo", ""),
    ]
    assert [one.content for one in seen] == [shelf.blobs[blob] for blob in (blobs[0], *blobs)]
    assert len({one.album for one in seen[1:]}) == 1
    assert (one.message, album.message) == (str(seen[0].id), str(seen[1].id))


async def test_a_picture_that_is_no_photo_to_telegram_arrives_as_a_file(telegram: FakeTelegram) -> None:
    shelf = Shelf()
    wide = shelf.put(picture(size=(3000, 20), kind="PNG"))
    async with talking(telegram, shelf) as (adapter, ada):
        here = address(telegram, ada.id)
        await say(adapter, here, Reply("a ruler", (Choice("k", "More"),), (wide,)))
        await say(adapter, here, Reply("two rulers", pictures=(wide, wide)))
    seen = [one for one in ada.seen if one.by_bot]
    assert [one.kind for one in seen] == ["document"] * 3
    assert [one.text for one in seen] == ["a ruler", "two rulers", ""]
    assert seen[0].buttons == ("More",)


async def test_pictures_that_are_gone_do_not_take_the_words_with_them(telegram: FakeTelegram) -> None:
    shelf = Shelf()
    here_still = tuple(shelf.put(picture(colour)) for colour in ("red", "green"))
    gone = ("0" * 64, "1" * 64)
    async with talking(telegram, shelf) as (adapter, ada):
        where = address(telegram, ada.id)
        await say(adapter, where, Reply("**one** gone", (Choice("k", "K"),), gone[:1]))
        await say(adapter, where, Reply("all gone", pictures=gone))
        await say(adapter, where, Reply("one left", pictures=(gone[0], here_still[0], gone[1])))
        await say(adapter, where, Reply("two left", pictures=(gone[0], *here_still)))
        with pytest.raises(Refused, match="gone"):
            await say(adapter, where, Reply("", pictures=gone))
    seen = [one for one in ada.seen if one.by_bot]
    assert [(one.kind, one.text) for one in seen] == [
        ("text", "one gone"),
        ("text", "all gone"),
        ("photo", "one left"),
        ("photo", "two left"),
        ("photo", ""),
    ]
    assert seen[0].buttons == ("K",) and seen[0].styled == (("bold", "one"),)


async def test_busy_shows_that_somebody_types(telegram: FakeTelegram) -> None:
    async with talking(telegram) as (adapter, ada):
        call = Call("busy", {"address": wire.dump(address(telegram, ada.id))})
        assert await adapter.send(call) == Sent()
        assert ada.private.actions == ["typing"]
        telegram.fail_next("sendChatAction", 429, retry_after=5)
        assert await adapter.send(call) == Sent()  # decoration never fails


async def test_a_topic_is_answered_in_it(telegram: FakeTelegram) -> None:
    ada, group = telegram.customer(), telegram.group()
    await ada.says("hello", chat=group, thread=12)
    async with connected(telegram, Ear()) as adapter:
        await say(adapter, address(telegram, group.id, "12"), Reply("hi"))
        await adapter.send(Call("busy", {"address": wire.dump(address(telegram, group.id, "12"))}))
    assert telegram.seen(group)[-1].thread == 12


async def test_a_group_that_became_a_supergroup_is_followed(telegram: FakeTelegram) -> None:
    ada, group = telegram.customer(), telegram.group(supergroup=False)
    await ada.says("/help", chat=group)
    old = address(telegram, group.id)
    # Given that we are told
    async with connected(telegram, Ear()) as adapter:
        await group.upgrade()
        await telegram.settled()
        await say(adapter, old, Reply("told"))
    # Given that we were not
    async with connected(telegram, Ear()) as stranger:
        await say(stranger, old, Reply("found out"))
        await say(stranger, old, Reply("remembered"))
    assert [one.text for one in telegram.seen(group) if one.by_bot] == ["told", "found out", "remembered"]
    refused = [call for call in telegram.calls_of("sendMessage") if not call.ok]
    assert len(refused) == 1


# Trouble --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "description", "error"),
    [
        (403, "Forbidden: bot was blocked by the user", Blocked),
        (403, "Forbidden: user is deactivated", Blocked),
        (400, "Bad Request: chat not found", Refused),
        (400, "Bad Request: not enough rights to send text messages to the chat", Refused),
        (413, "Request Entity Too Large", Refused),
        (500, "Internal Server Error", Retry),
        (503, "Service Unavailable", Retry),
    ],
)
async def test_what_telegram_answers(
    telegram: FakeTelegram, status: int, description: str, error: type[PolydeskError]
) -> None:
    async with talking(telegram) as (adapter, ada):
        telegram.fail_next("sendMessage", status, description=description)
        with pytest.raises(error) as caught:
            await say(adapter, address(telegram, ada.id), Reply("x"))
        assert type(caught.value) is error
        assert caught.value.__cause__ is not None


async def test_being_asked_to_wait_says_for_how_long(telegram: FakeTelegram) -> None:
    async with talking(telegram) as (adapter, ada):
        telegram.fail_next("sendMessage", 429, retry_after=22)
        (call,) = adapter.render(address(telegram, ada.id), Reply("x"))
        with pytest.raises(Throttled) as caught:
            await adapter.send(call)
        assert caught.value.after == 22.0
        # And is kept to: Telegram is not even asked
        with pytest.raises(Throttled, match="our turn"):
            await adapter.send(call)


async def test_a_customer_who_blocks_is_blocked(telegram: FakeTelegram) -> None:
    async with talking(telegram) as (adapter, ada):
        await ada.blocks_bot()
        with pytest.raises(Blocked):
            await say(adapter, address(telegram, ada.id), Reply("x"))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, "<html>Please log in</html>", OutcomeUnknown),
        (200, '{"ok": true}', OutcomeUnknown),
        (200, "[]", OutcomeUnknown),
        (200, '{"ok": true, "result": true}', OutcomeUnknown),
        (302, "", OutcomeUnknown),
        (502, "<html>Bad Gateway</html>", OutcomeUnknown),
        (504, "<html>Gateway Timeout</html>", OutcomeUnknown),
        (503, "<html>Service Unavailable</html>", Retry),
        (404, "<html>Not Found</html>", Broken),
    ],
)
async def test_what_a_proxy_answers(status: int, body: str, error: type[PolydeskError]) -> None:
    """Only the Bot API's own words are certain."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client("1:x", f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        with pytest.raises(error) as caught:
            await Sender(client, lambda name: b"", {}).send(Call("sendMessage", {"chat_id": 1, "text": "x"}))
        assert type(caught.value) is error
    finally:
        await client.close()
        await runner.cleanup()


@pytest.mark.parametrize("answer", [True, [], {"id": "7"}, None])
async def test_a_server_that_is_no_bot_api(answer: object) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "result": answer})

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    adapter = TelegramAdapter("1:x", api_url=f"http://127.0.0.1:{runner.addresses[0][1]}", blob=lambda name: b"")
    with pytest.raises(Broken, match="POLYDESK_TELEGRAM_API_URL"):
        await adapter.whoami()
    await runner.cleanup()


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_connection_that_breaks_leaves_the_outcome_unknown(telegram: FakeTelegram, after_effect: bool) -> None:
    async with talking(telegram) as (adapter, ada):
        telegram.drop_next("sendMessage", after_effect=after_effect)
        with pytest.raises(OutcomeUnknown):
            await say(adapter, address(telegram, ada.id), Reply("x"))
        assert len(telegram.calls_of("sendMessage")) == 1
        # An edit does no harm when made twice, so it is a mere Retry
        (sent,) = await say(adapter, address(telegram, ada.id), Reply("y"))
        telegram.drop_next("editMessageText", after_effect=after_effect)
        with pytest.raises(Retry):
            await say(adapter, address(telegram, ada.id), Reply("z", edits=sent.message))


async def test_a_call_that_cannot_have_left_may_be_made_again(telegram: FakeTelegram) -> None:
    async with talking(telegram) as (adapter, ada):
        assert adapter._sender is not None
        adapter._sender._client._bot._base_url = "http://127.0.0.1:9/bot1:x"  # nobody listens there
        with pytest.raises(Retry):
            await say(adapter, address(telegram, ada.id), Reply("x"))


async def test_an_adapter_that_is_not_running_asks_to_come_back(telegram: FakeTelegram) -> None:
    async with talking(telegram) as (adapter, ada):
        pass
    with pytest.raises(Retry):
        await say(adapter, address(telegram, ada.id), Reply("x"))
    with pytest.raises(Retry):
        await adapter.fetch(Attachment(AttachmentKind.PHOTO, "x"))


async def test_calls_during_the_farewell_may_be_made_again(telegram: FakeTelegram) -> None:
    async with talking(telegram) as (adapter, ada):
        client, sender = adapter._client, adapter._sender
    assert client is not None and sender is not None
    (call,) = adapter.render(address(telegram, ada.id), Reply("x"))
    with pytest.raises(Retry):
        await sender.send(call)
    with pytest.raises(Retry):
        await client.download("x", 10)


async def test_foreign_calls_are_refused(telegram: FakeTelegram) -> None:
    async with talking(telegram) as (adapter, _ada):
        with pytest.raises(BadInput):
            await adapter.send(Call("chat.postMessage", {"channel": "C1"}))
        with pytest.raises(BadInput):
            await adapter.send(Call("logOut", {}))


# Files ----------------------------------------------------------------------------------------------------------------


async def _heard(telegram: FakeTelegram, content: bytes, size: int | None = None) -> Attachment:
    message = await telegram.customer().sends_voice(content, size=size)
    return Attachment(AttachmentKind.VOICE, ref=message.files[0].id)


async def test_files_that_cannot_be_had(telegram: FakeTelegram) -> None:
    async with talking(telegram) as (adapter, _ada):
        large = await _heard(telegram, b"x", size=21 * 1024 * 1024)
        liar = await _heard(telegram, b"x" * (20 * 1024 * 1024 + 1), size=5)
        gone = await _heard(telegram, b"OggS")
        telegram.world.paths.clear()
        empty = await _heard(telegram, b"")
        telegram.world.paths.update(
            {file.path: file for file in telegram.world.files.values() if file.content == b"x" * (20 * 1024 * 1024 + 1)}
        )
        for attachment, problem in (
            (large, Problem.TOO_LARGE),
            (liar, Problem.TOO_LARGE),
            (gone, Problem.NOT_DELIVERED),
            (empty, Problem.EMPTY),
        ):
            with pytest.raises(Unreadable) as caught:
                await adapter.fetch(attachment)
            assert caught.value.problem is problem


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_download_that_breaks_may_be_tried_again(telegram: FakeTelegram, after_effect: bool) -> None:
    async with talking(telegram) as (adapter, _ada):
        attachment = await _heard(telegram, b"OggS")
        for method in ("download", "getFile"):
            telegram.drop_next(method, after_effect=after_effect)
            with pytest.raises(Retry):
                await adapter.fetch(attachment)
        telegram.fail_next("download", 502)
        with pytest.raises(Retry):
            await adapter.fetch(attachment)
        telegram.fail_next(
            "getFile", 400, description="Bad Request: wrong file_id or the file is temporarily unavailable"
        )
        with pytest.raises(Retry):
            await adapter.fetch(attachment)
        assert await adapter.fetch(attachment) == b"OggS"


async def test_many_can_be_sent_at_once(telegram: FakeTelegram) -> None:
    people = [telegram.customer(f"C{number}") for number in range(100)]
    for person in people:
        await person.says("hi")
    async with connected(telegram, Ear()) as adapter:
        await asyncio.gather(*(say(adapter, address(telegram, one.id), Reply("hello")) for one in people))
    assert all(person.seen[-1].text == "hello" for person in people)
