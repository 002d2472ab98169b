"""Receiving over HTTP from the fake Slack."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from adapters.slack.adapter import SlackAdapter
from adapters.slack.events import LARGEST_REQUEST
from core.errors import Broken, PolydeskError, Retry
from core.values import Choice, EventKind, InboundEvent, Reply
from tests.adapters.slack.stage import by_http, by_sockets, connected, hooked, served
from tests.adapters.stage import Ear, picture
from tests.fakes.slack import SIGNING_SECRET, FakeSlack

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
PAYLOADS = [json.loads(file.read_text("utf-8"))["payload"] for file in Path(__file__).parent.glob("payloads/*.json")]


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(hurry=600) as platform:
        yield platform


def message(slack: FakeSlack, **changes: Any) -> dict[str, Any]:
    event = {"type": "message", "user": "U0EVE", "text": "let me in", "ts": "1790000000.000100", "channel": "D0EVE"}
    return {"type": "event_callback", "team_id": slack.world.team, "event": {**event, **changes}, "event_id": "Ev0EVE"}


async def post(
    slack: FakeSlack, url: str, body: bytes, kind: str = JSON, **headers: str
) -> tuple[int, str, dict[str, str]]:
    return await slack.events.post(url, body, kind, headers)


async def test_events_are_heard_and_confirmed(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer("Ada")
    async with hooked(slack, ear):
        await ada.says("one")
        await ada.shares_photo(picture(), "two")
        await slack.settled()
    assert ear.texts == ["one", "two"]
    assert [one.outcome for one in slack.events.deliveries] == ["ok", "ok"]
    assert slack.calls_of("apps.connections.open") == []
    assert len(slack.calls_of("auth.test")) == 1  # at the start, and in no event's way


async def test_200_comes_only_after_the_commit(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    committed = asyncio.Event()
    ear.trouble = lambda event: committed.wait()
    async with hooked(slack, ear):
        await ada.says("wait for it")
        await slack.until(lambda: ear.asked)
        await asyncio.sleep(0.1)
        assert slack.events.deliveries == []
        committed.set()
        await slack.settled()
    assert ear.texts == ["wait for it"]


async def test_what_could_not_be_committed_is_delivered_again(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    troubles = iter([Retry("the database is locked", 30.0), ZeroDivisionError()])

    def stumble(event: InboundEvent) -> None:
        if trouble := next(troubles, None):
            raise trouble

    ear.trouble = stumble
    async with hooked(slack, ear):
        await ada.says("do not lose me")
        await slack.settled()
    assert ear.texts == ["do not lose me"]
    assert [one.outcome for one in slack.events.deliveries] == ["http_error", "http_error", "ok"]


@pytest.mark.parametrize(
    ("trouble", "after"), [(Retry("the disk is full", 7.2), "8"), (Broken("the database failed"), "5")]
)
async def test_what_cannot_be_committed_is_answered_with_503(
    slack: FakeSlack, trouble: PolydeskError, after: str
) -> None:
    ear = Ear()

    def full(event: InboundEvent) -> None:
        raise trouble

    ear.trouble = full
    async with hooked(slack, ear) as (_adapter, url):
        status, _text, headers = await post(slack, url, json.dumps(message(slack)).encode())
    assert (status, headers["retry-after"]) == (503, after)


async def test_a_retry_is_as_good_as_the_first_delivery(slack: FakeSlack) -> None:
    """The first three deliveries were lost; the last one is the only one we ever see."""
    ear, ada = Ear(), slack.customer()
    async with hooked(slack, ear):
        slack.lose_next(3)
        await ada.says("hello?")
        await slack.settled()
    assert ear.texts == ["hello?"]


async def test_the_same_event_four_times_has_one_id(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    async with hooked(slack, ear):
        slack.ignore_acks(3)
        await ada.says("once")
        await slack.settled()
    assert len(ear.heard) == 4 and len({event.id for event in ear.heard}) == 1


async def test_over_http_and_over_a_socket_an_event_is_the_same(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    async with hooked(slack, ear):
        await ada.says("once")
        await slack.settled()
    slack.events.url = ""
    async with connected(slack, ear):
        slack.redeliver(next(iter(slack.events.log)))
        await slack.settled()
    assert len(ear.heard) == 2 and len(set(ear.heard)) == 1


async def test_a_mention_has_one_id_though_it_comes_as_two_events(slack: FakeSlack) -> None:
    ear, ada, channel = Ear(), slack.customer(), slack.channel(private=True)
    async with hooked(slack, ear):
        await ada.mentions("where is my order?", channel=channel)
        await slack.settled()
    assert len(ear.heard) == 2 and len(set(ear.heard)) == 1


async def test_edits_deletions_and_previews(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    async with hooked(slack, ear):
        written = await ada.says("see https://a.example")
        await slack.settled()
        await ada.unfurls(written)
        await slack.settled()
        assert len(ear.heard) == 1
        await ada.edits(written, "see https://b.example")
        await slack.settled()
        await ada.deletes(written)
        await slack.settled()
    assert [(event.kind, event.text) for event in ear.heard] == [
        (EventKind.CREATED, "see https://a.example"),
        (EventKind.EDITED, "see https://b.example"),
        (EventKind.DELETED, ""),
    ]
    assert len({event.id for event in ear.heard}) == 3
    assert {event.message for event in ear.heard} == {written.ts}
    assert len({event.address for event in ear.heard}) == 1


async def test_threads_of_channels_are_conversations(slack: FakeSlack) -> None:
    ear, ada, channel = Ear(), slack.customer(), slack.channel()
    async with hooked(slack, ear) as (adapter, _url):
        root = await ada.mentions("my tent leaks", channel=channel)
        await slack.settled()
        for call in adapter.render(ear.heard[0].address, Reply("Where?", (Choice("k", "Roof"),))):
            await adapter.send(call)
        await ada.says("at the seam", channel=channel, thread_ts=root.ts)
        await ada.says("lunch?", channel=channel)
        await ada.taps("Roof", channel=channel)
        await slack.settled()
        await slack.until(lambda: len(ear.heard) == 5)
    assert {event.address.thread for event in ear.heard if event.text != "lunch?"} == {root.ts}
    found = {event.text: event.addressed for event in ear.heard}
    assert found == {"my tent leaks": True, "at the seam": False, "lunch?": False, "Roof": True}
    (answer,) = [one for one in slack.seen(channel, root.ts) if one.by_bot]
    assert answer.thread_ts == root.ts


async def test_other_bots_and_ourselves_are_not_heard(slack: FakeSlack) -> None:
    ear, ada, bot, channel = Ear(), slack.customer(), slack.other_bot(), slack.channel()
    async with hooked(slack, ear) as (adapter, _url):
        await ada.says("hi")
        await bot.mentions("deployed", channel=channel)
        await slack.settled()
        for call in adapter.render(ear.heard[0].address, Reply("Hello!")):
            await adapter.send(call)
        await slack.settled()
    assert ear.texts == ["hi"]
    assert {one.outcome for one in slack.events.deliveries} == {"ok"}


async def test_taps_come_to_the_same_address(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    async with hooked(slack, ear) as (adapter, _url):
        await ada.says("hi")
        await slack.settled()
        for call in adapter.render(ear.heard[0].address, Reply("?", (Choice("a&b=c %+ü", "Yes & no"),))):
            receipt = await adapter.send(call)
        tap = await ada.taps("Yes & no")
        await slack.until(lambda: tap.acked is not None)
    assert tap.acked
    event = ear.heard[-1]
    assert (event.tap, event.text, event.message) == ("a&b=c %+ü", "Yes & no", receipt.message)


# At the gate


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Slack-Signature", "v0=" + "0" * 64),
        ("X-Slack-Signature", ""),
        ("X-Slack-Signature", "v0=ümlaut"),
        ("X-Slack-Request-Timestamp", "0"),
        pytest.param("X-Slack-Request-Timestamp", str(int(time.time()) - 301), id="too old"),
        pytest.param("X-Slack-Request-Timestamp", str(int(time.time()) + 7200), id="from the future"),
        ("X-Slack-Request-Timestamp", "soon"),
        ("X-Slack-Request-Timestamp", "9" * 400),
        ("X-Slack-Request-Timestamp", "9" * 5000),
    ],
)
async def test_a_wrong_signature_or_time_is_turned_away(slack: FakeSlack, name: str, value: str) -> None:
    ear = Ear()
    body = json.dumps(message(slack)).encode()
    async with hooked(slack, ear) as (_adapter, url):
        assert (await post(slack, url, body, JSON, **{name: value}))[0] == 401
        for kind in (JSON, FORM):
            signed = slack.events.signed(body, secret="another secret")
            assert (await post(slack, url, body, kind, **signed))[0] == 401
    assert ear.asked == []


async def test_a_wrong_signing_secret_is_told_once(slack: FakeSlack, capsys: pytest.CaptureFixture[str]) -> None:
    async with hooked(slack, Ear()) as (_adapter, url):
        for _ in range(3):
            await post(slack, url, b"{}", JSON, **slack.events.signed(b"{}", secret="another secret"))
    assert "".join(capsys.readouterr()).count("POLYDESK_SLACK_SIGNING_SECRET") == 1


async def test_a_replayed_request_is_turned_away_after_five_minutes(slack: FakeSlack) -> None:
    ear = Ear()
    body = json.dumps(message(slack)).encode()
    old = slack.events.signed(body, at=int(time.time()) - 310)
    recent = slack.events.signed(body, at=int(time.time()) - 290)
    async with hooked(slack, ear) as (_adapter, url):
        assert (await post(slack, url, body, JSON, **old))[0] == 401
        assert (await post(slack, url, body, JSON, **recent))[0] == 200
        # Another body under a good signature, or the signature under another time
        assert (await post(slack, url, body + b" ", JSON, **recent))[0] == 401
        moved = {**recent, "X-Slack-Request-Timestamp": str(int(time.time()))}
        assert (await post(slack, url, body, JSON, **moved))[0] == 401
    assert ear.texts == ["let me in"]


@pytest.mark.parametrize("missing", ["X-Slack-Signature", "X-Slack-Request-Timestamp"])
async def test_unsigned_requests_are_turned_away(slack: FakeSlack, missing: str) -> None:
    ear = Ear()
    body = json.dumps(message(slack)).encode()
    headers = {"Content-Type": JSON, **slack.events.signed(body)}
    del headers[missing]
    async with hooked(slack, ear) as (_adapter, url):
        async with slack.session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 401
        async with slack.session.get(url) as answer:
            assert answer.status == 405
    assert ear.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'"x"',
        b"\xff\xfe",
        b"payload=%7B",
        b"a=b",
        b"{" * 5000,
        b"[" * 5000,
        b'{"event": []}',
        b'{"event": 1}',
    ],
)
async def test_signed_nonsense_is_no_end(slack: FakeSlack, body: bytes) -> None:
    ear = Ear()
    async with hooked(slack, ear) as (_adapter, url):
        for kind in (JSON, FORM, "text/plain"):
            status, _text, _headers = await post(slack, url, body, kind)
            assert status in {200, 400, 401}, (kind, status)
        await slack.customer().says("still there")
        await slack.settled()
    assert ear.texts == ["still there"]


async def test_too_large_a_body_is_not_read(slack: FakeSlack) -> None:
    ear = Ear()
    body = json.dumps(message(slack, text="x" * LARGEST_REQUEST)).encode()
    largest = json.dumps(message(slack, text="&" * 40_000)).encode()
    async with hooked(slack, ear) as (_adapter, url):
        async with slack.session.post(url, data=io.BytesIO(body), headers=slack.events.signed(body)) as answer:
            assert answer.status == 413
        assert (await post(slack, url, largest))[0] == 200
    assert [len(event.text) for event in ear.heard] == [40_000]


async def test_every_payload_is_answered_with_200(slack: FakeSlack) -> None:
    """Slack stops sending to apps that answer too much of it with errors."""
    ear = Ear()
    async with hooked(slack, ear) as (_adapter, url):
        for payload in PAYLOADS:
            body, kind = json.dumps(payload).encode(), JSON
            if payload["type"] in {"block_actions", "view_submission", "message_action"}:
                body, kind = urlencode({"payload": json.dumps(payload)}).encode(), FORM
            assert (await post(slack, url, body, kind))[0] == 200, payload
    assert len(ear.heard) > 30


async def test_before_it_runs_only_the_address_is_confirmed(slack: FakeSlack) -> None:
    adapter = by_http(slack)
    async with served(adapter) as url:
        await slack.use_events_api(url)
        status, _text, headers = await post(slack, url, json.dumps(message(slack)).encode())
        assert (status, headers["retry-after"]) == (503, "5")
        ear = Ear()
        async with adapter.running(ear.hear):
            assert (await post(slack, url, json.dumps(message(slack)).encode()))[0] == 200
        assert (await post(slack, url, json.dumps(message(slack)).encode()))[0] == 503
    assert ear.texts == ["let me in"]


async def test_the_challenge_needs_a_signature_too(slack: FakeSlack) -> None:
    async with served(by_http(slack)) as url:
        body = json.dumps({"type": "url_verification", "challenge": "echo"}).encode()
        assert (await post(slack, url, body))[:2] == (200, '{"challenge": "echo"}')
        assert (await post(slack, url, body, JSON, **slack.events.signed(body, secret="x")))[0] == 401


async def test_which_way_events_come(slack: FakeSlack) -> None:
    assert by_sockets(slack).router is None
    assert by_sockets(slack, signing_secret=SIGNING_SECRET).router is None  # the app token decides
    assert by_http(slack).router is not None
    adapter = by_http(slack, signing_secret=" ")
    assert adapter.router is None
    with pytest.raises(Broken, match="POLYDESK_SLACK_SIGNING_SECRET") as caught:
        async with adapter.running(Ear().hear):
            pass
    assert "POLYDESK_SLACK_APP_TOKEN" in str(caught.value)


def test_an_adapter_is_built_without_a_loop_or_a_connection() -> None:
    adapter = SlackAdapter("xoxb-1", app_token="xapp-1", signing_secret=None, api_url=None, blob=bytes.fromhex)
    assert adapter.platform == "slack" and adapter.identity is None


async def test_what_slack_tells_about_the_app_is_logged(slack: FakeSlack, capsys: pytest.CaptureFixture[str]) -> None:
    ear = Ear()
    async with hooked(slack, ear):
        slack.throttle_events()
        slack.uninstall()
        await slack.settled()
    written = "".join(capsys.readouterr())
    assert "slack.events_dropped" in written and "install it again" in written and "revoked" in written
    assert ear.heard == []
