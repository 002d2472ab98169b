"""`polydesk train`: a knowledge base, with what past conversations taught, becomes a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.commands.question import configured
from core.errors import BadInput


def train(
    kb: Annotated[Path, typer.Option("--kb", help="A folder with kb.yaml, or the file itself.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the model; made when it is not there.")],
    history: Annotated[Path | None, typer.Option(help="What `polydesk history export` wrote.")] = None,
    finetune: Annotated[bool, typer.Option("--finetune", help="Fine-tune the text encoder too: minutes.")] = False,
    strategy: Annotated[
        str, typer.Option(help="How channels are fused: auto, late, fixed, early, weighted, attention or serial.")
    ] = "auto",
    compare: Annotated[bool, typer.Option("--compare", help="Also train the other fusion strategies.")] = False,
) -> None:
    """Train on a knowledge base and past conversations; writes a model with a report.

    The knowledge base's cases train nothing: they decide whether the model is better than the shipped one.
    """
    if history is not None and not history.is_file():
        raise BadInput(f"there is no file {history}: write one with polydesk history export {history}")
    from workers.train.log import Log
    from workers.train.place import made
    from workers.train.run import train as run

    made(out)
    with Log(out / "log") as log:
        found = run(kb, history, out, configured(), log, compare=compare, finetune=finetune, strategy=strategy)
    for one in found.strategies:
        mark = "*" if one.name == found.chosen else " "
        accuracy = "" if one.accuracy.value is None else f"{100 * one.accuracy.value:5.1f} % right"
        typer.echo(f"{mark} {one.name:<30} {accuracy}")
    typer.echo(f"{found.chosen} was chosen: {found.reason}")
    if found.finetuned is not None:
        typer.echo(found.finetuned.why)
    if found.aligned is not None:
        typer.echo(found.aligned.why)
    if not found.held:
        typer.echo("nothing was held out to measure by: add variants, or train with --history")
    promotion = found.promotion
    if promotion is not None:
        typer.echo(f"{'better or equal' if promotion.promoted else 'not promoted'}: {promotion.why}")
    typer.echo(f"{out / 'report.html'}\ntry it: polydesk ask --kb {kb} --model {out} --text ...")
    anyway = " --anyway" if promotion is not None and not promotion.promoted else ""
    typer.echo(f"answer customers with it{anyway and ' all the same'}: polydesk kb publish --model {out}{anyway}")
