"""The fake Slack answers slack_sdk's own client as Slack's Web API does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import ActionsBlock, ButtonElement, HeaderBlock, MarkdownBlock, SectionBlock
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import SCOPES, Customer, FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as server:
        yield server


@pytest.fixture
def client(slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[])


@pytest.fixture
def ada(slack: FakeSlack) -> Customer:
    return slack.customer("Ada", locale="de-DE")


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def actions(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(buttons)}


def button(text: str = "Yes", **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": text}, "action_id": "a", **more}


async def fetch(url: str, token: str) -> tuple[int, str, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers={"Authorization": f"Bearer {token}"}) as response,
    ):
        return response.status, response.content_type, await response.read()


async def test_auth_test_tells_the_scopes(slack: FakeSlack, client: AsyncWebClient) -> None:
    answer = await client.auth_test()
    assert answer["bot_id"] == slack.world.bot.bot_id and answer["team_id"] == slack.world.team
    assert set(answer.headers["X-OAuth-Scopes"].split(",")) == set(SCOPES)
    for token, error in (("xoxb-wrong", "invalid_auth"), ("", "not_authed")):
        with pytest.raises(SlackApiError, match=error):
            await AsyncWebClient(token=token, base_url=slack.api_url).auth_test()


async def test_posting_updating_and_deleting(slack: FakeSlack, client: AsyncWebClient, ada: Customer) -> None:
    channel = slack.channel("help")
    root = await ada.says("help!", channel=channel)
    blocks = [
        HeaderBlock(text="Hello"),
        SectionBlock(text="*bold*", accessory=ButtonElement(text="Open", action_id="open", value="1")),
        ActionsBlock(elements=[ButtonElement(text="Yes", action_id="yes", value="k")]),
    ]
    sent = await client.chat_postMessage(channel=channel.id, thread_ts=root.ts, text="Hello", blocks=blocks)
    heard = await ada.hears(channel=channel, thread_ts=root.ts)
    assert heard.shown == "Hello\n*bold*" and heard.buttons == ("Open", "Yes") and heard.text == "Hello"
    await client.chat_update(channel=channel.id, ts=sent["ts"], text="Bye", blocks=[])
    last = slack.seen(channel, root.ts)[-1]
    assert (last.text, last.shown, last.buttons, last.edited) == ("Bye", "Bye", (), True)
    await client.reactions_add(channel=channel.id, timestamp=root.ts, name="eyes")
    assert slack.seen(channel)[0].reactions == ("eyes",)
    with pytest.raises(SlackApiError, match="already_reacted"):
        await client.reactions_add(channel=channel.id, timestamp=root.ts, name="eyes")
    with pytest.raises(SlackApiError, match="cant_update_message"):
        await client.chat_update(channel=channel.id, ts=root.ts, text="x")
    with pytest.raises(SlackApiError, match="cant_delete_message"):
        await client.chat_delete(channel=channel.id, ts=root.ts)
    await client.chat_delete(channel=channel.id, ts=sent["ts"])
    assert len(slack.everything(channel)) == 1
    with pytest.raises(SlackApiError, match="message_not_found"):
        await client.chat_delete(channel=channel.id, ts=sent["ts"])


async def test_where_the_bot_may_post(slack: FakeSlack, client: AsyncWebClient, ada: Customer) -> None:
    cases = {"C0NOWHERE": "channel_not_found", slack.channel("out", bot_is_member=False).id: "not_in_channel"}
    for channel, error in cases.items():
        with pytest.raises(SlackApiError, match=error):
            await client.chat_postMessage(channel=channel, text="x")
    with pytest.raises(SlackApiError, match="cannot_reply_to_message"):
        await client.chat_postMessage(channel=ada.dm.id, text="x", thread_ts="1.2")
    slack.workspace.scopes.discard("chat:write")
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel=ada.dm.id, text="x")
    assert refused.value.response["error"] == "missing_scope" and refused.value.response["needed"] == "chat:write"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"text": " "}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "blocks": [section("y")] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("y" * 3001)]}, "must be less than 3001 characters"),
        ({"text": "x", "blocks": [section("")]}, "must be more than 0 characters"),
        ({"text": "x", "blocks": [section("y" * 3000)] * 5}, "msg_blocks_too_long"),
        ({"text": "x", "blocks": [{"type": "markdown", "text": "y" * 12_001}]}, "cannot exceed 12000 characters"),
        ({"text": "x", "blocks": [actions(button("y" * 76))]}, "must be less than 76 characters"),
        ({"text": "x", "blocks": [actions(button(value="v" * 2001))]}, "must be less than 2001 characters"),
        ({"text": "x", "blocks": [actions(button(action_id="i" * 256))]}, "must be less than 256 characters"),
        ({"text": "x", "blocks": [actions(*[button(action_id=str(n)) for n in range(26)])]}, "no more than 25 items"),
        ({"text": "x", "blocks": [actions(button(), button())]}, "`action_id` already exists"),
        ({"text": "x", "blocks": [actions()]}, "no less than 1 items"),
        ({"text": "x", "blocks": [{"type": "poem"}]}, "unsupported type: poem"),
        ({"text": "x", "blocks": [{**section("y"), "colour": "red"}]}, "additional property: colour"),
        ({"text": "x", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "y"}}]}, "unsupported type"),
    ],
)
async def test_limits(client: AsyncWebClient, ada: Customer, arguments: dict[str, Any], error: str) -> None:
    with pytest.raises(SlackApiError, match=error):
        # The client's own method would warn about the empty text before Slack sees it
        await client.api_call("chat.postMessage", json={"channel": ada.dm.id, **arguments})
    assert ada.seen == []


async def test_what_just_fits(client: AsyncWebClient, ada: Customer) -> None:
    await client.chat_postMessage(channel=ada.dm.id, text="x" * 40_000)
    await client.chat_postMessage(channel=ada.dm.id, text="x", blocks=[section("y" * 3000)] * 4)
    await client.chat_postMessage(channel=ada.dm.id, text="x", blocks=[MarkdownBlock(text="**y**" * 2400)])
    await client.chat_postMessage(
        channel=ada.dm.id,
        text="x",
        blocks=[actions(*[button("y" * 75, action_id=str(n), value="v" * 2000) for n in range(25)])],
    )
    assert len(ada.seen) == 4


async def test_histories_and_threads(slack: FakeSlack, client: AsyncWebClient, ada: Customer) -> None:
    posts = [await ada.says(str(number)) for number in range(5)]
    metadata = {"event_type": "polydesk", "event_payload": {"row": "7"}}
    reply = await client.chat_postMessage(channel=ada.dm.id, text="re", thread_ts=posts[1].ts, metadata=metadata)
    newest = await client.conversations_history(channel=ada.dm.id, limit=2)
    assert [one["text"] for one in newest["messages"]] == ["4", "3"] and newest["has_more"]
    cursor = newest["response_metadata"]["next_cursor"]
    older = await client.conversations_history(channel=ada.dm.id, limit=3, cursor=cursor)
    assert [one["text"] for one in older["messages"]] == ["2", "1", "0"] and older["messages"][1]["reply_count"] == 1
    since = await client.conversations_history(channel=ada.dm.id, oldest=posts[3].ts)
    assert [one["text"] for one in since["messages"]] == ["4"]
    # A thread is read from its root or from any reply
    for ts in (posts[1].ts, reply["ts"]):
        thread = await client.conversations_replies(channel=ada.dm.id, ts=ts, include_all_metadata=True)
        assert [one["text"] for one in thread["messages"]] == ["1", "re"]
        assert thread["messages"][1]["metadata"] == metadata
    assert "metadata" not in (await client.conversations_replies(channel=ada.dm.id, ts=posts[1].ts))["messages"][1]
    with pytest.raises(SlackApiError, match="thread_not_found"):
        await client.conversations_replies(channel=ada.dm.id, ts="1.2")


async def test_people_rooms_homes_and_statuses(slack: FakeSlack, client: AsyncWebClient, ada: Customer) -> None:
    user = (await client.users_info(user=ada.id, include_locale=True))["user"]
    assert user["real_name"] == "Ada" and user["locale"] == "de-DE"
    assert (await client.bots_info(bot=slack.world.bot.bot_id))["bot"]["app_id"] == slack.world.app_id
    with pytest.raises(SlackApiError, match="missing_scope"):
        await client.conversations_open(users=ada.id)
    slack.workspace.scopes.update(("im:write", "im:read"))
    assert (await client.conversations_open(users=ada.id))["channel"]["id"] == ada.dm.id
    assert (await client.conversations_info(channel=ada.dm.id))["channel"]["user"] == ada.id
    await client.views_publish(user_id=ada.id, view={"type": "home", "blocks": [section("Hi")]})
    assert slack.world.homes[ada.id]["blocks"][0]["text"]["text"] == "Hi"
    post = await ada.says("hm")
    await client.assistant_threads_setStatus(channel_id=ada.dm.id, thread_ts=post.ts, status="is looking")
    assert slack.world.statuses == [(ada.dm.id, post.ts, "is looking")]
    with pytest.raises(SlackApiError, match="user_not_found"):
        await client.users_info(user="U0NOBODY")


async def test_files_go_both_ways(slack: FakeSlack, client: AsyncWebClient, ada: Customer) -> None:
    post = await ada.shares_photo(b"\xff\xd8jpeg", "broken")
    clip = await ada.shares_clip(b"mp4", seconds=2, transcript="hello")
    linked = await ada.shares_photo(b"other", connect=True)
    shown = (await client.conversations_history(channel=ada.dm.id))["messages"]
    assert [one["subtype"] for one in shown] == ["file_share"] * 3
    assert shown[0]["files"][0].keys() == {"id", "created", "timestamp", "file_access", "mode"}
    assert (await client.files_info(file=linked.files[0].id))["file"]["mimetype"] == "image/jpeg"
    voice = shown[1]["files"][0]
    assert (voice["subtype"], voice["mimetype"], voice["name"]) == ("slack_audio", "video/mp4", "audio_message.mp4")
    assert voice["transcription"]["preview"]["content"] == "hello" and voice["id"] == clip.files[0].id
    photo = shown[2]["files"][0]
    assert shown[2]["text"] == "broken" and photo["id"] == post.files[0].id
    assert await fetch(photo["url_private_download"], slack.bot_token) == (200, "image/jpeg", b"\xff\xd8jpeg")
    # Without the scope, or with another token, comes a login page that claims to be fine
    status, kind, page = await fetch(photo["url_private"], "xoxb-wrong")
    assert (status, kind) == (200, "text/html") and b"Login | Slack" in page
    slack.workspace.scopes.discard("files:read")
    assert (await fetch(photo["url_private"], slack.bot_token))[1] == "text/html"
    with pytest.raises(SlackApiError, match="missing_scope"):
        await client.files_info(file=post.files[0].id)


async def test_uploads_appear_after_the_call(slack: FakeSlack, client: AsyncWebClient, ada: Customer) -> None:
    slack.workspace.upload_delay = 0.2
    await client.files_upload_v2(channel=ada.dm.id, content=b"PNG", filename="cup.png", initial_comment="Look")
    assert ada.seen == []
    heard = await ada.hears("Look")
    assert heard.files == (b"PNG",)
    with pytest.raises(SlackApiError, match="file_not_found"):
        await client.files_completeUploadExternal(files=[{"id": "F0NONE"}], channel_id=ada.dm.id)


async def test_planned_accidents_and_rate_limits(slack: FakeSlack, client: AsyncWebClient, ada: Customer) -> None:
    slack.fail_next("chat.postMessage", retry_after=30)
    with pytest.raises(SlackApiError) as throttled:
        await client.chat_postMessage(channel=ada.dm.id, text="a")
    assert throttled.value.response.status_code == 429
    assert throttled.value.response.headers["Retry-After"] == "30" and "ratelimited" in str(throttled.value)
    slack.fail_next("*", "fatal_error")
    with pytest.raises(SlackApiError, match="fatal_error"):
        await client.chat_postMessage(channel=ada.dm.id, text="b")
    slack.drop_next("chat.postMessage", after_effect=False)
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=ada.dm.id, text="c")
    slack.drop_next("chat.postMessage", after_effect=True)
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=ada.dm.id, text="d")
    assert [one.text for one in ada.seen] == ["d"]
    slack.limit()
    await client.chat_postMessage(channel=ada.dm.id, text="e")
    with pytest.raises(SlackApiError, match="ratelimited"):
        await client.chat_postMessage(channel=ada.dm.id, text="f")


async def test_the_sdk_repeats_a_post_whose_connection_broke_unless_told_not_to(
    slack: FakeSlack, ada: Customer
) -> None:
    # slack_sdk's default retries would say it twice; this fixes what an adapter has to switch off
    slack.drop_next("chat.postMessage", after_effect=True)
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    await client.chat_postMessage(channel=ada.dm.id, text="once")
    assert [one.text for one in ada.seen] == ["once", "once"]


async def test_what_slack_would_swallow_is_a_complaint(ada: Customer) -> None:
    async with FakeSlack(strict=False) as slack:
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        bob = slack.customer("Bob")
        root = await bob.says("root")
        reply = await bob.says("reply", thread_ts=root.ts)
        await client.chat_postMessage(channel=bob.dm.id, text="x", colour="red")
        await client.chat_postMessage(channel=bob.dm.id, text="x", thread_ts=reply.ts)
        with pytest.raises(SlackApiError, match="unknown_method"):
            await client.api_call("chat.scheduleMessage", json={"channel": bob.dm.id, "text": "x", "post_at": 1})
        with pytest.raises(SlackApiError, match="unknown_method"):
            await client.api_call("chat.teleport")
        assert len(slack.complaints) == 3
    with pytest.raises(AssertionError, match="thread_ts is a reply's ts"):
        async with FakeSlack() as strict:
            strict.complain("chat.postMessage: thread_ts is a reply's ts, not the root's")


async def test_markdown_text_stands_alone(client: AsyncWebClient, ada: Customer) -> None:
    sent = await client.chat_postMessage(channel=ada.dm.id, markdown_text="**hi**")
    assert (await ada.hears()).text == "**hi**"
    for more in ({"text": "x"}, {"blocks": [section("y")]}):
        with pytest.raises(SlackApiError, match="markdown_text_conflict"):
            await client.chat_postMessage(channel=ada.dm.id, markdown_text="**hi**", **more)
    with pytest.raises(SlackApiError, match="msg_too_long"):
        await client.chat_postMessage(channel=ada.dm.id, markdown_text="y" * 12_001)
    await client.chat_update(channel=ada.dm.id, ts=sent["ts"], text="changed")
    assert (await ada.sees("changed")).edited
    await ada.hears_nothing(0.05)
