"""Training: a knowledge base with its past conversations becomes a model with a report."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from core.errors import BadInput
from core.knowledge.files import load
from core.knowledge.history import Example, History, load_history
from core.knowledge.lint import Finding, lint
from core.training import AUTO
from workers.configuration import Configuration
from workers.local import Local
from workers.model.sessions import calm
from workers.model.trained import FUSIONS
from workers.train import encoder, held_out, judging, parting, seeing
from workers.train import results as told
from workers.train.alone import alone
from workers.train.fusing import fused
from workers.train.kept import Listened
from workers.train.log import Log, read
from workers.train.parting import ground
from workers.train.place import LOG
from workers.train.report import write
from workers.train.resuming import Work, inputs


def train(
    kb: Path,
    history: Path | None,
    out: Path,
    configuration: Configuration,
    log: Log,
    *,
    compare: bool = False,
    finetune: bool = False,
    strategy: str = AUTO,
    before: Path | None = None,
    instead: str = "",
    keep: bool = False,
) -> told.Results:
    """Train, measure, and write `out`: the model, `results.json`, `report.html`.

    A call that was killed is gone on with by the same call, see `workers.train.resuming`.

    Args:
        kb: the knowledge base's folder or file.
        history: what `polydesk history export` wrote.
        out: a folder, made when it is not there.
        configuration: which encoders.
        log: what it says while it runs.
        compare: also train the strategies that fuse vectors, and a baseline, for the table.
        strategy: how channels are fused: a name of `workers.model.trained.FUSIONS`, or `auto`: the learned gate or
            fixed weights, whatever labelled questions say is surer.
        finetune: also fine-tune the text encoder, which is kept where it is not worse than the one that ships.
        before: the folder of the model in use, which the gate compares with; the shipped one by default.
        instead: why that is not the one in use, if it cannot be had.
        keep: leave what a killed call is gone on from: the caller has to put the model away first.

    Raises:
        KnowledgeError: a file is wrong, every problem named. BadInput: the encoder cannot be fine-tuned, `out` is
            somebody else's folder, or another training writes there. Broken: weights are missing, the folder cannot
            be written.
    """
    if strategy not in (AUTO, *FUSIONS):
        raise BadInput(f"there is no strategy {strategy!r}: name one of {', '.join((AUTO, *FUSIONS))}")
    knowledge = load(kb)
    past = load_history(history, entries=[entry.id for entry in knowledge.entries]) if history else History(())
    warnings = [*lint(knowledge), *(Finding("history", note) for note in past.notes)]
    source = encoder.offered(configuration, knowledge) if finetune else None
    calm(configuration.threads)
    mark = inputs(knowledge, past, configuration, compare=compare, finetune=finetune, strategy=strategy)
    reduced, parts = parting.parted(knowledge, past)
    phrases: tuple[Example, ...] = ()
    if source is not None and encoder.lacking(parts):
        reduced, phrases = parting.withheld(reduced, parts)
    with alone(out), Work(out, mark, log) as work:
        shelf = Listened.keeping(configuration, work.heard)
        with _opened(kb, configuration, shelf) as local:
            warnings += local.strange
            known = ground(local, reduced, parts, log, warnings, phrases=phrases)
        found = None
        if source is not None:
            folder = work.folder / "text"
            found = encoder.tune(known, reduced, source, folder, configuration.device, log)
            if found.kept:
                with _opened(kb, configuration, shelf.speaking(folder)) as local:
                    other = ground(local, reduced, parts, log, warnings, "listening again", phrases)
                found = encoder.judged(known, other, found)
                known = replace(other, model=replace(other.model, text=folder)) if found.kept else known
        known, together = seeing.align(known, log, work.folder)
        results = fused(knowledge, known, out, work.folder, log, compare=compare, strategy=strategy)
        fair = held_out.fair(parts.held_out)
        promotion = judging.promotion(kb, configuration, out, before, fair, shelf=shelf, log=log, instead=instead)
        results = replace(
            results,
            at=int(time.time() * 1000),
            counts=parting.counts(knowledge, past, parts),
            stages=tuple(log.timed),
            promotion=promotion,
            warnings=tuple(warnings),
            curves=read(out / LOG),
            finetuned=found,
            aligned=together,
        )
        (out / "results.json").write_text(told.dumps(results) + "\n", encoding="utf-8")
        write(results, out)
        if not keep:
            work.done()
    return results


def _opened(kb: Path, configuration: Configuration, shelf: Listened) -> AbstractContextManager[Local]:
    return Local.open(kb, configuration, builtins=False, photos=True, shelf=shelf)
