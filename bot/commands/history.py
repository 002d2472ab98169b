"""`polydesk history`: what past conversations teach, written as a file."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.commands.targets import must_be_writable
from bot.settings import Settings, data_folder, load
from core.clock import WallClock
from core.errors import BadInput, Broken
from core.history import AGENT, SILENCE, TAP, LabelledTurn, oldest_first
from core.media import sniff
from core.store.blobs import BlobFolder
from core.store.store import Store
from core.store.sweep import DAY

app = typer.Typer(no_args_is_help=True, help="What past conversations teach.")

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


@app.callback()
def _history() -> None:
    """What past conversations teach."""


@app.command()
def export(
    target: Annotated[Path, typer.Argument(help="The JSONL file to write; photos and voice notes lie beside it.")],
    since: Annotated[str, typer.Option(help="Only what was asked from this day (2026-01-31, UTC) on.")] = "",
) -> None:
    """Write what ended conversations teach, for `train --history`: a line for every question with a known answer.

    Known by an agent's choice, else by the customer's taps, else (weakly) because nobody objected to the automatic
    answer. The file holds what customers wrote: keep it as you keep the database.
    """
    moment = _moment(since)
    if target.exists() and not target.is_file():
        raise BadInput(f"{target} is not a file: name one to write")
    must_be_writable(target)
    settings = load()
    data_folder(settings)
    beside = target.with_name(f"{target.stem}-files")
    try:
        counts = asyncio.run(_export(settings, target, beside, moment, target.exists()))
    except OSError as problem:
        raise Broken(f"{problem.filename or target} cannot be written: {problem.strerror or problem}") from problem
    _tell(target, beside, counts)


def _moment(since: str) -> int:
    if not since:
        return 0
    try:
        day = datetime.fromisoformat(since)
    except ValueError as problem:
        raise BadInput(f"--since: expected a day such as 2026-01-31, got {since!r}") from problem
    return int((day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp() * 1000)


async def _export(settings: Settings, target: Path, beside: Path, since: int, replaces: bool) -> Counter[str]:
    store = await Store.open(settings.database, settings.blob_folder, WallClock())
    try:
        # What is due to be swept is not written down anew, also where no gateway has swept it yet.
        kept = store.clock.now() - settings.retention_days * DAY
        return await _write(oldest_first(store, since, resolved_since=kept), store.blobs, target, beside, replaces)
    finally:
        await store.close()


async def _write(
    turns: AsyncIterator[LabelledTurn], blobs: BlobFolder, target: Path, beside: Path, replaces: bool
) -> Counter[str]:
    """Write the file and what lies beside it; the file gets its name last, in one piece, or nothing is left."""
    counts: Counter[str] = Counter()
    with ExitStack() as undo:
        shelf = _Shelf(blobs, beside)
        undo.callback(shelf.clear)
        with _complete(target) as lines:
            async for turn in turns:
                line = _line(turn, shelf)
                if line is None:
                    counts["left out"] += 1
                    continue
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                counts[turn.by] += 1
        undo.pop_all()
    if replaces:
        shelf.tidy()
    counts["files"], counts["missing"] = len(shelf.names), len(shelf.missing)
    return counts


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


def _tell(target: Path, beside: Path, counts: Counter[str]) -> None:
    by = {AGENT: "by agents", TAP: "by customers' taps", SILENCE: "by silence, which is weak"}
    lines = sum(counts[name] for name in by)
    typer.echo(
        f"Written: {target}: {lines} labelled turns ({', '.join(f'{counts[name]} {who}' for name, who in by.items())})"
        + (f"; {counts['files']} photos and voice notes in {beside}" if counts["files"] else ""),
        err=True,
    )
    if counts["missing"] or counts["left out"]:
        typer.echo(
            f"Gone meanwhile: {counts['missing']} photos and voice notes. Left out, since nothing else is left of "
            f"them: {counts['left out']} turns.",
            err=True,
        )
    typer.echo(
        "It holds what customers wrote, showed and said (mode 600): keep it as you keep the database, and delete it "
        "when the training is done.",
        err=True,
    )
