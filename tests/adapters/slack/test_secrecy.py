"""Tokens are nowhere to be read: not in logs, errors or representations; nor is what people wrote."""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator

import pytest

from adapters.slack.adapter import SlackAdapter
from adapters.slack.client import Client
from adapters.slack.render import POST, UPLOAD
from core.errors import PolydeskError, Retry
from core.values import Address, Attachment, AttachmentKind, InboundEvent, Reply
from tests.adapters.slack.stage import by_sockets, connected, hooked
from tests.adapters.stage import Ear, Shelf, picture
from tests.fakes.slack import FakeSlack

WORDS = "my very private words"


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(hurry=600) as platform:
        platform.events.patience = 0.5
        yield platform


async def _live(slack: FakeSlack, adapter: SlackAdapter, ear: Ear, shelf: Shelf) -> list[str]:
    """Everything an adapter does, well and badly; returns the tracebacks."""
    ada, said = slack.customer(), []
    await ada.says(WORDS)
    await ada.shares_photo(picture(), WORDS)
    await slack.settled()
    here = Address("slack", slack.world.team, ada.dm.id)
    upload, first = adapter.render(here, Reply(WORDS, pictures=(shelf.put(picture()),)))
    await adapter.send(upload)
    await adapter.send(first)
    for error in ("internal_error", "invalid_auth", "invalid_blocks", "missing_scope"):
        slack.fail_next(POST, error)
    slack.fail_next(POST, status=502)
    for method in (POST, UPLOAD, "files.getUploadURLExternal", "download", "files.info"):
        slack.drop_next(method, after_effect=False, times=2)
    photo = ear.heard[-1].attachments[0]
    gone = Attachment(AttachmentKind.PHOTO, ref="F0GONE")
    far = Attachment(AttachmentKind.PHOTO, ref="http://127.0.0.1:9/x.jpg")
    if adapter._sender is not None:
        adapter._sender._patience = 0.1
    # To different people, since a channel that was told to wait is left alone
    others = [Address("slack", slack.world.team, slack.customer().dm.id) for _ in range(8)]
    words = [call for other in others for call in adapter.render(other, Reply(WORDS))]
    shown = Reply("", pictures=(shelf.put(picture()),))
    pictures = [call for other in others[:4] for call in adapter.render(other, shown)]
    attempts = [adapter.send(call) for call in (*words, *pictures)]
    for attempt in [*attempts, *[adapter.fetch(file) for file in (photo, photo, gone, gone, far)]]:
        try:
            await attempt
        except PolydeskError as problem:
            said += [*traceback.format_exception(problem), repr(problem), str(problem)]
    await slack.settled()
    return [*said, repr(adapter), *(repr(part) for part in vars(adapter).values() if not isinstance(part, str))]


async def test_neither_logs_nor_errors_hold_a_token(
    slack: FakeSlack, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given that everything is logged that can be
    caplog.set_level(logging.DEBUG)
    ear, shelf, said = Ear(), Shelf(), []
    async with connected(slack, ear, shelf) as adapter:
        said += await _live(slack, adapter, ear, shelf)
        await slack.sockets.refresh()
        await slack.sockets.cut()
        slack.fail_next("apps.connections.open", "internal_error")
        await slack.until(lambda: slack.sockets.count == 1, 10)
    async with hooked(slack, ear, shelf) as (adapter, url):
        said += await _live(slack, adapter, ear, shelf)
        await slack.events.post(url, WORDS.encode(), "application/json", {"X-Slack-Signature": "v0=wrong"})
    written = "\n".join([caplog.text, *capsys.readouterr(), *said])
    assert "slack.running" in written and f"{POST}: " in written and "slack.reconnecting" in written
    for secret in (slack.bot_token, slack.app_token, slack.signing_secret):
        assert secret not in written
    for quoted in (WORDS, "/files-pri/", "/upload/", "ticket="):
        assert quoted not in written


async def test_a_bug_of_the_gateway_puts_no_words_into_the_log(
    slack: FakeSlack, capsys: pytest.CaptureFixture[str]
) -> None:
    ear, ada = Ear(), slack.customer()

    def bug(event: InboundEvent) -> None:
        raise ValueError(f"cannot store {event.text}")

    ear.trouble = bug
    async with connected(slack, ear):
        await ada.says(WORDS)
        await slack.settled()
    written = "".join(capsys.readouterr())
    assert "ValueError" in written and "in bug" in written
    assert WORDS not in written


async def test_a_wrong_token_is_not_repeated(slack: FakeSlack) -> None:
    for options in ({"app_token": "xapp-verywrong"}, {"api_url": "http://127.0.0.1:9/api/"}):
        adapter = by_sockets(slack, **options)
        with pytest.raises(PolydeskError) as caught:
            await adapter.checked()
        written = "".join([*traceback.format_exception(caught.value), repr(adapter)])
        assert "verywrong" not in written and slack.bot_token not in written


async def test_the_address_of_a_socket_is_not_told(slack: FakeSlack) -> None:
    """It opens the door to whoever knows it."""
    slack.sockets.new_url = lambda: "ws://127.0.0.1:9/link/?ticket=secret"  # type: ignore[method-assign]
    with pytest.raises(Retry) as caught:
        async with connected(slack, Ear()):
            pass
    assert "ticket" not in "".join(traceback.format_exception(caught.value))


async def test_the_client_does_not_show_its_token() -> None:
    client = Client("xoxb-secret")
    assert "secret" not in repr(client)
    await client.close()


def test_importing_reads_no_environment_and_touches_no_logger() -> None:
    code = (
        "import os, logging\n"
        "os.environ.update(SLACK_BOT_TOKEN='xoxb-env', SLACK_SIGNING_SECRET='env', SLACK_CLIENT_ID='1',"
        " SLACK_CLIENT_SECRET='2')\n"
        "import adapters.slack.adapter as a\n"
        "assert logging.getLogger('slack_sdk').level == logging.getLogger('slack_bolt').level == 0\n"
        "adapter = a.SlackAdapter('xoxb-1', signing_secret='s', blob=bytes.fromhex)\n"
        "assert 'env' not in str(vars(adapter))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert done.stderr == done.stdout == ""
