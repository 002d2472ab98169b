"""What dies at work is started again, and nobody is left in silence meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from tests.flows.conftest import DEMO
from tests.flows.installation import PATIENT, Browserless, Installation

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[[], Awaitable[Browserless]]


async def held(shop: Installation, queue: str) -> None:
    """Wait until a worker of this queue has a question in its hands."""
    async with Redis(unix_socket_path=str(shop.data / "run" / "valkey.sock")) as broker, asyncio.timeout(PATIENT):
        while True:
            for key in await broker.keys(f"polydesk:beat:{queue}:*"):
                if await broker.get(key) not in (None, b"[]"):
                    return


async def test_a_question_that_died_with_the_text_worker_is_answered(web: Open, shop: Installation) -> None:
    ada = await web()
    await ada.says("how do i cancel my order?")
    await ada.hears()
    # Given a worker that stands still, so that the question it takes dies with it
    worker = shop.child("text")
    os.kill(worker, signal.SIGSTOP)
    await ada.says("where is my order please?")
    await asyncio.sleep(0.5)
    # When it is killed
    os.kill(worker, signal.SIGKILL)
    # Then the launcher starts another one, and the customer gets the answer.
    await ada.sees("You can follow every parcel")
    assert "the text worker stopped; starting it again" in shop.said()
    await shop.healthy()
    assert shop.child("text") != worker


async def test_a_photo_that_dies_with_the_media_worker_leaves_nobody_in_silence(web: Open, shop: Installation) -> None:
    shot = {"photo": ("shot.jpg", (DEMO / "photos" / "test-tracking.jpg").read_bytes(), "image/jpeg")}
    ada, bob = await web(), await web()
    worker = shop.child("media")
    await bob.says(files=shot)
    await held(shop, "media")
    # When the worker dies with a lone photo in its hands
    os.kill(worker, signal.SIGKILL)
    # Then nobody looks at that photo again: a human is asked, and the customer told
    line = await bob.sees("Something isn't working on my side")
    assert [choice["label"] for choice in line["choices"]] == ["Ask the bot instead"]
    # and whoever sends words with a photo while nobody can look at it gets an answer all the same.
    await ada.says("where is my order please?", files=shot)
    await ada.sees("You can follow every parcel")
    # Once there is a new worker, the bot can see again.
    await shop.healthy()
    await bob.taps("Ask the bot instead")
    await bob.sees("The automated assistant is back")
    await bob.says(files={"photo": ("mug.jpg", (DEMO / "photos" / "test-mug.jpg").read_bytes(), "image/jpeg")})
    await bob.sees("Sorry about that")


async def test_a_lost_broker_comes_back(web: Open, shop: Installation) -> None:
    ada = await web()
    await ada.says("how do i cancel my order?")
    await ada.hears()
    broker = shop.child("valkey")
    os.kill(broker, signal.SIGKILL)
    # Whoever asks in this very moment gets the answer, once.
    await ada.says("where is my order please?")
    await ada.sees("You can follow every parcel")
    assert "the embedded Valkey server stopped; it is started again" in shop.said()
    assert shop.child("valkey") != broker
    await shop.healthy()
    assert sum("You can follow every parcel" in line["text"] for line in await ada.told()) == 1


async def test_a_gateway_that_dies_answers_what_it_had_heard(web: Open, shop: Installation) -> None:
    # Given a message that was acknowledged and not yet asked about, since more may follow it
    ada = await web()
    await ada.says("cancel my order")
    os.kill(shop.child("gateway"), signal.SIGKILL)
    # Then the next gateway answers it, and the customer's page goes on where it was.
    async with asyncio.timeout(PATIENT):
        while "the gateway stopped; starting it again" not in shop.said():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await shop.healthy()
    line = await ada.sees("As long as the order says")
    assert line["text"].startswith("Hi!")
    assert len(await ada.told()) == 1
