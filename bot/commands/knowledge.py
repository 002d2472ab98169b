"""`polydesk kb`: the knowledge base, its draft and its releases."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from bot.brain import CeleryBrain
from bot.broker import running
from bot.commands.question import configuration
from bot.commands.targets import content, must_be_writable
from bot.settings import data_folder, load
from bot.wiring import KB_ID
from core.bell import Bell
from core.clock import WallClock
from core.errors import BadInput, Broken
from core.knowledge.diff import diff as differences
from core.knowledge.diff import lines
from core.knowledge.entries import KnowledgeBase
from core.knowledge.export import save
from core.knowledge.files import load as load_file
from core.knowledge.lint import Finding
from core.knowledge.lint import lint as findings
from core.knowledge.spreadsheet import from_csv, to_csv
from core.knowledge.zips import from_zip
from core.publishing import Publishing
from core.store.store import Store
from core.texts.plurals import plural

SHIPPED = "shipped"  # instead of a model's folder

app = typer.Typer(no_args_is_help=True, help="The knowledge base: a draft that people edit, releases that answer.")

Source = Annotated[Path, typer.Argument(help="A folder with kb.yaml, the file itself, a .zip of it, or a .csv.")]


@app.command("import")
def import_(
    path: Source, merge: Annotated[bool, typer.Option("--merge", help="Keep what the file does not name.")] = False
) -> None:
    """Replace the draft; publish it afterwards."""
    kind = path.suffix.lower()
    raw = content(path) if kind in (".zip", ".csv") else b""

    async def bring_in(publishing: Publishing) -> None:
        with tempfile.TemporaryDirectory() as folder:
            if kind == ".csv":
                knowledge = from_csv(raw, await publishing.draft(), merge=merge, name=path.name)
            elif kind == ".zip":
                knowledge = load_file(from_zip(raw, Path(folder), name=path.name), trusted=False, look=True)
            else:
                knowledge = load_file(path, look=True)
            after = await publishing.bring_in(knowledge, merge=merge, by="import")
        entries = plural(len(after.entries), "entry")
        typer.echo(f"The draft has {entries} now. Make it live: polydesk kb publish", err=True)

    _with(bring_in)


@app.command()
def export(
    target: Annotated[Path, typer.Argument(help="A folder to make (YAML with its files), or a .csv.")],
    live: Annotated[bool, typer.Option("--live", help="The live release instead of the draft.")] = False,
) -> None:
    """Write the draft as files; only YAML holds everything."""
    as_table = target.suffix.lower() == ".csv"
    if as_table:
        must_be_writable(target)

    async def write(publishing: Publishing) -> None:
        knowledge = await publishing.draft()
        if live:
            release = await publishing.live()
            if release is None:
                raise BadInput("nothing was published yet: polydesk kb publish")
            knowledge = release.knowledge
        if as_table:
            target.write_bytes(to_csv(knowledge))
        else:
            try:
                save(knowledge, target, publishing.blob)
            except OSError as problem:
                words = f"{target} cannot be written ({problem.strerror}): name a folder that you may write to"
                raise BadInput(words) from problem
        typer.echo(f"Written: {target}", err=True)

    _with(write)


@app.command()
def lint(path: Annotated[Path | None, typer.Argument(help="Files to check; without it, the draft.")] = None) -> None:
    """Warn about what will confuse customers; errors of the format end with status 2."""
    if path is not None:
        knowledge = load_file(path, look=True)
        _show(knowledge, _strange(knowledge))
        return

    async def check(publishing: Publishing) -> None:
        draft = await publishing.draft()
        _show(draft, await asyncio.to_thread(_strange, draft))

    _with(check)


@app.command()
def diff() -> None:
    """Compare the live release with the draft."""

    async def compare(publishing: Publishing) -> None:
        release = await publishing.live()
        changes = differences(release.knowledge if release else KnowledgeBase(""), await publishing.draft())
        for line in lines(changes) or ("The draft is what is live.",):
            typer.echo(line)

    _with(compare)


@app.command()
def publish(
    note: Annotated[str, typer.Option(help="What changed, for the list of releases.")] = "",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="The folder of a trained or optimised model that answers from now on, or `shipped` for the one that "
            "ships; without it, the model in force stays.",
        ),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also a model that its training found worse than the one in use.")
    ] = False,
) -> None:
    """Make the draft live, for the next question; where it is live already, nothing is published."""
    folder = Path(model) if model not in (None, SHIPPED) else None
    if folder is not None and not folder.is_dir():
        raise BadInput(f"there is no folder {folder}: name one that polydesk train or optimise wrote, or `{SHIPPED}`")
    if folder is not None and not anyway and (why := why_not(folder)):
        raise BadInput(f"{why}, or publish it with --anyway")

    async def make_live(publishing: Publishing) -> None:
        release, draft = await publishing.live(), await publishing.draft()
        blob = None if model is None else ""
        if folder is not None:
            from workers.models import ready

            blob = await publishing.keep(await asyncio.to_thread(ready, folder, draft, configuration(load())))
        same = blob is None or (release is not None and blob == release.model)
        if release is not None and same and not differences(release.knowledge, draft):
            typer.echo("The draft is what is live: nothing to publish.", err=True)
            return
        row = await publishing.publish(by="command line", note=note, model=blob)
        answers = {None: "", "": " The shipped model answers."}.get(blob, f" The model of {folder} answers.")
        typer.echo(f"Release {row.number} is live.{answers}", err=True)

    _with(make_live)


@app.command()
def rollback(number: Annotated[int, typer.Argument(help="The release to publish again.")]) -> None:
    """Publish an old release again, under a new number."""

    async def back(publishing: Publishing) -> None:
        row = await publishing.rollback(number, by="command line")
        typer.echo(f"Release {row.number} is live; it is release {number} again.", err=True)

    _with(back)


def _strange(knowledge: KnowledgeBase) -> tuple[Finding, ...]:
    """What the text encoder was not trained for; other warnings need no models, so these may be missing."""
    from workers.model.shelf import Shelf
    from workers.tongues import foreign

    settings = load()
    shelf = Shelf(settings.models, text=settings.text_model)
    try:
        return foreign(knowledge, shelf.languages(knowledge.language), shelf.language)
    except Broken as problem:
        typer.echo(f"nobody looked at languages: {problem}", err=True)
        return ()


def why_not(folder: Path) -> str:
    """Why a model is published only with `--anyway`: its training did not promote it; empty where nothing says so."""
    from workers.train.results import loads

    told = folder / "results.json"
    if not told.exists():
        return ""
    try:
        promotion = loads(content(told)).promotion
    except BadInput as problem:
        return f"{told} does not say whether the model is better ({problem}): train again"
    if promotion is None or promotion.promoted:
        return ""
    return f"the model of {folder} was not promoted ({promotion.why}): train with more"


def _show(knowledge: KnowledgeBase, more: tuple[Finding, ...]) -> None:
    found = (*findings(knowledge), *more)
    for finding in found:
        typer.echo(finding.message)
    typer.echo(f"{plural(len(knowledge.entries), 'entry')}, {plural(len(found), 'warning')}.", err=True)


def _with(work: Callable[[Publishing], Awaitable[None]]) -> None:
    async def run() -> None:
        async with _publishing() as publishing:
            await work(publishing)

    asyncio.run(run())
    sys.stdout.flush()


@asynccontextmanager
async def _publishing() -> AsyncIterator[Publishing]:
    settings = load()
    data_folder(settings)
    store = await Store.open(settings.database, settings.blob_folder, WallClock())
    try:
        redis_url = settings.redis_url.get_secret_value() if settings.redis_url else running(settings.data / "run")
        if not redis_url:  # no worker to prepare anything: the first question does
            yield Publishing(store, Bell(), WallClock(), KB_ID)
            return
        brain = CeleryBrain(redis_url, f"kb-{uuid.uuid4().hex}")
        async with brain.running():
            publishing = Publishing(store, Bell(), WallClock(), KB_ID, brain)
            publishing.prepared = True
            yield publishing
    finally:
        await store.close()
