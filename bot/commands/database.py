"""`polydesk db`: upgrade, backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.commands.targets import must_be_writable
from bot.settings import data_folder, load
from core.store.backup import backup as write_backup
from core.store.restore import restore as read_backup
from core.store.upgrade import upgrade_now

app = typer.Typer(no_args_is_help=True, help="The database and its files.")


@app.command()
def upgrade() -> None:
    """Bring the database up to date; `up` and `gateway` do it by themselves."""
    settings = load()
    data_folder(settings)
    upgrade_now(settings.database)
    typer.echo("The database is up to date.", err=True)


@app.command()
def backup(target: Annotated[Path, typer.Argument(help="The archive to write.")]) -> None:
    """Write database and files into one archive, while everything runs."""
    settings = load()
    if not target.exists():  # what is there is refused below, untouched
        must_be_writable(target)
    write_backup(settings.database, settings.blob_folder, target)
    typer.echo(f"Written: {target}", err=True)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="The archive to read.")],
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Put an archive's database and files back; stop Polydesk first."""
    settings = load()
    data_folder(settings)
    read_backup(settings.database, settings.blob_folder, source, force=force)
    typer.echo("Restored.", err=True)
