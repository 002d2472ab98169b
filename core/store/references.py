"""The room of blobs: who still wants which one, so that it goes with the last who did."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, delete, exists, or_, select

from core.errors import BadInput
from core.store.blobs import valid_sha
from core.store.sql import Sql
from core.store.tables import blob_refs, blobs


@dataclass(frozen=True, slots=True)
class Reference:
    """`owner` wants the blob, as a `kind` of thing, until `expires_at` (0: until the owner lets go)."""

    sha: str
    owner: str
    kind: str
    expires_at: int = 0


class References:
    """References of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def refer(self, sha: str, owner: str, kind: str, expires_at: int = 0) -> None:
        """Say that `owner` (a conversation's id, or any other name) wants a blob; the longer wish counts.

        Raises:
            BadInput: not a SHA-256.
        """
        if not valid_sha(sha):
            raise BadInput("a blob is named by 64 lower-case hexadecimal digits")
        row = {"sha": sha, "created_at": self._sql.now}
        await self._sql.run(self._sql.insert(blobs).values(**row).on_conflict_do_nothing())
        wish = self._sql.insert(blob_refs).values(sha=sha, owner=owner, kind=kind, expires_at=expires_at)
        new, old = wish.excluded.expires_at, blob_refs.c.expires_at
        longer = case((or_(new == 0, old == 0), 0), (new > old, new), else_=old)
        keys = ["sha", "owner", "kind"]
        await self._sql.run(wish.on_conflict_do_update(index_elements=keys, set_={"expires_at": longer}))

    async def release(self, owner: str, kind: str = "") -> int:
        """The owner wants nothing (of this kind) any longer; returns how many references went."""
        change = delete(blob_refs).where(blob_refs.c.owner == owner)
        return await self._sql.run(change.where(blob_refs.c.kind == kind) if kind else change)

    async def of(self, owner: str) -> tuple[Reference, ...]:
        """What an owner wants."""
        query = select(blob_refs).where(blob_refs.c.owner == owner).order_by(blob_refs.c.kind, blob_refs.c.sha)
        return tuple(Reference(**row._mapping) for row in await self._sql.rows(query))

    async def wanted(self, sha: str) -> bool:
        """Whether anybody wants this blob still."""
        query = select(exists().where(blob_refs.c.sha == sha, _alive(self._sql.now)))
        return bool(await self._sql.value(query))

    async def known(self, sha: str) -> bool:
        """Whether anybody ever wanted this blob and it was not swept since."""
        return bool(await self._sql.value(select(exists().where(blobs.c.sha == sha))))

    async def expire(self, now: int) -> int:
        """Drop the references whose time is over; returns how many."""
        return await self._sql.run(delete(blob_refs).where(~_alive(now)))

    async def orphans(self, now: int, limit: int = 1000) -> tuple[str, ...]:
        """Blobs that nobody wants any longer."""
        wanted = exists().where(blob_refs.c.sha == blobs.c.sha, _alive(now))
        return await self._sql.column(select(blobs.c.sha).where(~wanted).order_by(blobs.c.sha).limit(limit))

    async def hold(self, sha: str) -> None:
        """Until the transaction ends, nobody begins to want a blob that is in the books: who just did is waited for.

        SQLite has one writer at a time; on PostgreSQL a new reference locks the blob's row, and so does this.
        """
        await self._sql.value(select(blobs.c.sha).where(blobs.c.sha == sha).with_for_update())

    async def forget(self, sha: str) -> None:
        """Strike a blob from the books; its file is removed by whoever calls this."""
        await self._sql.run(delete(blobs).where(blobs.c.sha == sha))


def _alive(now: int) -> ColumnElement[bool]:
    return or_(blob_refs.c.expires_at == 0, blob_refs.c.expires_at > now)
