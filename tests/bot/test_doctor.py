"""`polydesk doctor` beside real servers."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from redis import Redis

from bot.commands.doctor import broker, clock, workers
from bot.settings import Settings
from core.broker import beat
from core.clock import WallClock
from core.errors import PolydeskError
from tests.flows.servers import postgres, redis


class Wrong(WallClock):
    def __init__(self, ahead: int) -> None:
        self.ahead = ahead

    def now(self) -> int:
        return super().now() + self.ahead


async def test_a_wrong_clock_is_named(tmp_path: Path) -> None:
    with redis() as url:
        settings = Settings(data=tmp_path, redis_url=url, _env_file=None)  # type: ignore[call-arg]
        assert await clock(settings) == "agrees with the broker"
        with pytest.raises(PolydeskError, match="60 s ahead of that of the broker"):
            await clock(settings, Wrong(60_000))
        with pytest.raises(PolydeskError, match="7 s behind"):
            await clock(settings, Wrong(-7_000))


async def test_a_broker_that_forgets_is_told_from_one_that_keeps(tmp_path: Path) -> None:
    with redis() as url:
        settings = Settings(data=tmp_path, redis_url=url, _env_file=None)  # type: ignore[call-arg]
        assert await broker(settings) == "reachable"
        with Redis.from_url(url) as owner:
            owner.config_set("maxmemory-policy", "allkeys-lru")
            # Given a server run by others too, who let nobody use CONFIG
            owner.execute_command("ACL", "SETUSER", "default", "-config")
        with pytest.raises(PolydeskError, match="maxmemory-policy is allkeys-lru"):
            await broker(settings)
    with pytest.raises(PolydeskError, match="POLYDESK_REDIS_URL cannot be reached"):
        await broker(settings)


async def test_workers_are_counted_and_a_missing_train_worker_is_named(tmp_path: Path) -> None:
    with redis() as url:
        settings = Settings(data=tmp_path, redis_url=url, _env_file=None)  # type: ignore[call-arg]
        assert await workers(settings) == "none is running"
        with Redis.from_url(url) as owner:
            for queue in ("text", "media"):
                owner.set(beat(queue, "w"), "[]")
            assert (await workers(settings)).startswith("text 1, media 1, train 0; without a train worker")
            owner.set(beat("train", "w"), "[]")
            assert await workers(settings) == "text 1, media 1, train 1"
    assert await workers(settings) == "unknown"
    assert await workers(Settings(data=tmp_path, _env_file=None)) == "none is running"  # type: ignore[call-arg]


async def test_looking_at_the_clock_of_a_database_changes_nothing_in_it(tmp_path: Path) -> None:
    with postgres() as url:
        settings = Settings(
            data=tmp_path, database_url=url, redis_url="redis://127.0.0.1:1", secret="s" * 32, _env_file=None
        )  # type: ignore[call-arg]
        assert await clock(settings) == "agrees with the database"
        with pytest.raises(PolydeskError, match="60 s ahead of that of the database"):
            await clock(settings, Wrong(60_000))
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
