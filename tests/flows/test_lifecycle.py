"""Start, kill, start, stop, start again: one small installation through its life, with a wrong Telegram token."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.fakes.slack import APP_TOKEN, BOT_TOKEN, Customer, FakeSlack, Room
from tests.fakes.telegram import FakeTelegram
from tests.flows.installation import PATIENT, Browserless, Installation, free_port, gone, tracebacks
from tests.flows.test_refusals import up

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_life_of_an_installation(
    tmp_path: Path, models_dir: Path, tiny: Path, telegram: FakeTelegram, installations: list[Installation]
) -> None:
    async with FakeSlack(hurry=600) as slack:  # which gives up what it cannot deliver within seconds
        environ = {
            "POLYDESK_TELEGRAM_TOKEN": "987654:AAwrongwrongwrongwrongwrongwrongwrong",
            "POLYDESK_TELEGRAM_API_URL": telegram.url,
            "POLYDESK_SLACK_BOT_TOKEN": BOT_TOKEN,
            "POLYDESK_SLACK_APP_TOKEN": APP_TOKEN,
            "POLYDESK_SLACK_API_URL": slack.api_url,
        }
        installation = Installation(tmp_path / "data", models_dir, tiny, environ)
        installations.append(installation)
        ada = Browserless(installation.url)
        try:
            await _begins(installation, slack)
            await _is_killed(installation, ada)
            await _begins_again(installation, ada)
            customer, channel = slack.customer("Ada"), slack.channel()
            root = await _is_asked_on_slack(slack, customer, channel)
            await _is_stopped(installation)
            await _answers_what_it_missed(installation, slack, customer, channel, root)
        finally:
            await ada.close()


async def _begins(installation: Installation, slack: FakeSlack) -> None:
    installation.start()
    await installation.ready()
    # The first start prints the admin's password; the wrong token shuts its own door only, and says what to do.
    assert installation.password
    (line,) = [line for line in installation.said().splitlines() if line.strip().startswith("Telegram ")]
    assert "POLYDESK_TELEGRAM_TOKEN" in line and "@BotFather" in line
    assert "wrongwrong" not in installation.said() + installation.logs()
    (line,) = [line for line in installation.said().splitlines() if line.strip().startswith("Slack ")]
    assert line.split() == ["Slack", "open"]
    bob = slack.customer("Bob")
    await bob.says("where is my order please?")
    await bob.hears("Look at the tracking page.", timeout=PATIENT)
    # A second one on the same data folder is refused.
    second = await up(installation.data, "--port", str(free_port()), alone=False)
    assert second.returncode == 1
    assert f"Polydesk runs already on {installation.data}" in second.stderr.splitlines()[-1]


async def _is_killed(installation: Installation, ada: Browserless) -> None:
    await ada.open()
    await ada.says("when do you close?")
    await ada.hears()
    # A message that is acknowledged and not yet answered, since more may follow it; then power fails.
    gateway = installation.child("gateway")
    await ada.says("cancel my order")
    installation.kill()
    os.kill(gateway, signal.SIGKILL)
    # The workers end by themselves; a broker may stay, until the next start takes its place.
    async with asyncio.timeout(15):
        while [pid for pid in installation.children() if pid != _broker(installation)]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def _broker(installation: Installation) -> int:
    try:
        return installation.child("valkey")
    except AssertionError:
        return 0


async def _begins_again(installation: Installation, ada: Browserless) -> None:
    left = _broker(installation)
    password, installation.password = installation.password, ""
    installation.start()
    await installation.ready()
    said = installation.said()
    assert "Preparing the models" not in said
    assert "Release 1 is live in the database, so" in said and "was not read" in said
    assert installation.password == "" and password not in said
    assert left == 0 or left not in installation.children()
    # What was heard before is answered now, once.
    await ada.sees("Press the cancel button.")
    await asyncio.sleep(0.5)
    assert len(await ada.told()) == 2
    await ada.says("where is my order please?")
    await ada.sees("Look at the tracking page.")


async def _is_stopped(installation: Installation) -> None:
    assert await asyncio.to_thread(installation.stop) == 0
    assert "Stopping" in installation.said()
    await gone(installation.data, 10.0)
    assert not (installation.data / "run" / "valkey.sock").exists()
    logs = installation.said() + installation.logs()
    assert not tracebacks(logs), tracebacks(logs)


async def _is_asked_on_slack(slack: FakeSlack, ada: Customer, channel: Room) -> str:
    """A conversation in private, another in a channel; returns where the latter began."""
    await ada.says("where is my order please?")
    await ada.hears("Look at the tracking page.", timeout=PATIENT)
    root = await ada.mentions("when do you close?", channel=channel)
    await ada.hears("From nine to five.", timeout=PATIENT, channel=channel)
    await slack.settled(PATIENT)
    return root.ts


async def _answers_what_it_missed(
    installation: Installation, slack: FakeSlack, ada: Customer, channel: Room, root: str
) -> None:
    # Given what was written while Polydesk was stopped for so long that Slack gave it up
    await ada.says("when do you close?")
    await ada.says("cancel my order", channel=channel, thread_ts=root)
    await slack.settled(PATIENT)
    assert len(slack.events.lost) == 2
    installation.start()
    await installation.ready()
    # Then both are answered, each in its place, once
    await ada.hears("From nine to five.", timeout=PATIENT)
    answer = await ada.hears("Press the cancel button.", timeout=PATIENT, channel=channel)
    assert answer.thread_ts == root
    await ada.hears_nothing(2.0)
    await ada.hears_nothing(0.1, channel=channel)
    async with httpx.AsyncClient(base_url=installation.url) as http:
        assert 'polydesk_missed_messages_total{platform="slack"} 2.0' in (await http.get("/metrics")).text
    assert await asyncio.to_thread(installation.stop) == 0
