"""The room of knowledge: one draft that people edit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, delete, func, select, update

from core.errors import BadInput
from core.knowledge.entries import Entry, KnowledgeBase
from core.store.blobs import valid_sha
from core.store.references import References
from core.store.releases import Releases
from core.store.sql import Sql
from core.store.tables import draft_entries as entries
from core.store.tables import knowledge_bases as table
from core.store.trouble import Conflict
from core.wire import dump, load


@dataclass(frozen=True, slots=True)
class DraftEntry:
    """An entry of the draft; `revision` is the draft's at its last change."""

    entry: Entry
    position: int
    revision: int
    updated_at: int
    updated_by: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole draft; `knowledge` holds head and entries in their order."""

    kb_id: str
    knowledge: KnowledgeBase
    revision: int
    updated_at: int
    entries: tuple[DraftEntry, ...] = ()


class Knowledge(Releases):
    """Drafts and releases of one transaction.

    Whoever edits says which `revision` they saw; when somebody else was faster the change raises Conflict instead of
    overwriting theirs. None edits whatever is there.
    """

    def __init__(self, sql: Sql) -> None:
        super().__init__(sql)
        self._refs = References(sql)

    async def bases(self) -> tuple[tuple[str, str], ...]:
        """(id, title) of every knowledge base."""
        rows = await self._sql.rows(select(table.c.id, table.c.title).order_by(table.c.id))
        return tuple((row.id, row.title) for row in rows)

    async def draft(self, kb_id: str) -> Draft | None:
        """The whole draft, None when there is no such knowledge base."""
        head = await self._sql.row(select(table).where(table.c.id == kb_id))
        if head is None:
            return None
        query = select(entries).where(entries.c.kb_id == kb_id).order_by(entries.c.position, entries.c.entry)
        kept = tuple(_from_row(row) for row in await self._sql.rows(query))
        knowledge = replace(load(KnowledgeBase, head.head), entries=tuple(one.entry for one in kept))
        return Draft(kb_id, knowledge, head.revision, head.updated_at, kept)

    async def head(self, kb_id: str) -> KnowledgeBase | None:
        """Title, language, messages, desk, error budget and cases, without the entries."""
        plain = await self._sql.value(select(table.c.head).where(table.c.id == kb_id))
        return None if plain is None else load(KnowledgeBase, plain)

    async def get(self, kb_id: str, id: str) -> DraftEntry | None:
        """One entry of the draft."""
        row = await self._sql.row(select(entries).where(entries.c.kb_id == kb_id, entries.c.entry == id))
        return None if row is None else _from_row(row)

    async def put(self, kb_id: str, entry: Entry, *, by: str = "", revision: int | None = None) -> DraftEntry:
        """Add an entry at the end, or change the one with its id.

        `revision` is the entry's that the editor saw, 0 for "this is new".

        Raises:
            Conflict: somebody else changed, added or deleted it. BadInput: no such knowledge base.
        """
        current = await self._touch(kb_id)
        known = await self.get(kb_id, entry.id)
        if revision is not None and revision != (known.revision if known else 0):
            raise Conflict(f"somebody else has changed {entry.id} meanwhile; look at theirs first")
        position = known.position if known else await self._end(kb_id)
        return await self._store(kb_id, entry, position, current, by)

    async def delete(self, kb_id: str, id: str, *, revision: int | None = None) -> bool:
        """Remove an entry from the draft; False when there is none.

        Raises:
            Conflict: it is not the `revision` that the editor saw. BadInput: no such knowledge base.
        """
        known = await self.get(kb_id, id)
        if known is None:
            return False
        await self._touch(kb_id)
        if revision is not None and revision != known.revision:
            raise Conflict(f"somebody else has changed {id} meanwhile; look at theirs first")
        await self._refs.release(_owner(kb_id, id))
        return await self._sql.run(delete(entries).where(entries.c.kb_id == kb_id, entries.c.entry == id)) == 1

    async def set_head(self, kb_id: str, knowledge: KnowledgeBase, *, revision: int | None = None) -> int:
        """Replace everything but the entries, or make the knowledge base; returns the draft's new revision.

        Raises:
            Conflict: the draft is not at the `revision` that the editor saw.
        """
        plain = dump(replace(knowledge, entries=()))
        row = {"id": kb_id, "title": knowledge.title, "head": plain, "updated_at": self._sql.now}
        await self._sql.run(self._sql.insert(table).values(**row).on_conflict_do_nothing())
        current = await self._touch(kb_id, revision)
        await self._sql.run(update(table).where(table.c.id == kb_id).values(title=knowledge.title, head=plain))
        return current

    async def replace(
        self, kb_id: str, knowledge: KnowledgeBase, *, by: str = "", revision: int | None = None
    ) -> Draft:
        """Replace the whole draft, or make it; unchanged entries keep their revision.

        Raises:
            Conflict: the draft is not at the `revision` that the editor saw.
        """
        current = await self.set_head(kb_id, knowledge, revision=revision)
        before = await self.draft(kb_id)
        known = {one.entry.id: one for one in before.entries} if before else {}
        for gone in known.keys() - {entry.id for entry in knowledge.entries}:
            await self.delete(kb_id, gone)
        for position, entry in enumerate(knowledge.entries):
            same = known.get(entry.id)
            if same is None or same.entry != entry:
                await self._store(kb_id, entry, position, current, by)
            elif same.position != position:
                change = update(entries).where(entries.c.kb_id == kb_id, entries.c.entry == entry.id)
                await self._sql.run(change.values(position=position))
        after = await self.draft(kb_id)
        assert after is not None
        return after

    async def _store(self, kb_id: str, entry: Entry, position: int, revision: int, by: str) -> DraftEntry:
        kept = DraftEntry(entry, position, revision, self._sql.now, by)
        row: dict[str, Any] = {
            "kb_id": kb_id,
            "entry": entry.id,
            "position": position,
            "doc": dump(entry),
            "revision": revision,
            "updated_at": kept.updated_at,
            "updated_by": by,
        }
        await self._sql.upsert(entries, row)
        await self._refs.release(_owner(kb_id, entry.id))
        for sha in {*entry.photos, *entry.media}:
            if valid_sha(sha):
                await self._refs.refer(sha, _owner(kb_id, entry.id), "draft")
        return kept

    async def _touch(self, kb_id: str, revision: int | None = None) -> int:
        """Count a change of the draft, which also locks it; returns the new revision."""
        change = update(table).where(table.c.id == kb_id)
        if revision is not None:
            change = change.where(table.c.revision == revision)
        counted = change.values(revision=table.c.revision + 1, updated_at=self._sql.now).returning(table.c.revision)
        current = await self._sql.value(counted)
        if current is not None:
            return int(current)
        if revision is not None and await self.head(kb_id) is not None:
            raise Conflict("somebody else has changed the draft meanwhile; look at theirs first")
        raise BadInput(f"there is no knowledge base {kb_id}")

    async def _end(self, kb_id: str) -> int:
        last = await self._sql.value(select(func.max(entries.c.position)).where(entries.c.kb_id == kb_id))
        return 0 if last is None else int(last) + 1


def _owner(kb_id: str, entry: str) -> str:
    return f"draft:{kb_id}:{entry}"


def _from_row(row: Row[Any]) -> DraftEntry:
    return DraftEntry(load(Entry, row.doc), row.position, row.revision, row.updated_at, row.updated_by)
