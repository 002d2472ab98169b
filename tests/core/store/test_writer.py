"""The one writer: few commits, nothing lost, nobody harmed by a neighbour."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3

import pytest
from sqlalchemy import text

from core.errors import Broken, PolydeskError, Retry
from core.store.engines import connect
from core.store.store import Store, Tx
from core.store.writer import Writer


async def keys(store: Store) -> list[str]:
    return sorted(await store.read(lambda tx: tx.sql.column(text("SELECT key FROM settings"))))


async def test_many_writes_share_few_commits_and_all_are_there(store: Store, url, tmp_path, clock) -> None:
    before = store.writer.commits
    await asyncio.gather(*(store.write(lambda tx, n=n: tx.settings.put(f"{n:03}", n)) for n in range(200)))
    assert store.writer.commits - before <= 60
    other = await Store.open(url, tmp_path / "blobs", clock)  # another connection sees only what is committed
    try:
        assert await keys(other) == [f"{n:03}" for n in range(200)]
    finally:
        await other.close()


async def test_a_result_is_handed_out_only_when_it_is_durable(store: Store) -> None:
    async def write_then_look(number: int) -> bool:
        await store.write(lambda tx: tx.settings.put(str(number), 1))
        return await store.read(lambda tx: tx.settings.get(str(number))) == 1

    assert all(await asyncio.gather(*(write_then_look(number) for number in range(50))))


async def test_a_failing_work_fails_alone(store: Store) -> None:
    async def work(tx: Tx, number: int) -> int:
        await tx.settings.put(str(number), number)
        if number % 10 == 3:
            raise KeyError(number)
        if number % 10 == 7:
            await tx.sql.run(text("INSERT INTO nowhere VALUES (1)"))
        return number

    jobs = [store.write(lambda tx, n=n: work(tx, n)) for n in range(40)]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for number, result in enumerate(results):
        match number % 10:
            case 3:
                assert isinstance(result, KeyError)
            case 7:
                assert isinstance(result, PolydeskError)
            case _:
                assert result == number
    assert await keys(store) == sorted(str(n) for n in range(40) if n % 10 not in (3, 7))


async def test_work_runs_in_the_order_in_which_it_came(store: Store) -> None:
    seen: list[int] = []

    async def work(tx: Tx, number: int) -> None:
        seen.append(number)

    await asyncio.gather(*(store.write(lambda tx, n=n: work(tx, n)) for n in range(100)))
    assert seen == list(range(100))


async def test_work_may_wait_for_nothing_but_its_transaction(store: Store) -> None:
    async def dawdles(tx: Tx) -> None:
        await tx.settings.put("half", 1)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="nothing but its transaction"):
        await store.write(dawdles)
    with pytest.raises(RuntimeError, match="nothing but its transaction"):
        await store.read(lambda tx: asyncio.sleep(0))
    assert await keys(store) == []


async def test_a_caller_that_gives_up_harms_nobody(store: Store) -> None:
    jobs = [asyncio.create_task(store.write(lambda tx, n=n: tx.settings.put(str(n), n))) for n in range(20)]
    await asyncio.sleep(0)
    jobs[0].cancel()
    jobs[11].cancel()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 2
    assert {str(n) for n in range(20) if n not in (0, 11)} <= set(await keys(store))


async def test_the_loop_turns_while_the_writer_works(store: Store) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    async def slow(tx: Tx) -> None:
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700000) "
        await tx.sql.value(text(numbers + "SELECT count(*) FROM n"))

    ticking = asyncio.create_task(tick())
    await store.write(slow)
    ticking.cancel()
    assert ticks >= 3


async def test_the_callers_context_reaches_the_work(store: Store) -> None:
    event = contextvars.ContextVar("event", default="none")
    event.set("tg:1")

    async def work(tx: Tx) -> str:
        return event.get()

    assert await store.write(work) == "tg:1"
    assert await store.read(work) == "tg:1"


async def test_readers_see_one_snapshot_and_wait_for_no_writer(store: Store) -> None:
    await store.write(lambda tx: tx.settings.put("a", 1))
    loop = asyncio.get_running_loop()

    async def look_twice(tx: Tx) -> tuple[int, int]:
        first = await tx.settings.get("a")
        # A commit happens in between, in another thread.
        asyncio.run_coroutine_threadsafe(store.write(lambda tx: tx.settings.put("a", 2)), loop).result(timeout=20)
        return first, await tx.settings.get("a")

    assert await store.read(look_twice) == (1, 1)
    assert await store.read(lambda tx: tx.settings.get("a")) == 2


async def test_a_closed_store_says_so(url, clock) -> None:
    store = await Store.open(url, None, clock)
    last = asyncio.create_task(store.write(lambda tx: tx.settings.put("last", 1)))
    await asyncio.sleep(0)
    await store.close()
    await last
    with pytest.raises(Broken):
        await store.write(lambda tx: tx.settings.put("a", 1))
    with pytest.raises(Broken):
        await store.read(lambda tx: tx.settings.get("a"))
    with pytest.raises(Broken, match="without a folder"):
        await store.keep(b"x")
    again = await Store.open(url, None, clock)
    assert await keys(again) == ["last"]
    await again.close()


# what only one of the databases does


@pytest.fixture
def sqlite_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'one.db'}"


async def test_a_locked_database_means_try_again(sqlite_url, clock, tmp_path) -> None:
    store = await Store.open(sqlite_url, None, clock)
    engine = connect(sqlite_url, busy_ms=20)
    writer: Writer[Tx] = Writer(engine, lambda connection: Tx(connection, clock))
    other = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Retry):
        await writer.write(lambda tx: tx.settings.put("a", 1))
    other.execute("COMMIT")
    other.close()
    await writer.write(lambda tx: tx.settings.put("a", 1))
    assert await store.read(lambda tx: tx.settings.get("a")) == 1
    writer.close()
    engine.dispose()
    await store.close()


async def test_a_full_disk_means_try_again_and_nobody_is_told_a_lie(sqlite_url, clock) -> None:
    store = await Store.open(sqlite_url, None, clock)

    async def shrink(tx: Tx) -> None:
        pages = await tx.sql.value(text("PRAGMA page_count"))
        await tx.sql.value(text(f"PRAGMA max_page_count={pages + 4}"))

    await store.write(shrink)
    jobs = [store.write(lambda tx, n=n: tx.settings.put(str(n), "x" * (100_000 if n == 5 else 1))) for n in range(10)]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(results[5], Retry)
    assert all(result is None or isinstance(result, Retry) for result in results)
    assert await keys(store) == [str(n) for n, result in enumerate(results) if result is None]
    await store.write(lambda tx: tx.settings.put("small", 1))
    await store.close()


async def test_a_second_gateway_on_the_same_file_is_refused(sqlite_url, clock) -> None:
    first = await Store.open(sqlite_url, None, clock, exclusive=True)
    with pytest.raises(Broken, match="another gateway"):
        await Store.open(sqlite_url, None, clock, exclusive=True)
    command = await Store.open(sqlite_url, None, clock)  # the command line may look, and write
    await command.write(lambda tx: tx.settings.put("a", 1))
    await command.close()
    await first.close()
    second = await Store.open(sqlite_url, None, clock, exclusive=True)
    await second.close()


async def test_a_lost_connection_means_try_again(postgres, request, clock) -> None:
    address = postgres.format("postgres")
    engine = connect(address)
    writer: Writer[Tx] = Writer(engine, lambda connection: Tx(connection, clock))
    try:
        own = text("SELECT pg_backend_pid()")
        kill = text("SELECT pg_terminate_backend(pg_backend_pid())")
        jobs = [writer.write(lambda tx: tx.sql.value(own)), writer.write(lambda tx: tx.sql.value(kill))]
        first, second = await asyncio.gather(*jobs, return_exceptions=True)
        assert isinstance(second, Retry)
        assert isinstance(first, Retry | int)
        assert isinstance(await writer.write(lambda tx: tx.sql.value(own)), int)
    finally:
        writer.close()
        engine.dispose()


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense", "sqlite:////proc/nowhere/x.db"]
)
async def test_a_database_that_cannot_be_is_explained(url, clock) -> None:
    with pytest.raises(Broken):
        await Store.open(url, None, clock)
