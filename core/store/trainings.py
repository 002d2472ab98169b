"""The room of trainings: what was learned from, how far it is, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update

from core.errors import NotAllowed
from core.store.references import References
from core.store.sql import Sql
from core.store.tables import knowledge_bases, new_id
from core.store.tables import trainings as table
from core.training import USUAL, News, Options, Outcome
from core.wire import dump, load


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A training in the books; moments are UTC ms, 0 until they come.

    `release` is the number of the one that was live, `before` the blob of the model that was in force (empty: the
    shipped one), `taught` counts the labelled turns by who labelled them. `seq` is 0 until a worker has taken it.
    `options` is how it was wished, `seconds_left` how long the rest of its stage will take, 0 when nobody knows. It
    ended with an `outcome`, or with a `problem`: a sentence; `stopped_by` names the admin who stopped it, `refused`
    says that the same would be refused again.
    """

    id: str
    kb_id: str
    release: int
    snapshot: str
    before: str
    taught: dict[str, int]
    by: str
    started_at: int
    options: Options = USUAL
    heard_at: int = 0
    seq: int = 0
    stage: str = ""
    done: int = 0
    total: int = 0
    seconds_left: int = 0
    ended_at: int = 0
    outcome: Outcome | None = None
    problem: str = ""
    stopped_by: str = ""
    refused: bool = False

    @property
    def running(self) -> bool:
        """Whether nobody knows yet what comes of it."""
        return not self.ended_at

    @property
    def broken_off(self) -> bool:
        """Whether it ended before it was done, with nobody who wanted so: it may be gone on with."""
        return bool(self.ended_at) and self.outcome is None and not self.stopped_by and not self.refused


RESTS_MS = 24 * 3_600_000  # for which one that failed may be gone on with


class Trainings:
    """Trainings of one transaction; one that has ended changes only where it had seemed to break off."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._refs = References(sql)

    async def begin(
        self,
        kb_id: str,
        release: int,
        snapshot: str,
        turns: str = "",
        *,
        before: str,
        taught: Mapping[str, int],
        by: str,
        options: Options = USUAL,
    ) -> TrainingRow:
        """A training begins, which keeps its snapshot, its turns and the model it is compared with from being swept.

        Raises:
            NotAllowed: another one of this knowledge base has not ended.
        """
        await self._one_at_a_time(kb_id)
        await self.none_running(kb_id)
        row = TrainingRow(new_id(), kb_id, release, snapshot, before, dict(taught), by, self._sql.now, options)
        kept = {name: getattr(row, name) for name in TrainingRow.__slots__}
        await self._sql.run(insert(table), {**kept, "options": dump(options)})
        for sha in {snapshot, turns, before} - {""}:
            await self._refs.refer(sha, _owner(row.id), "snapshot")
        return row

    async def progress(self, news: News) -> bool:
        """Note how far it is; False for old news, and when it has ended."""
        change = update(table).where(table.c.id == news.training, table.c.ended_at == 0, table.c.seq < news.seq)
        told = {name: getattr(news, name) for name in ("seq", "stage", "done", "total", "seconds_left")}
        return await self._sql.run(change.values(heard_at=self._sql.now, **told)) == 1

    async def end(
        self,
        id: str,
        *,
        outcome: Outcome | None = None,
        problem: str = "",
        stopped_by: str = "",
        refused: bool = False,
        keep_ms: int = 0,
    ) -> bool:
        """It has ended; model and report are kept for `keep_ms`, longer where a release names them.

        What one that broke off learned from is kept for `RESTS_MS`, so that it may be started again; earlier ones on
        the same need it no more. False when it had ended before: then nothing changes, but for the newest on what it
        learned from that seemed to break off, as when its worker was cut off, and came to an outcome after all.
        """
        now = self._sql.now
        said = dump(outcome) if outcome else None
        told = {"outcome": said, "problem": problem, "stopped_by": stopped_by, "refused": refused}
        row = await self.get(id)
        if row is None:
            return False
        await self._one_at_a_time(row.kb_id)
        change = update(table).where(table.c.id == id)
        if outcome is None or not await self._newest_broken_off(id):
            change = change.where(table.c.ended_at == 0)
        if await self._sql.run(change.values(ended_at=now, **told)) != 1:
            return False
        learned_from = [one.sha for one in await self._refs.of(_owner(id)) if one.kind == "snapshot"]
        for one in await self.on_the_same(id):
            await self._refs.release(_owner(one), "snapshot")
        if outcome is None and not stopped_by and not refused:
            for sha in learned_from:
                await self._refs.refer(sha, _owner(id), "snapshot", now + RESTS_MS)
        if outcome is not None:
            await self._refs.refer(outcome.model, _owner(id), "model", now + keep_ms)
            await self._refs.refer(outcome.report, _owner(id), "report", now + keep_ms)
        return True

    async def running(self, kb_id: str) -> TrainingRow | None:
        """The training of a knowledge base that has not ended."""
        row = await self._sql.row(select(table).where(table.c.kb_id == kb_id, table.c.ended_at == 0))
        return _from_row(row) if row is not None else None

    async def none_running(self, kb_id: str) -> None:
        """Raise NotAllowed when a training of a knowledge base has not ended."""
        other = await self.running(kb_id)
        if other is not None:
            raise NotAllowed(
                f"a training is running already, started by {other.by}: wait until it has ended, or stop it"
            )

    async def latest(self, kb_id: str, snapshot: str) -> TrainingRow | None:
        """The newest training of a knowledge base that learns from this blob."""
        query = select(table).where(table.c.kb_id == kb_id, table.c.snapshot == snapshot)
        row = await self._sql.row(query.order_by(table.c.id.desc()).limit(1))
        return _from_row(row) if row is not None else None

    async def on_the_same(self, id: str) -> tuple[str, ...]:
        """All trainings of the same knowledge base that learn from the same blob as this one, itself among them."""
        own = select(table.c.kb_id, table.c.snapshot).where(table.c.id == id).subquery()
        query = select(table.c.id).where(table.c.kb_id == own.c.kb_id, table.c.snapshot == own.c.snapshot)
        return await self._sql.column(query)

    async def _one_at_a_time(self, kb_id: str) -> None:
        """Whoever begins or ends a training of a knowledge base at the same moment waits here, then sees ours."""
        await self._sql.value(select(knowledge_bases.c.id).where(knowledge_bases.c.id == kb_id).with_for_update())

    async def _newest_broken_off(self, id: str) -> bool:
        row = await self.get(id)
        if row is None or not row.broken_off:
            return False
        latest = await self.latest(row.kb_id, row.snapshot)
        return latest is not None and latest.id == id

    async def get(self, id: str) -> TrainingRow | None:
        """One training."""
        row = await self._sql.row(select(table).where(table.c.id == id))
        return _from_row(row) if row is not None else None

    async def list(self, kb_id: str, *, limit: int = 50) -> tuple[TrainingRow, ...]:
        """Trainings, newest first."""
        query = select(table).where(table.c.kb_id == kb_id).order_by(table.c.id.desc()).limit(limit)
        return tuple(_from_row(row) for row in await self._sql.rows(query))


def _owner(id: str) -> str:
    return f"training:{id}"


def _from_row(row: Row[Any]) -> TrainingRow:
    kept = dict(row._mapping)
    outcome = load(Outcome, kept["outcome"]) if kept["outcome"] else None
    return TrainingRow(**{**kept, "options": load(Options, kept["options"]), "outcome": outcome})
