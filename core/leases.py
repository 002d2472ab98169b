"""Leases: what this gateway alone may do, for as long as it goes on saying so.

A conversation's lane works only while its gateway holds the conversation's lease, so two gateways do not work on the
same words. Safety does not rest on that: a gateway that was frozen may wake up, believing that it still holds a lease.

- What it writes under a lease compares the lease's token in its own transaction (`confirm`), with the row locked: a
  turn is finished, a row leaves the outbox, only under the lease that is in force. An overtaken gateway raises `Lost`.
- What it sends: a row being sent names the token. Whoever has the lease next looks for the message on the platform
  before making the call again, and not at all where the platform cannot be read. The overtaken one stops by its own
  monotonic clock a second before the database lets anybody overtake it, and looks at that clock before every call.

What is left is a process that freezes for longer than a lease between that look and the system call, on a platform that
can be read back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from core.errors import MENDING, Broken, PolydeskError, Retry
from core.ports import Clock
from core.store.store import Store, Tx

log = structlog.get_logger()

TERM = 8.0  # seconds that a lease lasts; whoever dies is replaced after that
RENEW_EVERY = 2.0
LOOK_EVERY = 2.0  # seconds between two looks for work that nobody has the lease of
_MARGIN = 1.0  # seconds by which a holder stops before others may begin
_AGAIN = 1.0  # seconds between two attempts at what another gateway does
_REST = 3.0  # seconds for which a lease is kept without anything to do
SKEW_MS = 5_000  # by how much a gateway's clock may differ from the database's


class Lost(Retry):
    """Another gateway has the lease now, or may have; nothing was written."""


class Holding(Protocol):
    """What lanes and chores ask before they work."""

    def held(self, conversation: str) -> AbstractAsyncContextManager[bool]:
        """Hold the conversation while the context is open; False: another gateway does, and was told to look.

        Raises:
            Lost: at the end, after the context's work was cancelled because the lease ran out. Retry: on entry, the
                database is away.
        """
        ...

    async def confirm(self, tx: Tx, conversation: str) -> str:
        """The token of the lease, in the transaction that writes under it.

        Raises:
            Lost: it is not ours any more.
        """
        ...

    def sure(self, conversation: str) -> None:
        """Look at the clock before something that no transaction guards.

        Raises:
            Lost: too late.
        """
        ...

    async def alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do something that only one gateway may do, whenever that is this one, until it has been done."""
        ...


class Alone:
    """The holding of a gateway that has the database for itself: everything is its own, and costs nothing."""

    @asynccontextmanager
    async def held(self, conversation: str) -> AsyncIterator[bool]:
        """True."""
        yield True

    async def confirm(self, tx: Tx, conversation: str) -> str:
        """No token."""
        return ""

    def sure(self, conversation: str) -> None:
        """Always."""

    async def alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """At once."""
        await work()


@dataclass(slots=True)
class _Lease:
    token: str
    until: float  # by the loop's clock
    idle_since: float
    users: set[asyncio.Timeout] = field(default_factory=set)


class Leases:
    """The holding of one gateway among several; `tell(gateway, conversation)` wakes another one."""

    def __init__(
        self, store: Store, clock: Clock, gateway: str, tell: Callable[[str, str], None], *, term: float = TERM
    ) -> None:
        self._store = store
        self._clock = clock
        self._gateway = gateway
        self._tell = tell
        self._term = term
        self._kept: dict[str, _Lease] = {}
        self._asking: dict[str, asyncio.Task[str]] = {}
        self._strays: set[str] = set()  # tokens that the database knows and we do not

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Renew until the context ends, then let go of everything.

        Raises:
            Broken: on entry, this machine's clock is far from the database's.
        """
        await self._compare_clocks()
        renewing = asyncio.create_task(self._go_on(), name="leases")
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            self._lose(list(self._kept))
            try:
                await self._store.write(lambda tx: tx.leases.release(self._gateway))
            except PolydeskError as problem:
                log.warning("leases.not_released", problem=str(problem))

    @asynccontextmanager
    async def held(self, conversation: str) -> AsyncIterator[bool]:
        """See `Holding.held`."""
        other = await self._get(conversation)
        if other:
            self._tell(other, conversation)
            yield False
            return
        async with self._using(conversation):
            yield True

    async def confirm(self, tx: Tx, conversation: str) -> str:
        """See `Holding.confirm`; runs in the writer's thread."""
        lease = self._kept.get(conversation)
        if lease is None or not await tx.leases.confirm(conversation, lease.token):
            raise Lost(f"the lease of conversation {conversation} has passed on")
        return lease.token

    def sure(self, conversation: str) -> None:
        """See `Holding.sure`."""
        lease = self._kept.get(conversation)
        if lease is None or lease.until <= asyncio.get_running_loop().time():
            raise Lost(f"the lease of conversation {conversation} has run out")

    async def alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """See `Holding.alone`; what the work raises comes out."""
        while True:
            pause = _AGAIN
            try:
                ours = not await self._get(name)
            except PolydeskError as problem:
                # Whatever it is may be mended while we run; nobody else would do this work then.
                pause = max(problem.after, _AGAIN) if isinstance(problem, Retry) else MENDING
                log.warning("lease.not_taken", name=name, seconds=pause, problem=str(problem))
                ours = False
            if ours:
                try:
                    async with self._using(name):
                        log.info("lease.taken", name=name)
                        await work()
                    return
                except Lost:
                    log.warning("lease.lost", name=name)
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def _using(self, name: str) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        lease = self._kept.get(name)
        if lease is None:
            raise Lost(f"the lease {name} was lost at once")
        limit = asyncio.timeout_at(lease.until)
        try:
            async with limit:
                lease.users.add(limit)
                yield
        except TimeoutError as late:
            if limit.expired():
                raise Lost(f"the lease {name} has run out") from late
            raise
        finally:
            lease.users.discard(limit)
            lease.idle_since = loop.time()

    async def _get(self, name: str) -> str:
        """Empty when the lease is ours, now; else the gateway that has it."""
        lease = self._kept.get(name)
        if lease is not None and lease.until > asyncio.get_running_loop().time():
            return ""
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = asyncio.create_task(self._ask(name))
            asking.add_done_callback(lambda _: self._asking.pop(name, None))
            asking.add_done_callback(lambda task: task.cancelled() or task.exception())  # all who asked may be gone
        return await asyncio.shield(asking)

    async def _ask(self, name: str) -> str:
        loop = asyncio.get_running_loop()
        self._lose([name])
        while True:
            began = loop.time()
            taken = await self._store.write(lambda tx: tx.leases.take(name, self._gateway, int(self._term * 1000)))
            if taken.token:
                self._kept[name] = _Lease(taken.token, began + self._term - _MARGIN, loop.time())
                return ""
            if taken.gateway:
                return taken.gateway
            # Somebody took it and let it go again this very moment.

    async def _go_on(self) -> None:
        while True:
            try:
                await self._renew()
                await asyncio.sleep(RENEW_EVERY)
            except Exception as problem:
                # What is held runs out by itself; until then it is tried again, whatever it was.
                log.warning("leases.not_renewed", problem=f"{type(problem).__name__}: {problem}")
                await asyncio.sleep(RENEW_EVERY / 4)

    async def _renew(self) -> None:
        """One transaction: let go of what rests, prolong all else; what is not prolonged is lost."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        resting = [name for name, one in self._kept.items() if not one.users and began - one.idle_since > _REST]
        # Forgotten first: whoever wants one back asks the database, which hears of that after this.
        going = {self._kept.pop(name).token for name in resting} | self._strays
        if not (going or self._kept or self._asking):
            return

        async def renew(tx: Tx) -> dict[str, str]:
            await tx.leases.release(self._gateway, going)
            return await tx.leases.renew(self._gateway, int(self._term * 1000))

        self._strays = going  # until they are surely gone
        renewed = await self._store.write(renew)
        until = began + self._term - _MARGIN
        lost = []
        for name, lease in self._kept.items():
            if renewed.get(name) == lease.token:
                lease.until = until
                for limit in lease.users:
                    if not limit.expired():
                        limit.reschedule(until)
            elif lease.until <= until:  # a later one was taken while we asked
                lost.append(name)
        self._lose(lost)
        ours = {lease.token for lease in self._kept.values()}
        self._strays = {token for name, token in renewed.items() if token not in ours and name not in self._asking}

    def _lose(self, names: list[str]) -> None:
        for name in names:
            lease = self._kept.pop(name, None)
            for limit in lease.users if lease else ():
                if not limit.expired():
                    limit.reschedule(asyncio.get_running_loop().time())

    async def _compare_clocks(self) -> None:
        before = self._clock.now()
        theirs = await self._store.read(lambda tx: tx.leases.now())
        after = self._clock.now()
        ahead = (before + after) // 2 - theirs
        if abs(ahead) > SKEW_MS + (after - before) // 2:
            raise Broken(
                f"this machine's clock is {abs(ahead) / 1000:.0f} s {'ahead of' if ahead > 0 else 'behind'} the "
                "database's: set both by NTP (timedatectl set-ntp true), since gateways compare times through it"
            )
