"""`polydesk user`: who may log in to the console."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bot.settings import data_folder, load
from bot.users import hashed
from core.clock import WallClock
from core.errors import BadInput
from core.store.store import Store

app = typer.Typer(no_args_is_help=True, help="Who may log in to the console.")

_VARIABLE = "POLYDESK_NEW_PASSWORD"
Password = Annotated[str, typer.Option(envvar=_VARIABLE, help="Asked for when it is not given.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The log-in name.")],
    password: Password = "",
    role: Annotated[str, typer.Option(help="`admin` (everything) or `agent` (the desk).")] = "agent",
) -> None:
    """Add somebody."""
    if role not in ("admin", "agent"):
        raise BadInput(f"unknown role {role!r}: choose admin or agent")
    asyncio.run(_add(name, role, hashed(password or _asked())))
    typer.echo(f"{name} can log in now, as {role}.", err=True)


@app.command()
def password(name: Annotated[str, typer.Argument(help="The log-in name.")], password: Password = "") -> None:
    """Set a new password."""
    asyncio.run(_set(name, hashed(password or _asked())))
    typer.echo(f"The password of {name} is changed.", err=True)


def _asked() -> str:
    """A password from whoever sits at the terminal.

    Raises:
        BadInput: nobody does.
    """
    try:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    except typer.Abort as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise BadInput(f"no password was given: type one at a terminal, or set {_VARIABLE}") from ended


async def _add(name: str, role: str, known: str) -> None:
    store = await _open()
    try:
        await store.write(lambda tx: tx.users.add(name, role, known))
    finally:
        await store.close()


async def _set(name: str, known: str) -> None:
    store = await _open()
    try:
        await store.write(lambda tx: tx.users.set_password(name, known))
    finally:
        await store.close()


async def _open() -> Store:
    settings = load()
    data_folder(settings)
    return await Store.open(settings.database, settings.blob_folder, WallClock())
