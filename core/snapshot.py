"""What a training learns from: a blob that names other blobs, a folder once a worker has unpacked it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from core.history import LabelledTurn
from core.history_file import written
from core.knowledge.entries import KnowledgeBase
from core.knowledge.export import save
from core.store.blobs import BlobFolder


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is learned from: what was live, with what past turns teach; files are blobs.

    `model` is the blob of the model that was in force, empty for the shipped one: the candidate must not be worse.
    """

    knowledge: KnowledgeBase
    turns: tuple[LabelledTurn, ...] = ()
    model: str = ""


def unpacked(snapshot: Snapshot, folder: Path, blobs: BlobFolder) -> tuple[Path, Path | None]:
    """Write what `polydesk train` reads: the folder of the knowledge base, the history's file (None without any).

    A customer's file that is gone meanwhile is left out, as `polydesk history export` does.

    Raises:
        Broken: a file of the knowledge base is missing. OSError: the folder cannot be written.
    """
    save(snapshot.knowledge, folder / "kb", blobs.get)
    history = folder / "history.jsonl"
    counts: Counter[str] = Counter()
    with written(history, blobs, counts) as add:
        for turn in snapshot.turns:
            add(turn)
    return folder / "kb", history if history.stat().st_size else None
