"""Receiving by Socket Mode from the fake Slack."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from structlog.testing import capture_logs

from adapters.slack.adapter import SlackAdapter
from adapters.slack.client import Client
from adapters.slack.dispatch import Dispatch
from adapters.slack.sockets import Sockets
from core.errors import Broken, Retry
from core.values import AttachmentKind, Choice, EventKind, InboundEvent, Reply
from tests.adapters.slack.stage import by_sockets, connected, last_event_of
from tests.adapters.stage import Ear, picture
from tests.fakes.slack import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(hurry=600) as platform:
        platform.events.patience = 1.0
        yield platform


async def test_words_photos_and_taps_are_heard(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer("Ada", locale="de-DE")
    async with connected(slack, ear):
        await ada.says("5 < 7 & https://a.example")
        await ada.shares_photos([picture(), picture("blue")], "both broke")
        await ada.shares_clip(b"....", seconds=4.5)
        await slack.settled()
    words, photos, clip = ear.heard
    assert words.text == "5 < 7 & https://a.example"
    assert photos.text == "both broke" and [one.kind for one in photos.attachments] == [AttachmentKind.PHOTO] * 2
    assert [(one.kind, one.seconds, one.mime) for one in clip.attachments] == [(AttachmentKind.VOICE, 4.5, "audio/mp4")]
    assert {event.address.thread for event in ear.heard} == {""}
    assert {(event.author.name, event.author.language) for event in ear.heard} == {("Ada", "de-DE")}
    assert len(slack.calls_of("users.info")) == 1


async def test_the_same_event_four_times_has_one_id(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    async with connected(slack, ear):
        slack.ignore_acks(3)
        await ada.says("once")
        await slack.settled()
    assert len(ear.heard) == 4
    assert len({event.id for event in ear.heard}) == 1
    assert len({one.envelope for one in slack.events.deliveries}) == 4


async def test_a_mention_has_one_id_though_it_comes_as_two_events(slack: FakeSlack) -> None:
    ear, ada, channel = Ear(), slack.customer(), slack.channel()
    async with connected(slack, ear):
        post = await ada.mentions("where is my order?", channel=channel)
        await slack.settled()
    assert len(slack.events.log) == 2 and len({event.id for event in ear.heard}) == 1
    assert {(event.text, event.address.thread, event.addressed) for event in ear.heard} == {
        ("where is my order?", post.ts, True)
    }


async def test_an_event_is_acknowledged_only_after_the_commit(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    committed = asyncio.Event()
    ear.trouble = lambda event: committed.wait()
    async with connected(slack, ear):
        await ada.says("wait for it")
        await slack.until(lambda: ear.asked)
        await asyncio.sleep(0.1)
        assert slack.events.deliveries == []
        committed.set()
        await slack.settled()
    assert [one.outcome for one in slack.events.deliveries] == ["ok"]


async def test_what_cannot_be_committed_comes_again(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    troubles = iter([Retry("the database is locked", 30.0), ZeroDivisionError()])

    def stumble(event: InboundEvent) -> None:
        if trouble := next(troubles, None):
            raise trouble

    ear.trouble = stumble
    async with connected(slack, ear):
        await ada.says("do not lose me")
        await slack.settled()
    assert ear.texts == ["do not lose me"]
    assert [one.outcome for one in slack.events.deliveries] == ["timeout", "timeout", "ok"]


async def test_a_tap_which_slack_delivers_once_is_tried_for_as_long_as_slack_waits(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    async with connected(slack, ear) as adapter:
        await ada.says("hi")
        await slack.settled()
        where = ear.heard[0].address
        for call in adapter.render(where, Reply("?", (Choice("key-1", "Yes"),))):
            await adapter.send(call)
        troubles = iter([Retry("locked", 0.05)] * 4)

        def stumble(event: InboundEvent) -> None:
            if trouble := next(troubles, None):
                raise trouble

        ear.trouble = stumble
        tap = await ada.taps("Yes")
        await slack.until(lambda: tap.acked is not None)
    assert tap.acked
    assert (ear.heard[-1].kind, ear.heard[-1].tap, ear.heard[-1].text) == (EventKind.TAPPED, "key-1", "Yes")


async def test_what_one_person_writes_stays_in_order(slack: FakeSlack) -> None:
    ear, ada, bob = Ear(), slack.customer("Ada"), slack.customer("Bob")

    def slow(event: InboundEvent) -> object:
        return asyncio.sleep(0.3) if event.text == "first" else None

    ear.trouble = slow
    async with connected(slack, ear):
        for text in ("first", "second", "third"):
            await ada.says(text)
        await bob.says("beside")
        await slack.settled()
    assert ear.texts == ["beside", "first", "second", "third"]


async def test_nothing_is_lost_when_the_connection_is_replaced(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    async with connected(slack, ear):
        await ada.says("before")
        await slack.sockets.refresh(grace=0.5)
        await slack.until(lambda: slack.sockets.count == 1)
        await ada.says("after")
        await slack.sockets.refresh("warning")
        await slack.until(lambda: slack.sockets.count == 1)
        await ada.says("after the second")
        await slack.settled()
    assert sorted(set(ear.texts)) == ["after", "after the second", "before"]
    assert len(slack.calls_of("apps.connections.open")) == 3


async def test_a_broken_connection_is_made_anew(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    slack.events.patience = 3.0
    async with connected(slack, ear):
        await slack.sockets.cut()
        # Slack itself has trouble, too
        slack.fail_next("apps.connections.open", "internal_error")
        slack.fail_next("apps.connections.open", retry_after=1)
        await ada.says("anybody there?")
        await slack.until(lambda: slack.sockets.count == 1)
        await slack.settled()
    assert "anybody there?" in ear.texts


async def test_a_used_up_address_is_not_tried_again(slack: FakeSlack) -> None:
    """Each attempt asks for an address of its own."""
    client = Client(slack.bot_token, slack.api_url)
    sockets = Sockets(client, slack.app_token, Dispatch(), pause=0.05)
    async with sockets.connected():
        await slack.sockets.cut()
        await slack.until(lambda: slack.sockets.count == 1)
        await slack.sockets.cut()
        await slack.until(lambda: slack.sockets.count == 1)
    await client.close()
    assert len(slack.calls_of("apps.connections.open")) == 3


async def test_a_bug_does_not_leave_us_deaf(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given what nobody foresaw while connecting, then it is in the log, and another connection is made."""
    monkeypatch.setattr("adapters.slack.sockets.LONGEST_PAUSE", 0.05)
    words, asked = "what a customer wrote", 0

    class Stumbling(Client):
        async def socket_address(self, app_token: str) -> str:
            nonlocal asked
            asked += 1
            if asked == 2:
                raise KeyError(words)
            return await super().socket_address(app_token)

    client = Stumbling(slack.bot_token, slack.api_url)
    with capture_logs() as logged:
        async with Sockets(client, slack.app_token, Dispatch(), pause=0.05).connected():
            await slack.sockets.cut()
            await slack.until(lambda: slack.sockets.count == 1)
    await client.close()
    (told,) = [line for line in logged if line["event"] == "slack.connection_stumbled"]
    assert told["bug"] == "KeyError" and words not in str(told)


async def test_the_patience_for_calls_does_not_end_the_connection(slack: FakeSlack) -> None:
    client = Client(slack.bot_token, slack.api_url, patience=1.0)
    async with Sockets(client, slack.app_token, Dispatch()).connected():
        await asyncio.sleep(2.0)
        assert slack.sockets.count == 1
    await client.close()
    assert len(slack.calls_of("apps.connections.open")) == 1


async def test_what_is_being_heard_when_it_closes_is_heard_and_acknowledged(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    ear.trouble = lambda event: asyncio.sleep(0.3)
    async with connected(slack, ear):
        await ada.says("last words")
        await slack.until(lambda: ear.asked)
    assert ear.texts == ["last words"]
    await slack.settled()
    assert [one.outcome for one in slack.events.deliveries] == ["ok"]


async def test_what_is_no_event_is_acknowledged(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    async with connected(slack, ear):
        await ada.opens_home()
        await ada.joins(slack.channel())
        slack.throttle_events()
        _envelope, acknowledged = await slack.sockets.send("slash_commands", {"command": "/x", "text": "y"}, 1.0)
        await slack.settled()
    assert acknowledged and ear.heard == []
    assert {one.outcome for one in slack.events.deliveries} == {"ok"}


@pytest.mark.parametrize("token", ["xapp-wrong", "", "xapp-with space", "xapp-ümlaut"])
async def test_a_wrong_app_token_says_where_to_get_the_right_one(slack: FakeSlack, token: str) -> None:
    adapter = by_sockets(slack, app_token=token or None)
    with pytest.raises(Broken, match="POLYDESK_SLACK_APP_TOKEN") as caught:
        async with adapter.running(Ear().hear):
            pass
    assert "connections:write" in str(caught.value)
    assert slack.sockets.count == 0


async def test_a_bot_token_is_no_app_token(slack: FakeSlack) -> None:
    with pytest.raises(Broken, match="POLYDESK_SLACK_APP_TOKEN"):
        async with by_sockets(slack, app_token=slack.bot_token).running(Ear().hear):
            pass


@pytest.mark.parametrize(
    ("token", "error"), [("xoxb-wrong", ""), ("", ""), (None, "token_revoked"), (None, "account_inactive")]
)
async def test_a_wrong_bot_token_says_where_to_get_the_right_one(
    slack: FakeSlack, token: str | None, error: str
) -> None:
    slack.revoked = error
    adapter = SlackAdapter(
        slack.bot_token if token is None else token,
        app_token=slack.app_token,
        api_url=slack.api_url,
        blob=bytes.fromhex,
    )
    with pytest.raises(Broken, match="POLYDESK_SLACK_BOT_TOKEN") as caught:
        async with adapter.running(Ear().hear):
            pass
    assert "OAuth & Permissions" in str(caught.value)


async def test_slack_out_of_reach_is_worth_another_try(slack: FakeSlack) -> None:
    adapter = by_sockets(slack, api_url="http://127.0.0.1:9/api/")
    with pytest.raises(Retry, match="cannot be reached"):
        async with adapter.running(Ear().hear):
            pass
    slack.fail_next("apps.connections.open", "internal_error")
    with pytest.raises(Retry):
        async with by_sockets(slack).running(Ear().hear):
            pass


async def test_a_page_instead_of_slack_is_told(slack: FakeSlack) -> None:
    with pytest.raises(Broken, match="POLYDESK_SLACK_API_URL"):
        async with by_sockets(slack, api_url=f"{slack.url}/files-pri/").running(Ear().hear):
            pass
    for url in ("slack.com/api/", "http://[/api/", "ftp://slack.com/api/"):
        with pytest.raises(Broken, match="POLYDESK_SLACK_API_URL"):
            async with by_sockets(slack, api_url=url).running(Ear().hear):
                pass


async def test_too_many_programs_on_one_app_token_are_told(slack: FakeSlack) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(connected(slack, Ear()))
        with pytest.raises(Retry, match="each installation its own app"):
            async with connected(slack, Ear()):
                pass


async def test_another_program_on_the_same_app_token_is_told(
    slack: FakeSlack, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connected(slack, Ear()):
        await slack.sockets.refresh(grace=0.5)
        await slack.until(lambda: len(slack.calls_of("apps.connections.open")) == 2 and slack.sockets.count == 1)
        assert "slack.shared" not in "".join(capsys.readouterr())
        async with connected(slack, Ear()):
            assert "slack.shared" in "".join(capsys.readouterr())


async def test_the_adapter_works_again_after_it_stopped(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    adapter = by_sockets(slack)
    for text in ("one", "two"):
        async with adapter.running(ear.hear):
            await ada.says(text)
            await slack.settled()
    slack.redeliver(last_event_of(slack, ada))
    assert ear.texts == ["one", "two"]
    tasks = [
        task for task in asyncio.all_tasks() if "slack" in str(task.get_coro()) and "adapters" in str(task.get_coro())
    ]
    assert tasks == []


async def test_garbage_on_the_socket_is_no_end(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    async with connected(slack, ear):
        for socket in list(slack.sockets._open):
            await socket.send_str("no json")
            await socket.send_str("[1]")
            await socket.send_bytes(b"\x00")
            await socket.send_str('{"type": "events_api", "envelope_id": "x", "payload": {"team": 7, "event": []}}')
        await ada.says("still there")
        await slack.settled()
    assert ear.texts == ["still there"]


async def test_no_connection_is_left_open(slack: FakeSlack) -> None:
    """Not even when the start fails half-way."""
    before = {id(one) for one in _sessions()}
    slack.fail_next("apps.connections.open", "internal_error")
    with pytest.raises(Retry):
        async with connected(slack, Ear()):
            pass
    assert all(one.closed for one in _sessions() if id(one) not in before)


def _sessions() -> list[aiohttp.ClientSession]:
    # By its type: `isinstance` asks the object, and some objects of other libraries warn when they are asked.
    return [one for one in gc.get_objects() if issubclass(type(one), aiohttp.ClientSession)]
