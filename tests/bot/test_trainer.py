"""News of trainings over a real broker."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis as Broker
from redis.asyncio import Redis

from bot.broker import embedded
from bot.trainer import CeleryTrainer
from core import wire
from core.broker import NEWS, given_up, halt
from core.errors import Retry
from core.training import Halt, News
from workers.tasks import _halt, _stopped


async def test_news_stay_in_the_list_until_they_were_heard(tmp_path: Path) -> None:
    with embedded(tmp_path / "run") as server:
        redis = Redis.from_url(server.url)
        for seq in (1, 2):
            await redis.lpush(NEWS, wire.dumps(News("t", seq, "listening", seq, 9)))
        await redis.rpush(NEWS, *["no news"] * 1200)  # what cannot be read is in nobody's way
        trainer = CeleryTrainer(server.url)
        async with trainer.running():
            assert [await trainer.news(1) for _ in range(2)] == [News("t", 1, "listening", 1, 9)] * 2
            await trainer.heard()
        # Whoever comes next goes on where it ended
        other = CeleryTrainer(server.url)
        async with other.running():
            assert await other.news(1) == News("t", 2, "listening", 2, 9)
            await other.heard()
            assert await other.news(1) is None
        assert not await redis.llen(NEWS)
        await redis.aclose()


async def test_who_stops_a_training_is_left_for_whoever_works_on_it(tmp_path: Path) -> None:
    with embedded(tmp_path / "run") as server:
        redis = Redis.from_url(server.url)
        trainer = CeleryTrainer(server.url)
        async with trainer.running():
            await trainer.stop("t", "Zoë")
            assert (await redis.get(halt("t"))).decode() == "Zoë"
            assert await redis.ttl(halt("t")) > 0
            assert await redis.get(halt("another")) is None
            await trainer.give_up("lost")
            assert await redis.ttl(given_up("lost")) > 0 and await redis.get(halt("lost")) is None
            with closing(Broker.from_url(server.url)) as broker:  # as a worker reads it
                found = [_halt(broker, id) for id in ("t", "lost", "another")]
                stops = [_stopped(broker, id) for id in ("t", "lost", "another")]
            assert (found, stops) == ([Halt("Zoë"), Halt(), None], [True, False, False])
        await redis.aclose()
    with pytest.raises(Retry, match="cannot be reached"):
        async with trainer.running():
            await trainer.stop("t", "Zoë")
