"""The manifest asks for what the code uses, and for nothing else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

import adapters.slack
from adapters.slack.scopes import Scopes, compared, manifest_scopes
from core.errors import Broken, Retry
from core.values import Address, Choice, Reply
from tests.adapters.slack.stage import by_http, by_sockets, connected
from tests.adapters.stage import Ear, Shelf, picture
from tests.fakes.slack import FakeSlack

MANIFEST: dict[str, Any] = yaml.safe_load(files("adapters.slack").joinpath("manifest.yaml").read_text("utf-8"))
METHODS = {
    # what the code calls -> the scope that it needs: https://docs.slack.dev/reference/methods
    "apps.connections.open": "",
    "assistant.threads.setStatus": "chat:write",
    "auth.test": "",
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "files.completeUploadExternal": "files:write",
    "files.getUploadURLExternal": "files:write",
    "files.info": "files:read",
    "users.info": "users:read",
}
EVENTS = {
    # what the code understands -> the scope that lets Slack tell: https://docs.slack.dev/reference/events
    "app_mention": "app_mentions:read",
    "app_uninstalled": "",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "tokens_revoked": "",
}


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(scopes=manifest_scopes(), subscriptions=EVENTS) as platform:
        yield platform


def test_every_method_in_the_code_is_known() -> None:
    home = Path(adapters.slack.__file__ or "").parent
    method = re.compile(r'"((?:apps|assistant|auth|chat|conversations|files|reactions|users|views)\.[a-zA-Z.]+)"')
    assert {name for file in home.glob("*.py") for name in method.findall(file.read_text())} == set(METHODS)


def test_the_manifest_asks_for_what_is_used() -> None:
    assert manifest_scopes() == {scope for scope in [*METHODS.values(), *EVENTS.values()] if scope}
    settings = MANIFEST["settings"]
    assert set(settings["event_subscriptions"]["bot_events"]) == set(EVENTS)
    assert settings["socket_mode_enabled"] is True and settings["interactivity"]["is_enabled"] is True
    assert settings["token_rotation_enabled"] is False  # we keep no refresh tokens


def test_the_manifest_lets_customers_write_to_the_bot() -> None:
    home = MANIFEST["features"]["app_home"]
    assert home["messages_tab_enabled"] is True and home["messages_tab_read_only_enabled"] is False
    assert MANIFEST["features"]["bot_user"]["always_online"] is True
    assert len(MANIFEST["display_information"]["name"]) <= 35
    assert len(MANIFEST["display_information"]["description"]) <= 140


async def test_the_manifest_is_enough(slack: FakeSlack) -> None:
    """Everything the adapter does works with these scopes and events, and with the fewest of them."""
    ear, ada, channel, shelf = Ear(), slack.customer("Ada"), slack.channel(private=True), Shelf()
    slack.channel("public")
    async with connected(slack, ear, shelf) as adapter:
        assert await adapter.checked()
        await ada.shares_photo(picture())
        root = await ada.mentions("hi", channel=channel)
        await slack.settled()
        assert await adapter.fetch(ear.heard[0].attachments[0]) == picture()
        where = Address("slack", slack.world.team, channel.id, root.ts)
        for call in adapter.render(where, Reply("so?", (Choice("k", "Yes"),), (shelf.put(picture()),))):
            receipt = await adapter.send(call)
        for call in adapter.render(where, Reply("so!", edits=receipt.message)):
            await adapter.send(call)
    assert ear.heard[0].author.name == "Ada"
    assert not [call for call in slack.calls if call.answer.get("error") == "missing_scope"]
    used = {METHODS[call.method] for call in slack.calls if call.method in METHODS}
    assert used - {""} == {"chat:write", "files:write", "users:read"}


def test_granted_scopes_are_compared() -> None:
    found = compared(manifest_scopes() - {"files:read", "users:read"} | {"reactions:write"})
    assert found == Scopes(frozenset({"files:read", "users:read"}), frozenset({"reactions:write"}))
    with pytest.raises(Broken, match="files:read, users:read") as caught:
        found.told()
    assert "App Manifest" in str(caught.value)
    assert "reactions:write" in compared(manifest_scopes() | {"reactions:write"}).told()
    assert compared(manifest_scopes()).told() == "all scopes granted"


async def test_an_installation_is_checked(slack: FakeSlack) -> None:
    assert "Socket Mode, all scopes granted" in await by_sockets(slack).checked()
    assert "/slack/events, all scopes granted" in await by_http(slack).checked()
    assert slack.sockets.count == 0
    with pytest.raises(Broken, match="POLYDESK_SLACK_APP_TOKEN"):
        await by_sockets(slack, app_token="xapp-wrong").checked()
    with pytest.raises(Broken, match="POLYDESK_SLACK_SIGNING_SECRET"):
        await by_http(slack, signing_secret=None).checked()
    with pytest.raises(Retry):
        await by_http(slack, api_url="http://127.0.0.1:9/api/").checked()
    slack.workspace.scopes.discard("chat:write")
    with pytest.raises(Broken, match="chat:write"):
        await by_sockets(slack).checked()


async def test_it_runs_with_fewer_scopes_and_says_so(slack: FakeSlack, capsys: pytest.CaptureFixture[str]) -> None:
    slack.workspace.scopes.discard("users:read")
    ear, ada, bob = Ear(), slack.customer("Ada"), slack.customer("Bob")
    async with connected(slack, ear):
        await ada.says("hi")
        await bob.says("hi")
        await slack.settled()
    assert [event.author.name for event in ear.heard] == ["", ""]
    assert len(slack.calls_of("users.info")) <= 2
    assert "slack.scopes_missing" in "".join(capsys.readouterr())
