"""The fake Slack delivers events to Bolt as Slack does, over signed HTTP requests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import FakeSlack


@dataclass
class Door:
    """Bolt behind /slack/events; `statuses` are answered first without asking it, `pauses` are slept before."""

    app: AsyncApp
    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    taps: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], str]] = field(default_factory=list)
    statuses: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    async def enter(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        self.requests.append((dict(request.headers), body))
        if self.pauses:
            await asyncio.sleep(self.pauses.pop(0))
        if self.statuses:
            status, headers = self.statuses.pop(0)
            return web.Response(status=status, headers=headers)
        return await to_aiohttp_response(await self.app.async_dispatch(await to_bolt_request(request)))

    @property
    def retries(self) -> list[tuple[str, str]]:
        """X-Slack-Retry-Num and -Reason of each request."""
        names = ("X-Slack-Retry-Num", "X-Slack-Retry-Reason")
        return [(headers.get(names[0], ""), headers.get(names[1], "")) for headers, _ in self.requests]


def bolt(slack: FakeSlack) -> tuple[AsyncApp, Door]:
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    app = AsyncApp(client=client, signing_secret=slack.signing_secret)
    door = Door(app)

    async def keep(event: dict[str, Any]) -> None:
        door.events.append(event)

    for kind in ("message", "app_mention", "app_home_opened", "app_uninstalled", "tokens_revoked"):
        app.event(kind)(keep)

    @app.action("helped")
    async def tapped(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        door.taps.append(body)

    return app, door


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(hurry=600) as server:
        yield server


@pytest.fixture
async def door(slack: FakeSlack) -> AsyncIterator[Door]:
    _app, door = bolt(slack)
    site = web.Application()
    site.router.add_post("/slack/events", door.enter)
    runner = web.AppRunner(site, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    door.url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    await slack.use_events_api(door.url)
    door.requests.clear()
    yield door
    await runner.cleanup()


async def test_bolt_verifies_and_hears(slack: FakeSlack, door: Door) -> None:
    ada = slack.customer("Ada", locale="de-DE")
    post = await ada.says("Is 2 < 3 & so? See https://shop.example/x")
    await slack.until(lambda: door.events)
    event = door.events[0]
    assert event["text"] == "Is 2 &lt; 3 &amp; so? See <https://shop.example/x>"
    assert (event["channel_type"], event["user"], event["ts"]) == ("im", ada.id, post.ts)
    assert event["channel"] == ada.dm.id and "subtype" not in event
    # The answer, and our own message coming back as an event that Bolt ignores
    await door.app.client.chat_postMessage(channel=ada.dm.id, text="Yes.")
    assert (await ada.hears()).text == "Yes."
    await slack.settled()
    assert len(door.requests) == 2 and len(door.events) == 1
    assert json.loads(door.requests[1][1])["event"]["bot_id"] == slack.world.bot.bot_id


async def test_forged_and_stale_requests_are_not_slacks(slack: FakeSlack, door: Door) -> None:
    body = json.dumps({"type": "event_callback", "event": {"type": "message", "text": "x"}}).encode()
    async with aiohttp.ClientSession() as stranger:
        for headers in (
            slack.events.signed(body, secret="guessed"),
            slack.events.signed(body, at=int(time.time()) - 400),
            {},
        ):
            headers = {"Content-Type": "application/json", **headers}
            async with stranger.post(door.url, data=body, headers=headers) as response:
                assert response.status == 401
        honest = {"Content-Type": "application/json", **slack.events.signed(body)}
        async with stranger.post(door.url, data=body, headers=honest) as response:
            assert response.status == 200


async def test_an_unacknowledged_event_comes_four_times(slack: FakeSlack, door: Door) -> None:
    slack.ignore_acks(3)
    await slack.customer().says("hello")
    await slack.settled()
    assert door.retries == [("", ""), ("1", "http_timeout"), ("2", "http_timeout"), ("3", "http_timeout")]
    assert len({json.loads(body)["event_id"] for _, body in door.requests}) == 1
    assert len(door.events) == 4 and not slack.events.lost


async def test_errors_are_retried_unless_forbidden(slack: FakeSlack, door: Door) -> None:
    ada = slack.customer()
    door.statuses = [(500, {}), (503, {})]
    await ada.says("one")
    await slack.settled()
    assert door.retries == [("", ""), ("1", "http_error"), ("2", "http_error")]
    # Given the app forbids retries, a failure is final
    door.requests.clear()
    door.statuses = [(500, {"X-Slack-No-Retry": "1"})]
    await ada.says("two")
    await slack.settled()
    assert len(door.requests) == 1 and len(slack.events.lost) == 1
    # And after the last retry the event is gone
    door.statuses = [(500, {})] * 4
    await ada.says("three")
    await slack.settled()
    assert len(slack.events.lost) == 2 and [event["text"] for event in door.events] == ["one"]


async def test_a_slow_answer_is_not_waited_for(slack: FakeSlack, door: Door) -> None:
    slack.events.patience = 0.3
    door.pauses = [2.0]
    started = time.monotonic()
    await slack.customer().says("slow")
    await slack.until(lambda: len(door.requests) == 2)
    assert time.monotonic() - started < 2 and door.retries[1] == ("1", "http_timeout")
    await slack.settled()


async def test_only_a_retry_may_arrive(slack: FakeSlack, door: Door) -> None:
    slack.lose_next()
    await slack.customer().says("hello")
    await slack.settled()
    assert door.retries == [("1", "connection_failed")] and len(door.events) == 1


async def test_a_mention_is_two_events(slack: FakeSlack, door: Door) -> None:
    ada, channel = slack.customer(), slack.channel("help")
    await ada.says("chatting", channel=channel)
    post = await ada.mentions("where is my order?", channel=channel)
    await slack.settled()
    payloads = [json.loads(body) for _, body in door.requests]
    both = [one for one in payloads if one["event"]["ts"] == post.ts]
    assert sorted(one["event"]["type"] for one in both) == ["app_mention", "message"]
    assert both[0]["event_id"] != both[1]["event_id"]
    assert both[0]["event"]["text"] == f"<@{slack.world.bot.id}> where is my order?"
    # A channel without the bot in it tells nothing
    await ada.says("secret", channel=slack.channel("other", bot_is_member=False))
    assert slack.events.pending == 0


async def test_edits_unfurls_deletes_and_threads(slack: FakeSlack, door: Door) -> None:
    ada, channel = slack.customer(), slack.channel(private=True)
    root = await ada.says("whre", channel=channel)
    await ada.says("in here", channel=channel, thread_ts=root.ts)
    await ada.says("for all", channel=channel, thread_ts=root.ts, broadcast=True)
    await ada.edits(root, "where")
    await ada.unfurls(root)
    await ada.deletes(root)
    await slack.settled()
    events = sorted(door.events, key=lambda event: event["event_ts"])
    kinds = [event.get("subtype") for event in events]
    assert kinds == [None, None, "thread_broadcast", "message_changed", "message_changed", "message_deleted"]
    assert all(event["channel_type"] == "group" for event in events)
    assert events[1]["thread_ts"] == root.ts and events[1]["parent_user_id"] == ada.id
    assert events[3]["message"]["edited"] and events[3]["previous_message"]["text"] == "whre"
    assert events[4]["message"]["text"] == events[4]["previous_message"]["text"] == "where"
    assert events[5]["deleted_ts"] == root.ts
    assert [one.text for one in slack.seen(channel)] == ["for all"]
    assert [one.text for one in slack.seen(channel, root.ts)] == ["in here", "for all"]


async def test_duplicates_and_other_orders(slack: FakeSlack, door: Door) -> None:
    ada = slack.customer()
    slack.duplicate_next(3)
    await ada.says("thrice")
    await slack.settled()
    assert len(door.events) == 3
    with slack.held() as event_ids:
        await ada.says("a")
        await ada.says("b")
        event_ids.reverse()
    await slack.settled()
    assert [event["text"] for event in door.events[3:]] == ["b", "a"]
    slack.redeliver(next(iter(slack.events.log)))
    await slack.settled()
    assert door.events[-1]["text"] == "thrice"


async def test_taps_bring_a_response_url(slack: FakeSlack, door: Door) -> None:
    ada = slack.customer()
    button = {"type": "button", "text": {"type": "plain_text", "text": "Yes"}, "action_id": "helped", "value": "k1"}
    blocks = [{"type": "actions", "elements": [button]}]
    sent = await door.app.client.chat_postMessage(channel=ada.id, text="Did that help?", blocks=blocks)
    tap = await ada.taps("Yes")
    await slack.until(lambda: tap.acked)
    body = door.taps[0]
    assert body["actions"][0]["value"] == "k1" and body["container"]["message_ts"] == sent["ts"]
    async with aiohttp.ClientSession() as session:
        for use in range(5):
            answer = {"replace_original": True, "text": f"Thanks {use}"}
            async with session.post(body["response_url"], json=answer) as response:
                assert response.status == 200
        async with session.post(body["response_url"], json={"text": "once more"}) as response:
            assert response.status == 404 and (await response.json())["error"] == "used_url"
    assert [(one.text, one.buttons) for one in ada.seen] == [("Thanks 4", ())]
    with pytest.raises(AssertionError, match="no button 'Yes'"):
        await ada.taps("Yes")
    # An action that nobody listens to is not acknowledged
    other = [{"type": "actions", "elements": [{**button, "action_id": "unknown"}]}]
    await door.app.client.chat_postMessage(channel=ada.id, text="?", blocks=other)
    tap = await ada.taps("Yes")
    await slack.until(lambda: tap.acked is False)


async def test_home_other_bots_scopes_and_uninstalling(slack: FakeSlack, door: Door) -> None:
    ada, bot = slack.customer(), slack.other_bot()
    await ada.opens_home("messages")
    await bot.says("deployed", channel=slack.channel())
    await ada.joins(slack.channel("new"))
    await slack.settled()
    # Without channels:read nobody is told who joined
    assert sorted(event["type"] for event in door.events) == ["app_home_opened", "message"]
    assert next(event for event in door.events if event["type"] == "message")["bot_id"] == bot.person.bot_id
    slack.uninstall()
    await slack.settled()
    assert {event["type"] for event in door.events[2:]} == {"app_uninstalled", "tokens_revoked"}
    answer = await AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)._request(
        http_verb="POST",
        api_url=f"{slack.api_url}auth.test",
        req_args={"headers": {"Authorization": f"Bearer {slack.bot_token}"}},
    )
    assert answer["data"]["error"] == "account_inactive"


async def test_a_url_that_does_not_answer_the_challenge_is_refused(slack: FakeSlack) -> None:
    with pytest.raises(AssertionError, match="did not answer the challenge"):
        await slack.use_events_api(f"{slack.url}/nowhere")
