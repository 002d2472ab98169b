"""The file of labelled turns that `train --history` reads, with their photos and voice notes beside it."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from core.errors import BadInput, Broken
from core.history import LabelledTurn
from core.media import sniff
from core.store.blobs import BlobFolder

_ENDINGS = {
    "image/jpeg": "jpg",
    "application/octet-stream": "bin",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "audio/x-matroska": "mka",
    "video/x-matroska": "mkv",
}


@contextmanager
def written(
    target: Path, blobs: BlobFolder, counts: Counter[str], *, replaces: bool = False
) -> Iterator[Callable[[LabelledTurn], None]]:
    """Write `target` (JSONL), a line for each turn that is given to what the context yields.

    The file gets its name last, in one piece, or nothing is left. `counts` is filled: lines by `LabelledTurn.by`,
    `left out` (turns of which nothing is left), `files`, `missing`. `replaces` removes the files of an earlier one.

    Raises:
        OSError: it cannot be written.
    """
    with ExitStack() as undo:
        shelf = _Shelf(blobs, target.with_name(f"{target.stem}-files"))
        undo.callback(shelf.clear)
        with _complete(target) as lines:

            def add(turn: LabelledTurn) -> None:
                line = _line(turn, shelf)
                if line is None:
                    counts["left out"] += 1
                    return
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                counts[turn.by] += 1

            yield add
        undo.pop_all()
    if replaces:
        shelf.tidy()
    counts["files"], counts["missing"] = len(shelf.names), len(shelf.missing)


@contextmanager
def _complete(target: Path) -> Iterator[Any]:
    """A file that has its name, mode 600, once it is complete and durable."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", suffix=".part", dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as lines:
            yield lines
            lines.flush()
            os.fsync(lines.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


class _Shelf:
    """The folder beside the file: photos and voice notes by their SHA-256, each written once, mode 600."""

    def __init__(self, blobs: BlobFolder, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, str] = {}
        self.missing: set[str] = set()
        self._blobs = blobs
        self._made: list[Path] = []

    def put(self, sha: str) -> str:
        """Its path relative to the file; empty when it is not there any more."""
        if sha not in self.names and sha not in self.missing:
            try:
                self._copy(sha, self._blobs.get(sha))
            except (BadInput, Broken):  # swept, or damaged: what was written stays worth learning from
                self.missing.add(sha)
        return f"{self.folder.name}/{self.names[sha]}" if sha in self.names else ""

    def _copy(self, sha: str, raw: bytes) -> None:
        mime = sniff(raw).mime
        place = self.folder / f"{sha}.{_ENDINGS.get(mime, mime.partition('/')[2].removeprefix('x-'))}"
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700)
            self._made.append(self.folder)
        if not place.exists():
            self._made.append(place)
        with _complete(place) as file:
            file.buffer.write(raw)
        self.names[sha] = place.name

    def clear(self) -> None:
        """Remove what was written."""
        for place in reversed(self._made):
            if place.is_dir():
                place.rmdir()
            else:
                place.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove the files of an earlier export that nothing refers to any longer: they are customers'."""
        wanted = set(self.names.values())
        for place in self.folder.glob("[0-9a-f]" * 64 + ".*") if self.folder.is_dir() else ():
            if place.name not in wanted:
                place.unlink()


def _line(turn: LabelledTurn, shelf: _Shelf) -> dict[str, Any] | None:
    """A turn as its line; None when nothing of what was asked is left."""
    photos = [path for path in map(shelf.put, turn.photos) if path]
    voices = [path for path in map(shelf.put, turn.voices) if path]
    if not (turn.text or photos or voices):
        return None
    asked = {
        "text": turn.text,
        "photo": photos[0] if len(photos) == 1 else photos,
        "voice": voices[0] if len(voices) == 1 else voices,
        "history": list(turn.history),
        "expect": turn.expect,
        "not": list(turn.denied),
    }
    told = {"language": turn.language, "release": turn.release, "model": turn.model}
    return {
        **{name: value for name, value in asked.items() if value},
        "id": turn.id,
        "conversation": turn.conversation,
        "at": turn.at,
        "by": turn.by,
        "decision": turn.decision,
        "said": turn.said or None,
        "confidence": turn.confidence,
        **{name: value or None for name, value in told.items()},
    }
