"""Calls that Slack refuses, or whose outcome nobody knows."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from adapters.slack.client import Client
from adapters.slack.render import POST, UPDATE
from adapters.slack.sending import Sender, Shares
from core.errors import Broken, OutcomeUnknown, PolydeskError, Refused, Retry, Throttled
from core.values import Address, Call, Choice, Reply, Sent
from tests.adapters.slack.stage import address, answering, by_sockets, connected
from tests.adapters.stage import Ear, Shelf, picture
from tests.fakes.slack import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as platform:
        yield platform


@asynccontextmanager
async def sending(slack: FakeSlack) -> AsyncIterator[tuple[Sender, Address]]:
    """A sender of its own, and somewhere to send to."""
    client = Client(slack.bot_token, slack.api_url, patience=1.0)
    try:
        yield Sender(client, Shelf(), Shares()), address(slack, slack.customer().dm.id)
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("channel_not_found", Refused),
        ("not_in_channel", Refused),
        ("is_archived", Refused),
        ("account_inactive", Refused),
        ("msg_blocks_too_long", Refused),
        ("invalid_blocks", Refused),
        ("restricted_action", Refused),
        ("an_error_of_2031", Refused),
        ("invalid_auth", Broken),
        ("token_revoked", Broken),
        ("missing_scope", Broken),
        ("service_unavailable", Retry),
        ("internal_error", OutcomeUnknown),
        ("fatal_error", OutcomeUnknown),
        ("ratelimited", Throttled),
    ],
)
async def test_errors_say_what_to_do(slack: FakeSlack, error: str, kind: type[PolydeskError]) -> None:
    async with sending(slack) as (sender, where):
        slack.fail_next(POST, error)
        with pytest.raises(PolydeskError) as caught:
            await sender.send(Call(POST, {"channel": where.chat, "text": "x", "blocks": []}))
    assert isinstance(caught.value, kind)
    assert isinstance(caught.value, Throttled) == (kind is Throttled)


async def test_edits_may_be_made_twice(slack: FakeSlack) -> None:
    async with sending(slack) as (sender, where):
        slack.fail_next(UPDATE, "internal_error")
        slack.drop_next(UPDATE, after_effect=True)
        for _ in range(2):
            with pytest.raises(Retry):
                await sender.send(Call(UPDATE, {"channel": where.chat, "ts": "1.2", "text": "x", "blocks": []}))


async def test_slack_says_how_long_to_wait(slack: FakeSlack) -> None:
    async with sending(slack) as (sender, where):
        say_it = Call(POST, {"channel": where.chat, "text": "x", "blocks": []})
        slack.fail_next(POST, retry_after=22)
        with pytest.raises(Throttled) as caught:
            await sender.send(say_it)
        assert caught.value.after == 22
        # What Slack told us is kept to without asking again; another channel is free
        with pytest.raises(Throttled, match="our turn"):
            await sender.send(say_it)
        say_it = Call(POST, {"channel": slack.customer().dm.id, "text": "x", "blocks": []})
        slack.limit(1)
        outcomes = [await _outcome(sender, say_it) for _ in range(3)]
    assert outcomes == ["Sent", "Throttled", "Throttled"]


async def _outcome(sender: Sender, call: Call) -> str:
    try:
        return type(await sender.send(call)).__name__
    except PolydeskError as problem:
        return type(problem).__name__


async def test_a_connection_that_broke_leaves_the_outcome_open(slack: FakeSlack) -> None:
    async with sending(slack) as (sender, where):
        for after_effect in (True, False):
            slack.drop_next(POST, after_effect=after_effect)
            with pytest.raises(OutcomeUnknown):
                await sender.send(Call(POST, {"channel": where.chat, "text": str(after_effect), "blocks": []}))
    assert [post.text for post in slack.world.rooms[where.chat].posts.values()] == ["True"]
    assert len(slack.calls_of(POST)) == 2  # the SDK makes no second attempt of its own


async def test_an_answer_that_does_not_come_leaves_the_outcome_open(slack: FakeSlack) -> None:
    async with sending(slack) as (sender, where):
        slack.slow_next(POST, 4.0)
        with pytest.raises(OutcomeUnknown):
            await sender.send(Call(POST, {"channel": where.chat, "text": "slow", "blocks": []}))


async def test_what_never_left_may_be_sent_again() -> None:
    client = Client("xoxb-1", "http://127.0.0.1:9/api/")
    with pytest.raises(Retry) as caught:
        await client.call(POST, {"channel": "D0", "text": "x"})
    await client.close()
    assert not isinstance(caught.value, Throttled)


@pytest.mark.parametrize(
    ("status", "kind", "text", "expected"),
    [
        (502, "text/html", "<html>bad gateway</html>", OutcomeUnknown),
        (503, "text/html", "<html>unavailable</html>", Retry),
        (429, "text/html", "<html>slow down</html>", Throttled),
        (200, "text/html", "<html>a portal</html>", Broken),
        (404, "text/plain", "not found", Broken),
        (200, "application/json", "[]", Broken),
        (200, "application/json", "[1]", Broken),
        (200, "application/json", "7", Broken),
        (200, "application/json", "{", Broken),
        (200, "application/json", "{}", Broken),
        (200, "application/gzip", "x", Broken),
    ],
)
async def test_what_is_no_answer_of_slacks(status: int, kind: str, text: str, expected: type[PolydeskError]) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text=text, status=status, content_type=kind)

    async with answering({"/api/{method}": page}) as base:
        client = Client("xoxb-1", f"{base}/api/")
        try:
            with pytest.raises(expected):
                await client.call(POST, {"text": "x"})
        finally:
            await client.close()


async def test_a_closed_adapter_asks_to_wait(slack: FakeSlack) -> None:
    adapter = by_sockets(slack)
    with pytest.raises(Retry):
        await adapter.send(Call(POST, {"channel": "D0", "text": "x"}))


# Looking for what may have arrived


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("arrived", [False, True])
async def test_a_message_whose_sending_broke_off_is_looked_for(
    slack: FakeSlack, arrived: bool, in_thread: bool
) -> None:
    ada = slack.customer()
    thread = (await ada.says("hello?")).ts if in_thread else ""
    where = address(slack, ada.dm.id, thread)
    began = time.time_ns() // 1_000_000
    async with connected(slack, Ear()) as adapter:
        (call,) = adapter.render(where, Reply("found?", (Choice("k-1", "Yes"),)))
        call = replace(call, key="row-1")
        slack.drop_next(POST, after_effect=arrived)
        with pytest.raises(OutcomeUnknown) as broken:
            await adapter.send(call)
        assert broken.value.readable
        again = await adapter.send(replace(call, since=began))
        third = await adapter.send(replace(call, since=began))
        where_from = {"channel": ada.dm.id, "ts": thread} if in_thread else {"channel": ada.dm.id}
        client = Client(slack.bot_token, slack.api_url)
        page = await client.call(f"conversations.{'replies' if in_thread else 'history'}", where_from)
        await client.close()
    (shown,) = [one for one in page["messages"] if one["text"] == "found?"]
    assert again == third == Sent(shown["ts"])


async def test_pictures_that_may_have_arrived_are_not_sent_again(slack: FakeSlack) -> None:
    ada, shelf = slack.customer(), Shelf()
    async with connected(slack, Ear(), shelf) as adapter:
        (call,) = adapter.render(address(slack, ada.dm.id), Reply("", pictures=(shelf.put(picture()),)))
        with pytest.raises(OutcomeUnknown):
            await adapter.send(replace(call, key="row-1", since=1))
    assert not ada.seen


async def test_a_message_far_back_is_found(slack: FakeSlack) -> None:
    ada = slack.customer()
    where = address(slack, ada.dm.id)
    async with connected(slack, Ear()) as adapter:
        (call,) = adapter.render(where, Reply("first"))
        sent = await adapter.send(replace(call, key="row-1"))
        for number in range(130):
            await ada.says(f"more {number}")
        assert await adapter.send(replace(call, key="row-1", since=time.time_ns() // 1_000_000)) == sent


async def test_what_cannot_be_looked_for_is_not_sent_again(slack: FakeSlack) -> None:
    ada = slack.customer()
    slack.workspace.scopes.discard("im:history")
    async with connected(slack, Ear()) as adapter:
        (call,) = adapter.render(address(slack, ada.dm.id), Reply("again?"))
        with pytest.raises(OutcomeUnknown) as unknown:
            await adapter.send(replace(call, key="row-1", since=1))
    assert not unknown.value.readable
    assert not ada.seen
