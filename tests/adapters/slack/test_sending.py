"""Calls made on the fake Slack: what arrives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web

from adapters.slack.adapter import SlackAdapter
from adapters.slack.client import Client
from adapters.slack.render import UPDATE, UPLOAD
from adapters.slack.sending import Sender, Shares
from core import wire
from core.errors import BadInput, OutcomeUnknown, Refused, Retry, Throttled
from core.values import Call, Choice, Reply, Sent
from tests.adapters.slack.stage import address, answering, connected, say, words
from tests.adapters.stage import Ear, Shelf, picture
from tests.fakes.slack import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as platform:
        yield platform


async def test_words_arrive_with_style_and_buttons(slack: FakeSlack) -> None:
    ada = slack.customer()
    async with connected(slack, Ear()) as adapter:
        choices = (Choice("a", "Yes"), Choice("b", "No"))
        (sent,) = await say(
            adapter, address(slack, ada.dm.id), Reply("**Hello** [you](https://a.example/x?y=1&z)", choices)
        )
    (seen,) = ada.seen
    assert seen.shown == "*Hello* <https://a.example/x?y=1&amp;z|you>" == seen.text
    assert seen.buttons == ("Yes", "No")
    assert sent == Sent(seen.ts)


async def test_a_long_answer_arrives_whole_and_in_order(slack: FakeSlack) -> None:
    ada = slack.customer()
    text = "\n\n".join(f"**w{number}** 👨‍👩‍👧‍👦 مرحبا" for number in range(1500))
    async with connected(slack, Ear()) as adapter:
        sent = await say(adapter, address(slack, ada.dm.id), Reply(text, (Choice("k", "Yes"),)))
    assert [one.ts for one in ada.seen] == [receipt.message for receipt in sent] and len(sent) > 2
    shown = words("\n".join(one.shown for one in ada.seen)).split()
    assert [word for word in shown if word.startswith("w")] == [f"w{number}" for number in range(1500)]
    assert [one.buttons for one in ada.seen] == [()] * (len(sent) - 1) + [("Yes",)]


async def test_threads_are_kept(slack: FakeSlack) -> None:
    ada, channel = slack.customer(), slack.channel()
    root = await ada.says("help", channel=channel)
    async with connected(slack, Ear()) as adapter:
        await say(adapter, address(slack, channel.id, root.ts), Reply("In the thread"))
        await say(adapter, address(slack, ada.dm.id), Reply("Flat"))
    assert [one.shown for one in slack.seen(channel, root.ts)] == ["help", "In the thread"]
    assert [one.thread_ts for one in ada.seen] == [""]


async def test_an_edit_replaces_words_and_buttons(slack: FakeSlack) -> None:
    ada = slack.customer()
    where = address(slack, ada.dm.id)
    async with connected(slack, Ear()) as adapter:
        (sent,) = await say(adapter, where, Reply("old", (Choice("k", "Yes"),)))
        (again,) = await say(adapter, where, Reply("new " * 1500, edits=sent.message))
    assert again == sent
    assert [(words(one.shown).split(), one.buttons) for one in ada.seen] == [(["new"] * 1500, ())]


async def test_words_that_cannot_be_edited_any_more_are_said_anew_in_their_thread(slack: FakeSlack) -> None:
    ada, channel = slack.customer(), slack.channel()
    root = await ada.says("help", channel=channel)
    where = address(slack, channel.id, root.ts)
    async with connected(slack, Ear()) as adapter:
        (sent,) = await say(adapter, where, Reply("old"))
        slack.fail_next(UPDATE, "edit_window_closed")
        (anew,) = await say(adapter, where, Reply("new", edits=sent.message))
        # What may have been said anew already is looked for first
        slack.fail_next(UPDATE, "edit_window_closed", times=2)
        (call,) = adapter.render(where, Reply("newer", edits=sent.message))
        call = replace(call, key="row-1", since=int(time.time() * 1000))
        first, second = await adapter.send(call), await adapter.send(call)
    assert anew != sent and first == second
    assert [one.shown for one in slack.seen(channel, root.ts)] == ["help", "old", "new", "newer"]


# Pictures


async def test_pictures_can_be_seen_before_the_words_come(slack: FakeSlack) -> None:
    """Slack shows files some time after it took them; the words wait for that."""
    ada, channel, shelf = slack.customer(), slack.channel(), Shelf()
    root = await ada.says("help", channel=channel)
    slack.workspace.upload_delay = 0.4
    content = [picture("red"), picture("blue", kind="PNG"), b"GIF89a..."]
    async with connected(slack, Ear(), shelf) as adapter:
        blobs = tuple(shelf.put(one) for one in content)
        receipts = await say(adapter, address(slack, channel.id, root.ts), Reply("like these?", pictures=blobs))
    _help, album, message = slack.seen(channel, root.ts)
    assert album.files == tuple(content) and message.shown == "like these?"
    assert [receipt.message for receipt in receipts] == [album.ts, message.ts]
    names = [file.name for file in slack.world.files.values()]
    assert names == ["picture-1.jpg", "picture-2.png", "picture-3.gif"]


async def test_a_large_picture_is_sent_without_a_warning(slack: FakeSlack) -> None:
    ada, shelf = slack.customer(), Shelf()
    content = b"\xff\xd8" + bytes(5_000_000)
    async with connected(slack, Ear(), shelf) as adapter:
        await say(adapter, address(slack, ada.dm.id), Reply("", pictures=(shelf.put(content),)))
    assert [one.files for one in ada.seen] == [(content,)]


async def test_words_do_not_wait_for_ever_for_a_picture(slack: FakeSlack) -> None:
    shelf = Shelf()
    slack.events.subscribed.clear()
    async with connected(slack, Ear(), shelf) as adapter:
        assert adapter._sender is not None
        adapter._sender._patience = 0.2
        (call,) = adapter.render(address(slack, slack.customer().dm.id), Reply("", pictures=(shelf.put(picture()),)))
        assert await adapter.send(call) == Sent("")


async def test_a_lost_picture_takes_nothing_with_it(slack: FakeSlack) -> None:
    ada, shelf = slack.customer(), Shelf()
    where = address(slack, ada.dm.id)
    async with connected(slack, Ear(), shelf) as adapter:
        await say(adapter, where, Reply("", pictures=("0" * 64, shelf.put(picture()))))
        (call,) = adapter.render(where, Reply("", pictures=("0" * 64,)))
        with pytest.raises(Refused, match="gone"):
            await adapter.send(call)
    assert [one.files for one in ada.seen] == [(picture(),)]


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "blob"])
async def test_an_upload_that_broke_off_is_tried_again(slack: FakeSlack, method: str) -> None:
    """Nobody has seen anything yet."""
    ada, shelf = slack.customer(), Shelf()
    async with connected(slack, Ear(), shelf) as adapter:
        (call,) = adapter.render(address(slack, ada.dm.id), Reply("", pictures=(shelf.put(picture()),)))
        if method == "blob":
            slack.fail_next(UPLOAD, retry_after=1)
            with pytest.raises(Throttled) as caught:
                await adapter.send(call)
            assert caught.value.after == 1
            await asyncio.sleep(1)
        else:
            slack.drop_next(method, after_effect=True)
            with pytest.raises(Retry):
                await adapter.send(call)
        await adapter.send(call)
    assert [one.files for one in ada.seen] == [(picture(),)]


async def test_a_picture_that_appears_has_arrived_whatever_the_answer_was(slack: FakeSlack) -> None:
    ada, shelf = slack.customer(), Shelf()
    async with connected(slack, Ear(), shelf) as adapter:
        (call,) = adapter.render(address(slack, ada.dm.id), Reply("", pictures=(shelf.put(picture()),)))
        slack.drop_next(UPLOAD, after_effect=True)
        receipt = await adapter.send(call)
        assert [one.ts for one in ada.seen] == [receipt.message]
        assert adapter._sender is not None
        adapter._sender._patience = 0.2
        slack.drop_next(UPLOAD, after_effect=False)
        with pytest.raises(OutcomeUnknown):
            await adapter.send(call)


async def test_pictures_go_to_slack_only(slack: FakeSlack) -> None:
    """Whatever address the answer names."""
    shelf = Shelf()
    async with connected(slack, Ear(), shelf) as adapter:
        (call,) = adapter.render(address(slack, slack.customer().dm.id), Reply("", pictures=(shelf.put(picture()),)))
        for url in ("http://127.0.0.1:9/upload", "https://slack.com.evil.example/x", "file:///etc/passwd", "x y", ""):
            with pytest.raises(Refused, match="address"):
                await _upload_to(adapter, url, call)


async def _upload_to(adapter: SlackAdapter, url: str, call: Call) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "upload_url": url, "file_id": "F0EVIL"})

    async with answering({"/api/files.getUploadURLExternal": answer}) as base:
        assert adapter._sender is not None
        client = Client("xoxb-1", f"{base}/api/")
        try:
            await Sender(client, adapter._sender._blob, Shares()).send(call)
        finally:
            await client.close()


# Busy


async def test_busy_shows_in_threads(slack: FakeSlack) -> None:
    ada, channel = slack.customer(), slack.channel()
    root = await ada.says("help", channel=channel)
    async with connected(slack, Ear()) as adapter:
        for where in (address(slack, channel.id, root.ts), address(slack, ada.dm.id)):
            assert await adapter.send(Call("busy", {"address": wire.dump(where)})) == Sent()
    assert [(room, thread) for room, thread, _ in slack.world.statuses] == [(channel.id, root.ts)]


@pytest.mark.parametrize("error", ["missing_scope", "invalid_thread_ts", "internal_error", "channel_not_found"])
async def test_busy_never_fails(slack: FakeSlack, error: str) -> None:
    where = address(slack, slack.channel().id, "1790000000.000100")
    busy = Call("busy", {"address": wire.dump(where)})
    async with connected(slack, Ear()) as adapter:
        slack.fail_next("assistant.threads.setStatus", error)
        slack.drop_next("assistant.threads.setStatus", after_effect=False)
        for _ in range(3):
            assert await adapter.send(busy) == Sent()
    # What needs another installation is not asked for again.
    assert len(slack.calls_of("assistant.threads.setStatus")) == (1 if error == "missing_scope" else 3)


# All else


async def test_only_rendered_calls_are_made(slack: FakeSlack) -> None:
    async with connected(slack, Ear()) as adapter:
        with pytest.raises(BadInput):
            await adapter.send(Call("chat.delete", {"channel": "D0", "ts": "1.2"}))


async def test_many_calls_at_once(slack: FakeSlack) -> None:
    people = [slack.customer(str(number)) for number in range(20)]
    async with connected(slack, Ear()) as adapter:
        await asyncio.gather(*(say(adapter, address(slack, one.dm.id), Reply("hi")) for one in people))
    assert all([one.shown for one in person.seen] == ["hi"] for person in people)
