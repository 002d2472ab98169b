"""The token is nowhere to be read: not in logs, errors or representations; nor is what people wrote."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from adapters.telegram.adapter import TelegramAdapter
from core.errors import PolydeskError
from core.values import Address, Attachment, AttachmentKind, Call, InboundEvent, Reply
from tests.adapters.stage import Ear
from tests.adapters.telegram.stage import connected, hooked
from tests.fakes.telegram import FakeTelegram

WORDS = "my very private words"


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram(hurry=50) as platform:
        yield platform


async def _live(telegram: FakeTelegram, adapter: TelegramAdapter, ear: Ear) -> list[str]:
    """Everything an adapter does, well and badly; returns the tracebacks."""
    ada, said = telegram.customer(), []
    await ada.says(WORDS)
    await ada.sends_voice(b"OggS")
    await telegram.settled()
    here = Address("telegram", "1", str(ada.id))
    (call,) = adapter.render(here, Reply(WORDS))
    await adapter.send(call)
    for fault in (500, 401, 404, 429, 400, 403):
        telegram.fail_next("sendMessage", fault, retry_after=1 if fault == 429 else None)
    for method in ("sendMessage", "getUpdates", "download", "getFile"):
        telegram.drop_next(method, after_effect=True)
    voice = ear.heard[-1].attachments[0]
    gone = Attachment(AttachmentKind.VOICE, ref="gone")
    # To different people, since a chat that was told to wait is left alone
    others = [Address("telegram", "1", str(telegram.customer().id)) for _ in range(8)]
    calls = [call for other in others for call in adapter.render(other, Reply(WORDS))]
    for attempt in [*[adapter.send(call) for call in calls], *[adapter.fetch(file) for file in (voice, voice, gone)]]:
        try:
            await attempt
        except PolydeskError as problem:
            said += [*traceback.format_exception(problem), repr(problem), str(problem)]
    await telegram.settled()
    return [*said, repr(adapter), str(vars(adapter).get("_client"))]


async def test_neither_logs_nor_errors_hold_the_token(
    telegram: FakeTelegram, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given that everything is logged that can be
    caplog.set_level(logging.DEBUG)
    ear = Ear()
    async with connected(telegram, ear) as adapter:
        said = await _live(telegram, adapter, ear)
    async with hooked(telegram, ear) as (adapter, _url):
        said += await _live(telegram, adapter, ear)
    written = "\n".join([caplog.text, *capsys.readouterr(), *said])
    assert "telegram.running" in written and "sendMessage: " in written
    secret = telegram.token.partition(":")[2]
    assert secret not in written
    assert WORDS not in written


async def test_a_bug_of_the_gateway_puts_no_words_into_the_log(
    telegram: FakeTelegram, capsys: pytest.CaptureFixture[str]
) -> None:
    ear, ada = Ear(), telegram.customer()

    def bug(event: InboundEvent) -> None:
        raise ValueError(f"cannot store {event.text}")

    ear.trouble = bug
    async with connected(telegram, ear):
        await ada.says(WORDS)
        await telegram.settled()
    written = "".join(capsys.readouterr())
    assert "ValueError" in written and "in bug" in written
    assert WORDS not in written


async def test_a_page_that_quotes_our_address_does_not_give_the_token_away(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the error pages of some proxies do."""

    async def page(request: web.Request) -> web.Response:
        text = f'{{"ok": false, "description": "The requested URL {request.path} was not found"}}'
        return web.Response(text=text, status=400, content_type="application/json")

    caplog.set_level(logging.DEBUG)
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    token = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
    adapter = TelegramAdapter(token, api_url=f"http://127.0.0.1:{runner.addresses[0][1]}", blob=lambda name: b"")
    with pytest.raises(PolydeskError) as caught:
        async with adapter.running(Ear().hear):
            pass
    await runner.cleanup()
    written = "".join([*traceback.format_exception(caught.value), caplog.text, *capsys.readouterr()])
    assert "/bot<token>/getMe was not found" in written
    assert "AAHdq" not in written


async def test_a_wrong_token_is_not_repeated(telegram: FakeTelegram) -> None:
    adapter = TelegramAdapter("123456:AAHwrong", api_url=telegram.url, blob=lambda name: b"")
    with pytest.raises(PolydeskError) as caught:
        await adapter.whoami()
    assert "AAHwrong" not in "".join(traceback.format_exception(caught.value))
    assert "AAHwrong" not in repr(adapter)


def test_importing_changes_no_logger() -> None:
    """Silence falls when an adapter starts, not when it is imported."""
    import subprocess
    import sys

    code = (
        "import logging, adapters.telegram.adapter as a, adapters.telegram.client as c\n"
        "assert logging.getLogger('httpx').level == logging.getLogger('telegram').level == 0\n"
        "c.quiet(); assert logging.getLogger('httpx').level == logging.WARNING"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_calls_hold_no_token(telegram: FakeTelegram) -> None:
    adapter = TelegramAdapter(telegram.token, blob=lambda name: b"")
    calls = adapter.render(Address("telegram", "1", "2"), Reply("x", pictures=("0" * 64,)))
    assert all(isinstance(call, Call) and telegram.token not in repr(call) for call in calls)
