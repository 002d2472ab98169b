"""The training page: what there is to learn from, how far a training is, which model answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path
from fastapi.responses import HTMLResponse, Response

from bot.console.front import Front
from bot.console.sessions import Visitor
from bot.wiring import KB_ID, House
from core.broker import TRAIN
from core.errors import BadInput
from core.history import AGENT, SILENCE, TAP
from core.learning import tunable
from core.store.trainings import TrainingRow
from core.training import AUTO, Options

Id = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]

# A report is ours, but shows what customers wrote: it runs nothing, loads nothing, and is nobody on our address.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; sandbox"
)
_FRESH_MS = 5 * 60_000  # thousands of conversations are not read again for every glance
_STAGES = {
    "": "Waiting for a worker",
    "waiting": "Starting",
    "listening again": "Reading it again with the fine-tuned text encoder",
    "fine-tuning": "Fine-tuning the text encoder",
    "alignment": "Learning what photos show",
    "loading": "Loading the models",
    "listening": "Reading what customers asked",
    "knowledge base": "Learning the knowledge base",
    "comparison": "Comparing it with the model in force",
    "packing": "Packing the model",
}
# Each with a sentence for people who do not know what a network is.
_STRATEGIES = {
    AUTO: (
        "Automatic",
        "Takes the learned gate, or fixed weights where your labelled questions show those to be surer.",
    ),
    "fixed": ("Fixed weights", "What is written, shown and said always counts by the same shares."),
    "late": (
        "Learned gate",
        "Weighs text, photo and voice anew for each question, by how sure each of them is. It comes with Polydesk.",
    ),
    "early": ("Early", "A small network learns from your entries to read text, photo and voice all at once."),
    "weighted": ("Weighted", "Blends text, photo and voice into one, by shares that are learned from your entries."),
    "attention": (
        "Attention",
        "A larger network learns which part of text, photo and voice matters to which. It needs the most examples.",
    ),
    "serial": ("Serial", "Decides by the photo first, then reads the words in that light."),
}
_KINDS = {
    AGENT: "an agent said what was meant",
    TAP: "the customer tapped what was meant, or what was not",
    SILENCE: "nobody objected to the automatic answer (weak)",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A training as the list shows it; `state` is running, stopped, failed, passed or rejected.

    `how` says in words how it was wished. `usable` is a model that is there still, and was compared with the one in
    force now; `again` is one that broke off, which nobody has gone on with since.
    """

    row: TrainingRow
    how: str
    state: str
    live: bool
    reported: bool
    usable: bool
    again: bool = False


def router(front: Front) -> APIRouter:
    """Everything under /console/training; for admins."""
    routes = APIRouter(prefix="/training", dependencies=[Depends(front.admin)])
    home = front.home
    reading = asyncio.Lock()
    kept: list[tuple[int, Counter[str]]] = []

    @routes.get("")
    async def page(visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("training.html", visitor, **await _state(home))

    @routes.get("/state")
    async def state(visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("training_state.html", visitor, **await _state(home))

    @routes.get("/taught")
    async def taught(visitor: Visitor = Depends(front.admin)) -> Response:
        async with reading:  # one reading at a time for however many look
            now = home.store.clock.now()
            if not kept or now - kept[0][0] > _FRESH_MS:
                kept[:] = [(now, await home.learning.taught())]
            at, counts = kept[0]
        kinds = [(words, counts[kind]) for kind, words in _KINDS.items()]
        return front.page("training_taught.html", visitor, at=at, kinds=kinds, total=sum(counts.values()))

    @routes.post("/start")
    async def start(
        finetune: Annotated[bool, Form()] = False,
        strategy: Annotated[str, Form(max_length=40)] = AUTO,
        visitor: Visitor = Depends(front.admin),
    ) -> Response:
        await home.learning.start(by=visitor.name, options=Options(finetune, strategy))
        return await state(visitor)

    @routes.post("/{id}/again")
    async def again(id: Id, visitor: Visitor = Depends(front.admin)) -> Response:
        await home.learning.again(id, by=visitor.name)
        return await state(visitor)

    @routes.post("/{id}/stop")
    async def stop(id: Id, visitor: Visitor = Depends(front.admin)) -> Response:
        await home.learning.stop(id, by=visitor.name)
        return await state(visitor)

    @routes.post("/{id}/promote")
    async def promote(id: Id, visitor: Visitor = Depends(front.admin)) -> Response:
        await home.learning.promote(id, by=visitor.name)
        return await state(visitor)

    @routes.post("/shipped")
    async def shipped(visitor: Visitor = Depends(front.admin)) -> Response:
        await home.learning.ship(by=visitor.name)
        return await state(visitor)

    @routes.get("/{id}/report")
    async def report(id: Id) -> Response:
        row = await home.store.read(lambda tx: tx.trainings.get(id))
        if row is None or row.outcome is None or not home.store.blobs.exists(row.outcome.report):
            raise BadInput("there is no such report, or it was deleted since its time was over")
        raw = await home.store.fetch(row.outcome.report)
        return HTMLResponse(raw, headers={"Content-Security-Policy": REPORT_POLICY})

    return routes


async def _state(home: House) -> dict[str, Any]:
    rows = await home.store.read(lambda tx: tx.trainings.list(KB_ID))
    live = await home.store.read(lambda tx: tx.knowledge.live(KB_ID))
    release = (await home.live.at(live.blob)).release if live else None  # a large one is not read again
    model = release.model if release else ""
    newest = {row.snapshot: row.id for row in reversed(rows)}
    shown = [await asyncio.to_thread(_shown, home, row, model, newest[row.snapshot] == row.id) for row in rows]
    running = next((row for row in rows if row.running), None)
    return {
        "trainings": [one for one in shown if one.state != "running"],
        "running": running,
        "stage": _stage(running.stage) if running else "",
        "left": _left(running.seconds_left) if running else "",
        "how": _how(running) if running else "",
        "strategies": _STRATEGIES,
        "language": release.knowledge.language if release else "en",
        "tunable": release is None or tunable(release.knowledge.language),
        "model": model,
        "in_force": next((one.row for one in shown if one.live), None),
        "workers": home.brain.workers.get(TRAIN, 0),
    }


def _stage(name: str) -> str:
    label, _ = _STRATEGIES.get(name, ("", ""))
    return f"Trying how channels are combined: {label.lower()}" if label else _STAGES.get(name, name.capitalize())


def _how(row: TrainingRow) -> str:
    """How a training was wished, and what was taken where that was left open."""
    label = _STRATEGIES.get(row.options.strategy, (row.options.strategy, ""))[0].lower()
    taken = row.outcome.strategy if row.outcome else ""
    if row.options.strategy == AUTO and taken in _STRATEGIES:
        label += f" ({_STRATEGIES[taken][0].lower()})"
    return f"{'with fine-tuning · ' if row.options.finetune else ''}strategy: {label}"


def _left(seconds: int) -> str:
    """How long something will take, for people; nothing where nobody knows."""
    if seconds < 60:
        return "less than a minute" if seconds else ""
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 60 else f"about {minutes // 60} h {minutes % 60} min"


def _shown(home: House, row: TrainingRow, model: str, newest: bool) -> Shown:
    outcome, blobs, how = row.outcome, home.store.blobs, _how(row)
    if outcome is None:
        ended = "running" if row.running else "stopped" if row.stopped_by else "failed"
        again = newest and row.broken_off and row.before == model and blobs.exists(row.snapshot)
        return Shown(row, how, ended, live=False, reported=False, usable=False, again=again)
    return Shown(
        row,
        how,
        "passed" if outcome.passed else "rejected",
        live=outcome.model == model,
        reported=blobs.exists(outcome.report),
        usable=blobs.exists(outcome.model) and row.before == model,
    )
