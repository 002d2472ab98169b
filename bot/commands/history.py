"""`polydesk history`: what past conversations teach, written as a file."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bot.commands.targets import must_be_writable
from bot.settings import Settings, data_folder, load
from core.clock import WallClock
from core.errors import BadInput, Broken
from core.history import AGENT, SILENCE, TAP, oldest_first
from core.history_file import written
from core.store.store import Store
from core.store.sweep import DAY

app = typer.Typer(no_args_is_help=True, help="What past conversations teach.")


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
    try:
        counts = asyncio.run(_export(settings, target, moment, target.exists()))
    except OSError as problem:
        raise Broken(f"{problem.filename or target} cannot be written: {problem.strerror or problem}") from problem
    _tell(target, counts)


def _moment(since: str) -> int:
    if not since:
        return 0
    try:
        day = datetime.fromisoformat(since)
    except ValueError as problem:
        raise BadInput(f"--since: expected a day such as 2026-01-31, got {since!r}") from problem
    return int((day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp() * 1000)


async def _export(settings: Settings, target: Path, since: int, replaces: bool) -> Counter[str]:
    store = await Store.open(settings.database, settings.blob_folder, WallClock())
    try:
        # What is due to be swept is not written down anew, also where no gateway has swept it yet.
        kept = store.clock.now() - settings.retention_days * DAY
        counts: Counter[str] = Counter()
        with written(target, store.blobs, counts, replaces=replaces) as add:
            async for turn in oldest_first(store, since, resolved_since=kept):
                add(turn)
        return counts
    finally:
        await store.close()


def _tell(target: Path, counts: Counter[str]) -> None:
    by = {AGENT: "by agents", TAP: "by customers' taps", SILENCE: "by silence, which is weak"}
    lines = sum(counts[name] for name in by)
    typer.echo(
        f"Written: {target}: {lines} labelled turns ({', '.join(f'{counts[name]} {who}' for name, who in by.items())})"
        + (
            f"; {counts['files']} photos and voice notes in {target.with_name(f'{target.stem}-files')}"
            if counts["files"]
            else ""
        ),
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
