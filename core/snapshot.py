"""What a training learns from: a blob that names other blobs, a folder once a worker has unpacked it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path

from core import wire
from core.errors import BadInput
from core.history import LabelledTurn
from core.history_file import written
from core.knowledge.entries import KnowledgeBase
from core.knowledge.export import save
from core.store.blobs import BlobFolder


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is learned from: what was live, with what past turns teach; files are blobs.

    `turns` is the blob that `kept` made, empty without any: there may be too many to hold in memory. `model` is that of
    the model that was in force, empty for the shipped one: the candidate must not be worse.
    """

    knowledge: KnowledgeBase
    turns: str = ""
    model: str = ""


async def kept(turns: AsyncIterable[LabelledTurn], blobs: BlobFolder) -> tuple[str, Counter[str]]:
    """Write turns into a blob as they come, a line each (`core.wire`).

    Returns:
        The blob, empty without any turn, with how many there are by who labelled them.

    Raises:
        Retry: the disk is full. Broken: the folder of blobs cannot be written.
    """
    counts: Counter[str] = Counter()
    with blobs.scratch() as lines:
        async for turn in turns:
            lines.write(wire.dumps(turn).encode() + b"\n")
            counts[turn.by] += 1
        return await asyncio.to_thread(lines.put) if counts else "", counts


def read(raw: bytes) -> Snapshot:
    """A snapshot from its blob; raises BadInput when another version of Polydesk has made it."""
    try:
        return wire.loads(Snapshot, raw)
    except BadInput as problem:
        raise BadInput(
            f"Another version of Polydesk asked for this training ({problem}). Start a new one."
        ) from problem


def unpacked(snapshot: Snapshot, folder: Path, blobs: BlobFolder) -> tuple[Path, Path | None]:
    """Write what `polydesk train` reads: the folder of the knowledge base, the history's file (None without any).

    A customer's file that is gone meanwhile is left out, as `polydesk history export` does.

    Raises:
        Broken: a file of the knowledge base is missing, or the turns are. OSError: the folder cannot be written.
    """
    save(snapshot.knowledge, folder / "kb", blobs.get)
    history = folder / "history.jsonl"
    counts: Counter[str] = Counter()
    with written(history, blobs, counts) as add:
        for line in blobs.lines(snapshot.turns) if snapshot.turns else ():
            add(wire.loads(LabelledTurn, line))
    return folder / "kb", history if history.stat().st_size else None
