"""Production: PostgreSQL, a Redis server, and the processes of the Procfile, each by itself; platforms by webhook."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.fakes.slack import BOT_TOKEN, SIGNING_SECRET, FakeSlack
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.flows.agent import Agent
from tests.flows.conftest import sweep
from tests.flows.installation import PATIENT, Browserless, environment, free_port, tracebacks
from tests.flows.servers import commands, postgres, redis

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOOK_SECRET = "a-secret_of-the-webhook"
PASSWORD = "correct horse battery"


def started(data: Path, gateway: dict[str, str], worker: dict[str, str]) -> dict[str, subprocess.Popen[bytes]]:
    """The Procfile's processes; what workers find in their environment holds no token and no database."""
    running = {}
    for name, command in commands().items():
        with (data / f"{name}.log").open("wb") as log:
            environ = gateway if name == "gateway" else worker
            running[name] = subprocess.Popen(command, cwd=data, env=environ, stdout=log, stderr=log)
    return running


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with redis() as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hooked() -> AsyncIterator[tuple[FakeTelegram, FakeSlack]]:
    async with FakeTelegram() as telegram, FakeSlack() as slack:
        yield telegram, slack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    tiny: Path,
    database: str,
    broker: str,
    hooked: tuple[FakeTelegram, FakeSlack],
) -> AsyncIterator[str]:
    """The running processes; yields the gateway's address."""
    telegram, slack = hooked
    data, port = tmp_path_factory.mktemp("production"), free_port()
    (data / "models").symlink_to(models_dir)
    url = f"http://127.0.0.1:{port}"
    worker = environment(data, POLYDESK_REDIS_URL=broker, POLYDESK_BLOBS=str(data / "shared"))
    gateway = {
        **worker,
        "POLYDESK_DATABASE_URL": database,
        "POLYDESK_SECRET": "the-same-for-every-gateway",
        "POLYDESK_KB": str(tiny),
        "POLYDESK_PORT": str(port),
        "POLYDESK_TELEGRAM_TOKEN": TOKEN,
        "POLYDESK_TELEGRAM_API_URL": telegram.url,
        "POLYDESK_TELEGRAM_WEBHOOK_URL": url,
        "POLYDESK_TELEGRAM_SECRET": HOOK_SECRET,
        "POLYDESK_SLACK_BOT_TOKEN": BOT_TOKEN,
        "POLYDESK_SLACK_SIGNING_SECRET": SIGNING_SECRET,
        "POLYDESK_SLACK_API_URL": slack.api_url,
    }
    adding = ["polydesk", "user", "add", "grace", "--role", "admin"]
    secret = {**gateway, "POLYDESK_NEW_PASSWORD": PASSWORD}
    await asyncio.to_thread(subprocess.run, adding, cwd=data, env=secret, check=True, timeout=60)
    with contextlib.ExitStack() as stack:
        stack.callback(sweep, data)
        running = started(data, gateway, worker)
        async with httpx.AsyncClient(base_url=url) as http:
            async with asyncio.timeout(120):
                while True:
                    dead = [name for name, process in running.items() if process.poll() is not None]
                    assert not dead, "\n".join((data / f"{name}.log").read_text()[-3000:] for name in dead)
                    with contextlib.suppress(httpx.TransportError):
                        if (await http.get("/readyz")).status_code == 200:
                            break
                    await asyncio.sleep(0.2)
        await slack.use_events_api(f"{url}/slack/events")
        yield url
        # The gateway first, so that nothing new is asked; all end in good order.
        for process in running.values():
            process.terminate()
            assert await asyncio.to_thread(process.wait, 30) == 0
        logs = "".join((data / f"{name}.log").read_text() for name in running)
        for secret in (TOKEN, BOT_TOKEN, SIGNING_SECRET, HOOK_SECRET, PASSWORD):
            assert secret not in logs
        assert not tracebacks(logs), tracebacks(logs)


async def test_a_question_on_the_web_and_an_agent_at_the_desk(house: str) -> None:
    ada, grace = await Browserless(house).open(), Agent(house)
    try:
        await ada.says("where is my order please?")
        await ada.sees("Look at the tracking page.")
        await ada.says("I want a person please.")
        await ada.hears(2)
        await ada.says("It is about my quokka, you know.")
        await ada.hears(3)
        await grace.log_in("grace", PASSWORD)
        id = await grace.finds("quokka")
        await grace.does(id, "claim")
        await grace.does(id, "say", text="Hello, I am looking into it.")
        assert [line["text"] for line in (await ada.hears(5))[3:]] == [
            "Grace is here for you now.",
            "Hello, I am looking into it.",
        ]
    finally:
        await ada.close()
        await grace.close()


async def test_telegram_by_webhook(house: str, hooked: tuple[FakeTelegram, FakeSlack]) -> None:
    telegram, _ = hooked
    ada = telegram.customer("Ada")
    await ada.says("where is my order please?")
    await ada.hears("Look at the tracking page.", timeout=PATIENT)
    # A stranger without the secret is not heard.
    number = max(telegram.updates.log)
    forged = {**telegram.updates.log[number], "update_id": number + 1000}
    assert await telegram.post_webhook(forged, secret="a-guess") in (401, 403)
    assert await telegram.post_webhook(forged, secret="") in (401, 403)
    await ada.hears_nothing(0.5)


async def test_slack_by_the_events_api(house: str, hooked: tuple[FakeTelegram, FakeSlack]) -> None:
    _, slack = hooked
    ada, channel = slack.customer("Ada"), slack.channel("help")
    post = await ada.mentions("where is my order please?", channel=channel)
    answer = await ada.hears("Look at the tracking page.", timeout=PATIENT, channel=channel)
    assert answer.thread_ts == post.ts
    # Slack resends what it believes to be lost; a tap comes to the same address.
    slack.duplicate_next(3)
    await ada.says("how do i cancel my order?")
    await ada.hears("Press the cancel button.", timeout=PATIENT)
    tap = await ada.taps("That's not it")
    await ada.hears(timeout=PATIENT)
    await slack.until(lambda: tap.acked is not None, PATIENT)
    assert tap.acked
    await slack.settled(PATIENT)
    await ada.hears_nothing(0.5)
    # What is not signed, or signed with another secret, is refused.
    body = b'{"type": "event_callback"}'
    kind = "application/json"
    forged = slack.events.signed(body, secret="a guess")
    assert (await slack.events.post(f"{house}/slack/events", body, kind, forged))[0] in (401, 403)


async def test_figures_for_operators(house: str) -> None:
    assert [*commands()] == ["gateway", "text", "media", "train"]
    async with httpx.AsyncClient(base_url=house) as http:
        assert (await http.get("/healthz")).json()["doors"] == {"web": "open", "telegram": "open", "slack": "open"}
        assert "polydesk" in (await http.get("/metrics")).text
