"""What was acknowledged survives a kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from sqlalchemy import select, text

from core.store.store import Store
from core.store.tables import events, messages

WRITES_FOR_EVER = """
import asyncio, sys
from core.clock import WallClock
from core.store.store import Store
from core.values import Address, Author, EventKind, InboundEvent

async def customer(store, number):
    count = 0
    while True:
        key = f"{number}-{count}"
        event = InboundEvent(key, EventKind.CREATED, Address("web", "us", str(number)), Author("a"), at=1, text=key)
        await store.write(lambda tx: tx.ledger.remember(event, 10**9, "bot", "kb"))
        print(key, flush=True)
        count += 1

async def main():
    store = await Store.open(sys.argv[1], None, WallClock(), exclusive=True)
    await asyncio.gather(*(customer(store, number) for number in range(8)))

asyncio.run(main())
"""


def killed_while_writing(url: str) -> list[str]:
    """The keys that a process said were committed before it was killed."""
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES_FOR_EVER, url], cwd=root, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(300)]
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return acknowledged + rest.split("\n")[:-1]  # the last line may be torn


async def test_what_was_acknowledged_is_there_after_a_kill(url, clock) -> None:
    acknowledged = await asyncio.to_thread(killed_while_writing, url)

    store = await Store.open(url, None, clock, exclusive=True)  # the lock died with its holder
    kept = await store.read(lambda tx: tx.sql.column(select(events.c.key)))
    assert len(acknowledged) >= 300 and set(acknowledged) <= set(kept)
    said = await store.read(lambda tx: tx.sql.column(select(messages.c.event)))
    assert sorted(said) == sorted(kept), "an event and its message are one fact"
    if url.startswith("sqlite"):
        assert await store.read(lambda tx: tx.sql.value(text("PRAGMA integrity_check"))) == "ok"
    waiting = await store.read(lambda tx: tx.ledger.unanswered())
    assert len(waiting) == 8
    await store.close()
