"""The room of trainings: one at a time, news in order, blobs that live as long as somebody needs them."""

from __future__ import annotations

import asyncio
from typing import Any

from core.errors import NotAllowed
from core.knowledge.entries import KnowledgeBase
from core.store.store import Store, Tx
from core.store.sweep import DAY
from core.store.trainings import TrainingRow
from core.training import Check, News, Options, Outcome

SNAPSHOT, MODEL, REPORT, BEFORE, TURNS = (letter * 64 for letter in "abcdf")
OUTCOME = Outcome(MODEL, REPORT, True, "not worse", (Check("accuracy", None, 0.9, True),))


async def begun(store: Store, by: str = "ada", kb_id: str = "kb") -> TrainingRow:
    async def begin(tx: Tx) -> TrainingRow:
        await tx.knowledge.set_head(kb_id, KnowledgeBase("Shop"))
        return await tx.trainings.begin(kb_id, 3, SNAPSHOT, TURNS, before=BEFORE, taught={"agent": 2}, by=by)

    return await store.write(begin)


async def wanted(store: Store) -> set[str]:
    every = (SNAPSHOT, MODEL, REPORT, BEFORE, TURNS)
    return {sha for sha in every if await store.read(lambda tx, sha=sha: tx.blobs.wanted(sha))}


async def test_one_at_a_time_for_each_knowledge_base(store: Store) -> None:
    results = await asyncio.gather(*(begun(store, by) for by in ("ada", "bob", "eve")), return_exceptions=True)
    (row,) = [one for one in results if isinstance(one, TrainingRow)]
    refused = [one for one in results if isinstance(one, NotAllowed)]
    assert len(refused) == 2 and f"started by {row.by}" in str(refused[0])
    await begun(store, kb_id="other")
    assert await store.read(lambda tx: tx.trainings.running("kb")) == row
    await store.write(lambda tx: tx.trainings.end(row.id, problem="broken off"))
    again = await begun(store)
    assert [one.id for one in await store.read(lambda tx: tx.trainings.list("kb"))] == [again.id, row.id]


async def test_news_that_come_twice_or_late_change_nothing(store: Store, clock) -> None:  # type: ignore[no-untyped-def]
    row = await begun(store)
    for seq, done in ((2, 20), (1, 10), (2, 99)):
        news = News(row.id, seq, "listening", done, 50)
        assert await store.write(lambda tx, news=news: tx.trainings.progress(news)) is ((seq, done) == (2, 20))
    found = await store.read(lambda tx: tx.trainings.get(row.id))
    assert found and (found.seq, found.stage, found.done, found.total) == (2, "listening", 20, 50)
    assert await store.write(lambda tx: tx.trainings.end(row.id, outcome=OUTCOME, keep_ms=DAY))
    assert not await store.write(lambda tx: tx.trainings.end(row.id, problem="it died"))
    assert not await store.write(lambda tx: tx.trainings.progress(News(row.id, 9, "late")))
    found = await store.read(lambda tx: tx.trainings.get(row.id))
    assert found and found.outcome == OUTCOME and not found.problem and found.ended_at == clock.now()


async def test_how_it_was_wished_and_who_stopped_it_are_kept(store: Store) -> None:
    async def begin(tx: Tx) -> TrainingRow:
        await tx.knowledge.set_head("kb", KnowledgeBase("Shop"))
        return await tx.trainings.begin(
            "kb", 3, SNAPSHOT, before="", taught={}, by="ada", options=Options(True, "early")
        )

    row = await store.write(begin)
    assert await store.write(lambda tx: tx.trainings.progress(News(row.id, 1, "fine-tuning", 3, 90, 870)))
    found = await store.read(lambda tx: tx.trainings.get(row.id))
    assert found and (found.options, found.seconds_left) == (Options(True, "early"), 870)
    assert await store.write(lambda tx: tx.trainings.end(row.id, problem="Stopped by bob", stopped_by="bob"))
    found = await store.read(lambda tx: tx.trainings.get(row.id))
    assert found and (found.running, found.stopped_by) == (False, "bob")


async def test_what_one_that_failed_learned_from_is_kept_for_a_day(store: Store, clock) -> None:  # type: ignore[no-untyped-def]
    row = await begun(store)
    await store.write(lambda tx: tx.trainings.end(row.id, problem="killed"))
    assert await wanted(store) == {SNAPSHOT, BEFORE, TURNS}
    clock.time += DAY + 1
    assert await wanted(store) == set()
    row = await begun(store)
    await store.write(lambda tx: tx.trainings.end(row.id, problem="Stopped by bob", stopped_by="bob"))
    assert await wanted(store) == set()


async def test_the_end_of_one_lets_go_of_what_earlier_ones_on_the_same_kept(store: Store) -> None:
    async def end(row: TrainingRow, **told: Any) -> TrainingRow | None:
        await store.write(lambda tx: tx.trainings.end(row.id, **told))
        return await store.read(lambda tx: tx.trainings.get(row.id))

    for told in ({"outcome": OUTCOME}, {"problem": "Stopped", "stopped_by": "bob"}, {"problem": "no", "refused": True}):
        first = await end(await begun(store), problem="killed")
        second = await begun(store)
        latest = await store.read(lambda tx: tx.trainings.latest("kb", SNAPSHOT))
        assert latest == second and first and first.broken_off and not second.broken_off
        other = await begun(store, kb_id="other")  # whose training goes on
        found = await end(second, **told)
        assert found and not found.broken_off and found.refused == ("refused" in told)
        assert {SNAPSHOT, TURNS} <= await wanted(store)
        await end(other, outcome=OUTCOME)
        assert not {SNAPSHOT, TURNS, BEFORE} & await wanted(store), told


async def test_blobs_live_as_long_as_somebody_needs_them(store: Store, clock) -> None:  # type: ignore[no-untyped-def]
    row = await begun(store)
    assert await wanted(store) == {SNAPSHOT, TURNS, BEFORE}
    await store.write(lambda tx: tx.trainings.end(row.id, outcome=OUTCOME, keep_ms=DAY))
    assert await wanted(store) == {MODEL, REPORT}
    # A release that names the model keeps it for good, the report goes when its time is over
    await store.write(lambda tx: tx.knowledge.publish("kb", "e" * 64, uses={MODEL}))
    clock.time += 2 * DAY
    assert await wanted(store) == {MODEL}
