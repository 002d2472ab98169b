"""The sweep: what is older than it may be goes, from the books and from the folder."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy import and_, delete, or_, select

from core.conversation import Owner
from core.store.blobs import BlobFolder
from core.store.store import Store, Tx
from core.store.tables import blob_refs, conversations, web_messages, web_sessions

HOUR = 3600 * 1000
DAY = 24 * HOUR
LEDGER_DAYS = 2  # how long keys of dedupe are kept
GRACE_SECONDS = 3600.0  # a blob may lie in the folder for a while before anything refers to it
STRAY_SECONDS = 24 * 3600.0  # a file that no book has ever heard of, left by a crash
BATCH = 200
_ALIVE = select(conversations.c.chat).where(conversations.c.platform == "web")


@dataclass(frozen=True, slots=True)
class Swept:
    """How many of each went."""

    conversations: int = 0
    sessions: int = 0
    buttons: int = 0
    events: int = 0
    blobs: int = 0
    strays: int = 0


async def sweep(store: Store, *, retention_days: int) -> Swept:
    """Delete what its time is over for; safe to run at any moment, and again after a crash.

    Conversations go with everything that hangs on them (messages, turns, labels, files) once they were resolved, or
    silent, for `retention_days`; one that waits for a human stays. Settled events go after two days, blobs when nobody
    wants them any longer. Work is done in batches, so that nobody waits long behind it.

    Raises:
        Retry, Broken: as `Store.write`.
    """
    now = store.clock.now()
    before = now - retention_days * DAY
    gone = 0
    while batch := await store.write(lambda tx: _conversations(tx, before)):
        gone += batch
    sessions = await store.write(lambda tx: _sessions(tx, before))
    buttons = await store.write(lambda tx: tx.buttons.expire(now))
    events = await store.write(lambda tx: tx.ledger.purge(now - LEDGER_DAYS * DAY))
    await store.write(lambda tx: tx.leases.purge())
    blobs, strays = await _blobs(store, now)
    return Swept(gone, sessions, buttons, events, blobs, strays)


async def forget(store: Store, conversation: str) -> bool:
    """Delete one conversation with everything that hangs on it, as when a customer asks for it; False if unknown."""
    done = await store.write(lambda tx: _delete(tx, (conversation,)))
    return done == 1


async def _conversations(tx: Tx, before: int) -> int:
    resolved = and_(conversations.c.resolved_at != 0, conversations.c.resolved_at < before)
    silent = and_(
        conversations.c.resolved_at == 0,
        conversations.c.owner != Owner.DESK.value,
        conversations.c.heard_at < before,
        conversations.c.agent_at < before,
    )
    found = await tx.sql.column(select(conversations.c.id).where(or_(resolved, silent)).limit(BATCH))
    return await _delete(tx, found)


async def _delete(tx: Tx, ids: tuple[str, ...]) -> int:
    if not ids:
        return 0
    chats = select(conversations.c.chat).where(conversations.c.id.in_(ids), conversations.c.platform == "web")
    sessions = await tx.sql.column(chats)
    await tx.sql.run(delete(blob_refs).where(blob_refs.c.owner.in_(ids)))
    gone = await tx.sql.run(delete(conversations).where(conversations.c.id.in_(ids)))
    if sessions:  # what the customer's browser shows, unless a later conversation goes on there
        await tx.sql.run(delete(web_sessions).where(web_sessions.c.id.in_(sessions), web_sessions.c.id.not_in(_ALIVE)))
    return gone


async def _sessions(tx: Tx, before: int) -> int:
    """Web chats that began and were last written to before, and of which no conversation is left."""
    written = select(web_messages.c.session).where(web_messages.c.at >= before)
    return await tx.sql.run(
        delete(web_sessions).where(
            web_sessions.c.created_at < before, web_sessions.c.id.not_in(written), web_sessions.c.id.not_in(_ALIVE)
        )
    )


async def _blobs(store: Store, now: int) -> tuple[int, int]:
    await store.write(lambda tx: tx.blobs.expire(now))
    if not store.has_blobs:
        return 0, 0
    folder = store.blobs
    swept = strays = 0
    for sha in await store.read(lambda tx: tx.blobs.orphans(now)):
        swept += await _drop(store, sha, GRACE_SECONDS)
    for sha in await asyncio.to_thread(_old, folder, now / 1000):
        strays += await _drop(store, sha, STRAY_SECONDS, strays_only=True)
    return swept, strays


def _old(folder: BlobFolder, now: float) -> list[str]:
    return [sha for sha in folder.all() if (folder.age(sha, now) or 0.0) > STRAY_SECONDS]


async def _drop(store: Store, sha: str, grace: float, *, strays_only: bool = False) -> bool:
    folder = store.blobs

    async def work(tx: Tx) -> bool:
        """Inside the transaction in which nobody wants it: nobody can begin to until it is over."""
        await tx.blobs.hold(sha)
        age = folder.age(sha, tx.sql.now / 1000)
        if await tx.blobs.wanted(sha) or (age is not None and age < grace):
            return False
        if strays_only and await tx.blobs.known(sha):
            return False
        await tx.blobs.forget(sha)
        folder.delete(sha)
        return True

    return await store.write(work)
