"""The command line: `polydesk`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from bot.commands import database, history, knowledge, models, question, users
from bot.commands.doctor import doctor
from bot.commands.optimise import optimise
from bot.commands.training import train
from bot.commands.up import up as run_up
from bot.logs import configure
from core.errors import BadInput, PolydeskError

app = typer.Typer(
    name="polydesk",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A customer-service bot for Telegram, Slack and the web that reads words, photos and voice notes together.",
)
app.add_typer(knowledge.app, name="kb")
app.add_typer(models.app, name="models")
app.add_typer(users.app, name="user")
app.add_typer(database.app, name="db")
app.add_typer(history.app, name="history")
app.command()(question.ask)
app.command()(question.evaluate)
app.command()(train)
app.command()(optimise)
app.command()(doctor)


@app.command()
def up(
    kb: Annotated[Path | None, typer.Option(help="Knowledge base for a database that has none yet.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of web chat and console.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the web chat.")] = False,
) -> None:
    """Run everything on this machine: broker, workers, gateway, web chat, console, Telegram, Slack."""
    run_up(kb, port, browser=not no_browser)


@app.command()
def gateway() -> None:
    """Run the gateway alone, as the Procfile does."""
    from bot.gateway import run
    from bot.settings import load

    run(load())


def main() -> None:
    """Run a command: exit 0 when done, 2 for bad input, 1 for anything else; the last line says what to do."""
    configure("WARNING")  # to stderr, since stdout is for results
    try:
        sys.exit(app(prog_name="polydesk", standalone_mode=False))
    except typer.Abort:
        sys.exit(1)
    except TyperException as wrong:
        _misused(wrong)
    except BadInput as problem:
        _fail(problem, 2)
    except PolydeskError as problem:
        _fail(problem, 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _misused(wrong: TyperException) -> None:
    """Typer would draw a frame; its words alone, with where to read on, do better as a last line."""
    context = getattr(wrong, "ctx", None)
    command = context.command_path if context else "polydesk"
    words = str(getattr(wrong, "format_message", lambda: wrong)()).strip().rstrip(".")
    # Without any words the list of commands was asked for, and stands above already.
    said = f"{command}: {words}{'' if words.endswith('?') else ';'} see {command} --help"
    if not words:
        said = f"Choose one of the commands: {command} COMMAND"
    print(said, file=sys.stderr)
    sys.exit(2)


def _fail(problem: PolydeskError, status: int) -> None:
    print(f"{problem}", file=sys.stderr)
    sys.exit(status)
