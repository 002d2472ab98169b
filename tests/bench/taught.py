"""What the gateway's memory and disk pay for a training's snapshot: python -m tests.bench.taught [--turns 50000]."""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import bot.gateway  # what a gateway has loaded counts too
import bot.wiring  # noqa: F401
from core.history import AGENT, LabelledTurn
from core.snapshot import kept
from core.store.blobs import BlobFolder
from core.store.tables import new_id

WORDS = ("where is", "my order", "the parcel", "came broken", "today", "again", "please", "how do I", "return", "these")


def turn(lots: random.Random, at: int) -> LabelledTurn:
    """One drawn at random: 4 to 30 words, up to four earlier messages, every seventh with a photo."""

    def words(many: int) -> str:
        return " ".join(lots.choices(WORDS, k=many))

    photos = (f"{lots.getrandbits(256):064x}",) if lots.random() < 0.15 else ()
    history = tuple(words(12) for _ in range(lots.randint(0, 4)))
    return LabelledTurn(
        new_id(), new_id(), at, words(lots.randint(4, 30)), photos, (), history, "track", AGENT, (), "answer", "track"
    )


async def turns(many: int) -> AsyncIterator[LabelledTurn]:
    lots = random.Random(1)
    for at in range(many):
        yield turn(lots, at)


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--turns", type=int, default=50_000)
    return options


def main() -> None:
    many = arguments().parse_args().turns
    with tempfile.TemporaryDirectory() as folder:
        blobs = BlobFolder(Path(folder))
        before, began = _peak(), time.perf_counter()
        blob, _ = asyncio.run(kept(turns(many), blobs))
        print(f"{many} turns: {blobs.path(blob).stat().st_size / 1e6:.1f} MB, {time.perf_counter() - began:.1f} s")
        print(f"most memory of a process that imports the gateway: {before:.0f} MB before, {_peak():.0f} MB after")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
