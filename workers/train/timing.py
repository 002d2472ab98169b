"""How long encoders take beside each other, and how much memory each holds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from workers.model.shelf import Shelf

Item = TypeVar("Item")
BATCH = 32
_ROUNDS = 3  # of the batch, of which the best counts: whatever else the machine does only adds
TEXT, IMAGE = "text", "image"


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds for one item (median, 95th percentile), items a second in batches of 32, on one thread.

    Time is the processor's: what else the machine does meanwhile does not count.

    `memory` is what a process holds that has loaded this encoder alone, in bytes; None where it cannot be told.
    """

    p50: float
    p95: float
    batched: float
    memory: int | None = None


def timed(encode: Sequence[Callable[[list[Item]], object]], items: Sequence[Item]) -> list[Speed]:
    """The speed of each encoder on the same items, taken in turns, so that a hot processor hits all of them."""
    batch = [items[place % len(items)] for place in range(BATCH)]
    for one in encode:
        one(batch[:2])  # the first run plans its memory
    singles = np.empty((len(encode), len(items)))
    for place, item in enumerate(items):
        for who, one in enumerate(encode):
            singles[who, place] = _seconds(one, [item])
    batches = [min(_seconds(one, batch) for _ in range(_ROUNDS)) for one in encode]
    return [
        Speed(
            p50=1000 * float(np.median(own)),
            p95=1000 * float(np.quantile(own, 0.95)),
            batched=BATCH / max(together, 1e-9),
        )
        for own, together in zip(singles, batches, strict=True)
    ]


def _seconds(encode: Callable[[list[Item]], object], items: list[Item]) -> float:
    began = time.process_time()
    encode(items)
    return time.process_time() - began


@dataclass(frozen=True, slots=True)
class Loaded:
    """An encoder for another process to load: arguments of `Shelf`, which encoder of it, the language of a text."""

    models: str
    what: str
    name: str
    language: str = "en"
    forms: dict[str, str] | None = None


def memory(one: Loaded) -> int | None:
    """Bytes that a process holds after it loaded an encoder and encoded a batch; None where nobody can tell."""
    command = [sys.executable, "-m", __name__, json.dumps(asdict(one))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout.strip()
    return int(said) if done.returncode == 0 and said.isdigit() and int(said) else None


def _load(plain: dict[str, Any]) -> int:
    forms = {of: Path(folder) for of, folder in (plain["forms"] or {}).items()}
    names = {plain["what"]: plain["name"]}
    shelf = Shelf(Path(plain["models"]), device="cpu", forms=forms, **names)
    if plain["what"] == TEXT:
        shelf.text(plain["language"]).encode(["where is my order, please? " * 2] * BATCH)
    else:
        shelf.image.encode([np.zeros((260, 260, 3), np.uint8)] * 8)
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    import resource

    return int(statm.read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    print(_load(json.loads(sys.argv[1])))
