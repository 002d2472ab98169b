"""The brain port on a real Valkey: what counts as an answer, and how the death of a worker is noticed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot import brain as brains
from bot.brain import CeleryBrain
from bot.broker import embedded
from core import wire
from core.asking import Prediction, Question
from core.broker import beat, inbox
from core.errors import BrainGone, BrainLate, Retry


class Bench:
    """A worker played by hand."""

    def __init__(self, redis: Redis, brain: CeleryBrain) -> None:
        self.redis = redis
        self.brain = brain

    async def lives(self, queue: str = "text", holds: tuple[str, ...] = ()) -> None:
        await self.redis.set(beat(queue, "w1"), json.dumps(holds), ex=30)
        async with asyncio.timeout(5):
            while not self.brain.workers.get(queue):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def dies(self, queue: str = "text") -> None:
        await self.redis.delete(beat(queue, "w1"))

    async def says(self, **fields: object) -> None:
        plain = {"question": "q", "attempt": 1, "release": "r", "model": "m", "confidence": 0.5} | fields
        await self.redis.lpush(inbox("g"), wire.dumps(wire.load(Prediction, plain)))  # type: ignore[misc]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    with embedded(tmp_path / "run") as server:
        redis = Redis.from_url(server.url)
        brain = CeleryBrain(server.url, "g")
        async with brain.running():
            yield Bench(redis, brain)
        await redis.aclose()


def asked(seconds: float = 20, **fields: object) -> Question:
    return Question("q", "r", text="hi", deadline=int((time.time() + seconds) * 1000), **fields)  # type: ignore[arg-type]


async def test_a_broker_that_forgets_is_complained_about(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    await bench.redis.config_set("maxmemory-policy", "allkeys-lru")
    bench.brain._broker = ""  # as if it had just been found
    async with asyncio.timeout(10):
        while "allkeys-lru" not in (said := capsys.readouterr().out):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert "noeviction" in said


async def test_the_answer_is_the_one_to_this_question_and_attempt(bench: Bench) -> None:
    await bench.lives()
    answer = asyncio.create_task(bench.brain.ask(asked()))
    await asyncio.sleep(0.1)
    await bench.redis.lpush(inbox("g"), b"not json")  # type: ignore[misc]
    await bench.says(question="another")
    await bench.says(attempt=7)
    await bench.says(confidence=0.9)
    assert (await answer).confidence == 0.9
    # What was sent is one task on the queue of typed questions, with no pickle in it
    task = json.loads((await bench.redis.lrange("text", 0, -1))[0])  # type: ignore[misc]
    assert task["content-type"] == "application/json"


async def test_a_failure_that_the_worker_reports_is_worth_a_retry(bench: Bench) -> None:
    await bench.lives()
    answer = asyncio.create_task(bench.brain.ask(asked()))
    await asyncio.sleep(0.1)
    await bench.says(error="Broken: no weights")
    with pytest.raises(Retry, match="no weights"):
        await answer


async def test_the_death_of_the_worker_that_held_it_is_noticed_long_before_the_deadline(bench: Bench) -> None:
    await bench.lives(holds=("q",))
    answer = asyncio.create_task(bench.brain.ask(asked()))
    await asyncio.sleep(1.5)
    await bench.dies()
    with pytest.raises(BrainGone) as gone:
        await asyncio.wait_for(answer, 5)
    assert gone.value.held


async def test_a_broker_that_starts_anew_is_no_death_of_a_worker(tmp_path: Path) -> None:
    """What a worker holds is waited for; what was queued is gone, and asked again as if nobody had died."""
    folder = tmp_path / "run"
    with embedded(folder) as server:
        redis = Redis.from_url(server.url)
        brain = CeleryBrain(server.url, "g")
        async with brain.running():
            bench = Bench(redis, brain)
            await bench.lives(holds=("q",))
            held = asyncio.create_task(brain.ask(asked()))
            queued = asyncio.create_task(brain.ask(replace(asked(), id="other")))
            await asyncio.sleep(1.2)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            await bench.lives(holds=("q",))
            with pytest.raises(BrainGone) as gone:
                await queued
            assert not gone.value.held
            await bench.says()
            assert (await held).confidence == 0.5
        await redis.aclose()


async def test_without_any_worker_nobody_waits_for_the_deadline(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brains, "PATIENCE", 0.3)
    with pytest.raises(BrainGone, match="text"):
        await asyncio.wait_for(bench.brain.ask(asked()), 5)


async def test_an_evidence_card_keeps_no_typed_question_waiting(bench: Bench) -> None:
    await bench.lives("text")
    for queue in ("text", "media"):  # where no media worker lives, the one for text draws it
        if queue == "media":
            await bench.lives("media")
        answer = asyncio.create_task(bench.brain.ask(asked(explain=True)))
        await asyncio.sleep(0.2)
        assert await bench.redis.llen(queue) == 1  # type: ignore[misc]
        await bench.says()
        await answer


async def test_a_photo_goes_to_the_media_queue_and_a_deadline_holds(bench: Bench) -> None:
    await bench.lives("media")
    with pytest.raises(BrainLate):
        await bench.brain.ask(asked(0.4, photos=("a" * 64,)))
    assert await bench.redis.llen("media") == 1  # type: ignore[misc]


async def test_a_broker_that_is_gone_counts_no_workers(tmp_path: Path) -> None:
    with embedded(tmp_path / "run") as server:
        brain = CeleryBrain(server.url, "g")
        async with brain.running(), Redis.from_url(server.url) as redis:
            await Bench(redis, brain).lives()
            server.stop()
            async with asyncio.timeout(10):
                while brain.workers["text"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)


async def test_it_ends_however_early_it_is_told_to(tmp_path: Path) -> None:
    with embedded(tmp_path / "run") as server:
        for moment in range(60):
            async with asyncio.timeout(10), CeleryBrain(server.url, "g").running():
                await asyncio.sleep(moment / 4000)
