"""`polydesk optimise`: a trained model, its encoders smaller and faster."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from bot.commands.knowledge import why_not
from bot.commands.question import configured


def optimise(
    model: Annotated[Path, typer.Option("--model", help="A folder that polydesk train --out wrote; it stays.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the optimised model; made when it is not there.")],
    kb: Annotated[Path | None, typer.Option("--kb", help="Also compare on this knowledge base's cases.")] = None,
) -> None:
    """Quantise and export a model's encoders; a form that loses anything is not taken.

    Prints accuracy, speed, memory and size before and after, one thread; the table is kept in the folder.
    """
    from workers.train.log import Log
    from workers.train.optimise import check
    from workers.train.optimise import optimise as run
    from workers.train.weighed import PAGE, text

    check(model, out)  # before any weights are fetched
    demo = Path(str(files("bot.demo")))
    with Log(None) as log:
        found = run(model, out, configured(), log, samples=[demo], kb=kb)
    typer.echo(text(found))
    typer.echo(f"\n{out / PAGE}\ntry it: polydesk ask --model {out} --kb ...\n{use(out)}")


def use(model: Path) -> str:
    """The line that says how customers are answered with a model; an optimised one is as good as its original was."""
    why = why_not(model)
    if not why:
        return f"use it: polydesk kb publish --model {model}"
    return f"{why}\nuse it all the same: polydesk kb publish --model {model} --anyway"
