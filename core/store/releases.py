"""Published knowledge: numbered, immutable, one of them live."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, insert, select, update

from core.errors import BadInput
from core.knowledge.entries import Entry
from core.store.blobs import valid_sha
from core.store.references import References
from core.store.sql import Sql
from core.store.tables import draft_entries, knowledge_bases
from core.store.tables import releases as table
from core.wire import load


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release in the books; what it holds lies in `blob`, and `digest` tells two of equal content."""

    kb_id: str
    number: int
    blob: str
    digest: str
    published_at: int
    by: str
    note: str
    live: bool


class Releases:
    """Releases of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def publish(
        self, kb_id: str, blob: str, *, digest: str = "", by: str = "", note: str = "", uses: Collection[str] = ()
    ) -> ReleaseRow:
        """Make a blob the next release, live from now on.

        The release keeps its blob, the blobs in `uses` and those of the draft's photos from being swept.

        Raises:
            BadInput: no such knowledge base, or not a blob.
        """
        docs = await self._sql.column(select(draft_entries.c.doc).where(draft_entries.c.kb_id == kb_id))
        drafted = [load(Entry, doc) for doc in docs]
        shown = {sha for entry in drafted for sha in (*entry.photos, *entry.media) if valid_sha(sha)}
        return await self._add(kb_id, blob, digest, by, note, {*uses, *shown})

    async def rollback(self, kb_id: str, number: int, *, by: str = "", note: str = "") -> ReleaseRow:
        """Publish an old release again, under a new number.

        Raises:
            BadInput: there is no such release.
        """
        old = await self.release(kb_id, number)
        if old is None:
            raise BadInput(f"there is no release {number} of {kb_id}")
        uses = {one.sha for one in await References(self._sql).of(_owner(kb_id, number))}
        return await self._add(kb_id, old.blob, old.digest, by, note or f"back to release {number}", uses)

    async def live(self, kb_id: str) -> ReleaseRow | None:
        """The release that answers now; None when nothing was ever published."""
        row = await self._sql.row(select(table).where(table.c.kb_id == kb_id, table.c.live.is_(True)))
        return None if row is None else ReleaseRow(**row._mapping)

    async def release(self, kb_id: str, number: int) -> ReleaseRow | None:
        """The release of this number."""
        row = await self._sql.row(select(table).where(table.c.kb_id == kb_id, table.c.number == number))
        return None if row is None else ReleaseRow(**row._mapping)

    async def releases(self, kb_id: str) -> tuple[ReleaseRow, ...]:
        """All releases, newest first."""
        query = select(table).where(table.c.kb_id == kb_id).order_by(table.c.number.desc())
        return tuple(ReleaseRow(**row._mapping) for row in await self._sql.rows(query))

    async def _add(self, kb_id: str, blob: str, digest: str, by: str, note: str, uses: Collection[str]) -> ReleaseRow:
        lock = select(knowledge_bases.c.id).where(knowledge_bases.c.id == kb_id).with_for_update()
        if await self._sql.value(lock) is None:
            raise BadInput(f"there is no knowledge base {kb_id}")
        last = await self._sql.value(select(func.max(table.c.number)).where(table.c.kb_id == kb_id))
        row = ReleaseRow(kb_id, int(last or 0) + 1, blob, digest, self._sql.now, by, note, live=True)
        await self._sql.run(update(table).where(table.c.kb_id == kb_id).values(live=False))
        await self._sql.run(insert(table), {name: getattr(row, name) for name in ReleaseRow.__slots__})
        refs = References(self._sql)
        for sha in {blob, *uses}:
            await refs.refer(sha, _owner(kb_id, row.number), "release")
        return row


def _owner(kb_id: str, number: int) -> str:
    return f"release:{kb_id}:{number}"
