"""One installation for most flows: real processes, real models, fake platforms on the session's event loop.

The fakes stand still while that loop does, so flows never block it: what takes long runs in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fakes.slack import APP_TOKEN, BOT_TOKEN, FakeSlack
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.flows.agent import Agent
from tests.flows.installation import Browserless, Installation, processes_of

DEMO = Path(__file__).resolve().parents[2] / "bot" / "demo"

LONG_QUESTION = "Please show me the full general terms and conditions"
LONG_ANSWER = "\n\n".join(
    f"**Clause {number}.** The *buyer* and the seller 🏔️ agree on point {number} of these terms; whoever reads this far "
    "deserves a cup of tea, a warm blanket and a [map](https://example.com/map) of the long way home."
    for number in range(1, 50)
)

TINY = """\
polydesk: 1
title: Tiny shop
language: en
entries:
  - id: track-order
    question: Where is my order?
    variants: [where is my parcel, track my package, has my order been sent yet]
    answer: Look at the tracking page.
  - id: order-cancel
    question: How do I cancel my order?
    variants: [cancel my order, i want to cancel what i bought, please cancel it]
    answer: Press the cancel button.
  - id: opening-hours
    question: When are you open?
    variants: [opening hours, are you open on saturday, when do you close]
    answer: From nine to five.
"""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A knowledge base that is prepared in no time."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "kb.yaml").write_text(TINY)
    return folder


@pytest.fixture(scope="session")
def shop_kb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with one more entry, whose answer is longer than any platform's message."""
    assert len(LONG_ANSWER) > 9000
    folder = tmp_path_factory.mktemp("kb")
    for name in ("photos", "voice"):
        (folder / name).symlink_to(DEMO / name)
    answer = LONG_ANSWER.replace("\n\n", "\n\n      ")
    entry = f"  - id: terms\n    question: {LONG_QUESTION}\n    answer: |\n      {answer}\n"
    written = (DEMO / "kb.yaml").read_text()
    (folder / "kb.yaml").write_text(written.replace("\nentries:\n", f"\nentries:\n{entry}", 1))
    return folder


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as telegram:
        yield telegram


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as slack:
        yield slack


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def shop(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    shop_kb: Path,
    telegram: FakeTelegram,
    slack: FakeSlack,
) -> AsyncIterator[Installation]:
    """`polydesk up`, with Telegram by polling and Slack in Socket Mode."""
    environ = {
        "POLYDESK_TELEGRAM_TOKEN": TOKEN,
        "POLYDESK_TELEGRAM_API_URL": telegram.url,
        "POLYDESK_SLACK_BOT_TOKEN": BOT_TOKEN,
        "POLYDESK_SLACK_APP_TOKEN": APP_TOKEN,
        "POLYDESK_SLACK_API_URL": slack.api_url,
    }
    installation = Installation(tmp_path_factory.mktemp("shop"), models_dir, shop_kb, environ)
    installation.start()
    try:
        await installation.ready()
        yield installation
    finally:
        with contextlib.suppress(Exception):
            await asyncio.to_thread(installation.stop)
        sweep(installation.data)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def agent(shop: Installation) -> AsyncIterator[Agent]:
    """The first admin, logged in with the password that `up` printed."""
    agent = Agent(shop.url)
    await agent.log_in("admin", shop.password)
    yield agent
    await agent.close()


@pytest_asyncio.fixture(loop_scope="session")
async def web(shop: Installation) -> AsyncIterator[Callable[[], Awaitable[Browserless]]]:
    """Opens web chats."""
    opened: list[Browserless] = []

    async def open() -> Browserless:
        opened.append(Browserless(shop.url))
        return await opened[-1].open()

    yield open
    for one in opened:
        await one.close()


@pytest.fixture
def installations(models_dir: Path) -> Iterator[list[Installation]]:
    """Installations of a test's own; whatever still runs at its end is killed."""
    made: list[Installation] = []
    yield made
    for installation in made:
        if installation.process is not None:
            installation.process.kill()
            installation.process.wait(10)
        sweep(installation.data)


def sweep(data: Path) -> None:
    """Kill what a failed test left running on its own data folder."""
    for pid in processes_of(data):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
