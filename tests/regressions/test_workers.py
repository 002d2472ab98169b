"""What the broker does twice or too late: predictions over a real Valkey, from a worker that is played by hand."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.brain import CeleryBrain
from bot.broker import embedded
from core import wire
from core.asking import Candidate, Prediction, Question
from core.broker import beat
from tests.fakes.house import sure
from tests.regressions.doors import once_each
from tests.regressions.ground import Ground, OnTelegram
from tests.regressions.house import AND_HOURS, AND_ORDER, HOURS, ORDER, life
from tests.workers.media.recordings import recorded


class Worker:
    """Takes tasks off the queues and pushes what it thinks, as `workers.tasks` does."""

    def __init__(self, redis: Redis, brain: CeleryBrain) -> None:
        self._redis = redis
        self.brain = brain

    async def lives(self) -> None:
        for queue in ("text", "media"):
            await self._redis.set(beat(queue, "w1"), "[]", ex=60)
        async with asyncio.timeout(10):
            while not all(self.brain.workers.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def takes(self, queue: str = "text") -> Question:
        """The next question; it stays unacknowledged for as long as the test likes."""
        _, raw = await self._redis.brpop([queue], timeout=10)  # type: ignore[misc]
        body: Any = json.loads(base64.b64decode(json.loads(raw)["body"]))
        return wire.load(Question, body[0][0])

    async def says(self, question: Question, prediction: Prediction) -> None:
        await self._redis.lpush(question.inbox, wire.dumps(prediction))


@asynccontextmanager
async def worker(folder: Path) -> AsyncIterator[Worker]:
    with embedded(folder / "run") as server:
        brain = CeleryBrain(server.url, "g")
        async with brain.running(), Redis.from_url(server.url) as redis:
            one = Worker(redis, brain)
            await one.lives()
            yield one


@once_each
async def test_05_a_task_that_is_delivered_again_after_the_visibility_timeout_is_answered_once(
    ground: Ground, tmp_path: Path
) -> None:
    ada = ground.person()
    async with worker(tmp_path) as first, life(ground, tmp_path, first.brain) as house:
        # Given a worker that is killed after its prediction was said to the customer, before it acknowledged the task
        await ada.says(ORDER)
        asked = await first.takes()
        await first.says(asked, sure(asked, "track-order"))
        assert await house.answers(ada, 1) == [AND_ORDER]
        # When the broker gives the task to another one, which thinks of something else
        await first.says(asked, sure(asked, "opening-hours"))
        # Then it is a prediction for which nobody waits, and the next question gets its own
        await ada.says(HOURS)
        following = await first.takes()
        await first.says(asked, sure(asked, "return-damaged"))
        await first.says(following, sure(following, "opening-hours"))
        assert await house.answers(ada, 2) == [AND_ORDER, AND_HOURS]


@once_each
async def test_14_a_transcript_that_comes_after_a_text_only_reply_does_not_double_it(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.thinking.MEDIA_SECONDS", 0.4)
    monkeypatch.setattr("core.quiet._LONE_VOICE", 6.0)  # the words come before that on any machine
    ada = ground.person()
    async with worker(tmp_path) as slow, life(ground, tmp_path, slow.brain) as house:
        await ada.speaks(recorded("ogg" if isinstance(ada, OnTelegram) else "mp4", *_codec(ada), seconds=1.0))
        await ada.says(HOURS)
        # Given media workers that take their time, twice
        late = [await slow.takes("media"), await slow.takes("media")]
        words = await slow.takes("text")
        assert late[0].voices and late[1].attempt == 2 and not words.voices
        await slow.says(words, sure(words, "opening-hours"))
        (told,) = await house.answers(ada, 1)
        assert told.startswith(AND_HOURS)
        for question in late:
            thought = Prediction(question.id, question.attempt, question.release, "m", (Candidate("terms", 0.9),), 0.9)
            await slow.says(question, thought)
        await asyncio.sleep(0.3)
        assert await house.answers(ada, 1) == [told]


def _codec(person: object) -> tuple[str, ...]:
    return ("libopus",) if isinstance(person, OnTelegram) else ("aac",)
