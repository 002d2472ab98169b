"""The store: one database, written by one writer and read by many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from core.errors import Broken
from core.ports import Clock
from core.store.blobs import BlobFolder
from core.store.buttons import Buttons
from core.store.conversations import Conversations
from core.store.desk import Desk
from core.store.engines import FROZEN_MS, connect, sqlite_file
from core.store.knowledge import Knowledge
from core.store.labels import Labels
from core.store.leases import Leases
from core.store.ledger import Ledger
from core.store.locks import FileLock
from core.store.outbox import Outbox
from core.store.preferences import Preferences
from core.store.references import References
from core.store.sql import Sql
from core.store.trainings import Trainings
from core.store.transcript import Transcript
from core.store.trouble import translated
from core.store.turns import Turns
from core.store.upgrade import upgrade_now
from core.store.users import Users
from core.store.web import Web
from core.store.writer import Writer, drive

T = TypeVar("T")

READERS = 4


class Tx:
    """One transaction, with a door to every room of the store."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.sql = Sql(connection, clock)

    @cached_property
    def ledger(self) -> Ledger:
        """What platforms told us."""
        return Ledger(self.sql)

    @cached_property
    def conversations(self) -> Conversations:
        """Whose word it is."""
        return Conversations(self.sql)

    @cached_property
    def transcript(self) -> Transcript:
        """What was said."""
        return Transcript(self.sql)

    @cached_property
    def outbox(self) -> Outbox:
        """What is to be said."""
        return Outbox(self.sql)

    @cached_property
    def turns(self) -> Turns:
        """What was asked, predicted, decided."""
        return Turns(self.sql)

    @cached_property
    def buttons(self) -> Buttons:
        """What the keys on buttons mean."""
        return Buttons(self.sql)

    @cached_property
    def desk(self) -> Desk:
        """Who asked for a human."""
        return Desk(self.sql)

    @cached_property
    def labels(self) -> Labels:
        """What people said about answers."""
        return Labels(self.sql)

    @cached_property
    def trainings(self) -> Trainings:
        """What was learned from labels."""
        return Trainings(self.sql)

    @cached_property
    def blobs(self) -> References:
        """Who wants which blob."""
        return References(self.sql)

    @cached_property
    def knowledge(self) -> Knowledge:
        """The draft and its releases."""
        return Knowledge(self.sql)

    @cached_property
    def leases(self) -> Leases:
        """Which gateway may do what."""
        return Leases(self.sql)

    @cached_property
    def users(self) -> Users:
        """Who may log in."""
        return Users(self.sql)

    @cached_property
    def web(self) -> Web:
        """What the web chat shows."""
        return Web(self.sql)

    @cached_property
    def settings(self) -> Preferences:
        """What people set while it runs."""
        return Preferences(self.sql)


class Store:
    """The database and the blobs of one installation; make it with `open`."""

    def __init__(self, url: str, blobs: Path | None, clock: Clock, lock: FileLock | None) -> None:
        self.clock = clock
        self._blobs = None if blobs is None else BlobFolder(blobs)
        self._lock = lock
        self._engines: list[Engine] = [
            connect(url, frozen_ms=FROZEN_MS),
            connect(url, reading=True, size=READERS),
        ]
        self.writer = Writer(self._engines[0], self._transaction)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    @classmethod
    async def open(cls, url: str, blobs: Path | None, clock: Clock, *, exclusive: bool = False) -> Store:
        """Open the database, brought up to date first, and the folder of blobs.

        `exclusive` is for the gateway: with SQLite there can be only one, held by a lock file beside the database.

        Raises:
            Broken: the database cannot be used, was written by a newer Polydesk, or another gateway has it.
        """
        return await asyncio.to_thread(cls._open, url, blobs, clock, exclusive)

    @classmethod
    def _open(cls, url: str, blobs: Path | None, clock: Clock, exclusive: bool) -> Store:
        file = sqlite_file(url)
        lock = None
        if file is not None and exclusive:
            lock = FileLock(file.with_name(file.name + ".lock"))
            lock.take(busy=f"another gateway already runs on {file}; stop it first, or use PostgreSQL")
        try:
            upgrade_now(url)
            return cls(url, blobs, clock, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    @property
    def has_blobs(self) -> bool:
        """Whether the store was opened with a folder of blobs."""
        return self._blobs is not None

    @property
    def blobs(self) -> BlobFolder:
        """The folder of blobs.

        Raises:
            Broken: the store was opened without one.
        """
        if self._blobs is None:
            raise Broken("this store was opened without a folder for blobs")
        return self._blobs

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run a unit of work in a transaction and return its result once it is durable.

        It runs in the writer's thread and may await nothing but `tx`; if it raises, only its own changes are undone.

        Raises:
            Retry: locked, disk full, connection lost; nothing was changed, unless the connection broke while the
                transaction was committed: then nobody knows. Broken: closed or unusable. Whatever the
            work raised.
        """
        return await self.writer.write(work)

    async def read(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run a unit of work that only reads; it sees one snapshot, and waits for no writer.

        Raises:
            Retry, Broken: as `write`; Broken too when it tries to change something. Whatever the work raised.
        """
        loop = asyncio.get_running_loop()
        context = copy_context()
        try:
            reading = self._readers.submit(lambda: context.run(self._read, work))
        except RuntimeError as problem:
            raise Broken("the store is closed") from problem
        return await asyncio.wrap_future(reading, loop=loop)

    async def keep(self, raw: bytes) -> str:
        """Write a blob without standing in the loop's way; returns its SHA-256. See `BlobFolder.put`."""
        return await asyncio.to_thread(self.blobs.put, raw)

    async def fetch(self, sha: str) -> bytes:
        """Read a blob without standing in the loop's way. See `BlobFolder.get`."""
        return await asyncio.to_thread(self.blobs.get, sha)

    async def close(self) -> None:
        """Finish what was handed in, close the connections, let go of the lock."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.writer.close()
        self._readers.shutdown(wait=True)
        for engine in self._engines:
            engine.dispose()
        if self._lock is not None:
            self._lock.release()

    def _transaction(self, connection: Connection) -> Tx:
        return Tx(connection, self.clock)

    def _read(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        with translated(), self._engines[1].connect() as connection, connection.begin():
            return drive(work, self._transaction(connection))
