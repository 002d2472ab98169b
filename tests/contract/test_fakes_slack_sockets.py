"""The fake Slack delivers envelopes to Bolt's Socket Mode client as Slack does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import FakeSlack


@asynccontextmanager
async def listening(slack: FakeSlack, events: list[dict[str, Any]], **options: Any) -> AsyncIterator[AsyncApp]:
    """Bolt on a socket of its own; every message is kept with its retry headers."""
    app = AsyncApp(client=AsyncWebClient(token=slack.bot_token, base_url=slack.api_url))

    @app.event("message")
    async def keep(event: dict[str, Any], request: Any) -> None:
        events.append({**event, "retry": request.headers.get("x-slack-retry-num", [""])[0]})

    @app.action("helped")
    async def tapped(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        events.append(body)

    before = slack.sockets.count
    handler = AsyncSocketModeHandler(app, slack.app_token, ping_interval=0.3, **options)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    await slack.until(lambda: slack.sockets.count > before)
    try:
        yield app
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(hurry=600) as server:
        server.events.patience = 1.0
        yield server


async def test_events_and_taps_come_in_envelopes(slack: FakeSlack) -> None:
    ada = slack.customer()
    events: list[dict[str, Any]] = []
    async with listening(slack, events) as app:
        await ada.says("hello")
        await slack.settled()
        assert [event["text"] for event in events] == ["hello"] and events[0]["retry"] == "0"
        button = {"type": "button", "text": {"type": "plain_text", "text": "Yes"}, "action_id": "helped", "value": "k"}
        blocks = [{"type": "actions", "elements": [button]}]
        await app.client.chat_postMessage(channel=ada.id, text="Helped?", blocks=blocks)
        tap = await ada.taps("Yes")
        await slack.until(lambda: tap.acked)
        assert events[-1]["actions"][0]["value"] == "k"
        assert (await ada.hears()).buttons == ("Yes",)
    assert all(one.outcome == "ok" for one in slack.events.deliveries)


async def test_what_is_not_acknowledged_comes_again_in_a_new_envelope(slack: FakeSlack) -> None:
    events: list[dict[str, Any]] = []
    async with listening(slack, events):
        slack.ignore_acks(3)
        await slack.customer().says("hello")
        await slack.settled()
    assert [event["retry"] for event in events] == ["0", "1", "2", "3"]
    assert len({one.envelope for one in slack.events.deliveries}) == 4
    assert len({one.event_id for one in slack.events.deliveries}) == 1


async def test_an_event_that_finds_nobody_waits_for_the_next_connection(slack: FakeSlack) -> None:
    events: list[dict[str, Any]] = []
    await slack.customer().says("anybody?")
    async with listening(slack, events):
        await slack.settled()
    assert [event["text"] for event in events] == ["anybody?"]


async def test_each_event_goes_to_one_of_several_connections(slack: FakeSlack) -> None:
    ada = slack.customer()
    one: list[dict[str, Any]] = []
    two: list[dict[str, Any]] = []
    async with listening(slack, one), listening(slack, two):
        assert slack.sockets.count == 2
        for number in range(12):
            await ada.says(str(number))
        await slack.settled()
    assert one and two
    assert sorted(int(event["text"]) for event in [*one, *two]) == list(range(12))


async def test_connections_are_replaced_on_request_and_after_a_break(slack: FakeSlack) -> None:
    ada = slack.customer()
    events: list[dict[str, Any]] = []
    async with listening(slack, events):
        await slack.sockets.refresh()
        await slack.until(lambda: slack.sockets.count == 1)
        await ada.says("after the refresh")
        await slack.until(lambda: len(events) == 1)
        await slack.sockets.cut()
        await ada.says("during the break")
        await slack.until(lambda: slack.sockets.count == 1)
        await slack.settled()
    assert "during the break" in [event["text"] for event in events]
    assert len(slack.calls_of("apps.connections.open")) >= 3


async def test_more_than_ten_connections_are_turned_away(slack: FakeSlack) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(listening(slack, []))
        client = AsyncWebClient(token=slack.app_token, base_url=slack.api_url)
        url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
        async with slack.session.ws_connect(url) as socket:
            assert (await socket.receive_json())["reason"] == "too_many_websockets"
        # And an address is good for one connection only
        async with slack.session.get(url.replace("ws", "http", 1)) as response:
            assert response.status == 404


async def test_app_and_bot_tokens_are_not_interchangeable(slack: FakeSlack) -> None:
    client = AsyncWebClient(token=slack.app_token, base_url=slack.api_url)
    with pytest.raises(SlackApiError, match="not_allowed_token_type"):
        await client.auth_test()
    with pytest.raises(SlackApiError, match="not_allowed_token_type"):
        await client.apps_connections_open(app_token=slack.bot_token)
