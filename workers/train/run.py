"""Training: a knowledge base with its past conversations becomes a model with a report."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from core.errors import BadInput
from core.knowledge.entries import KnowledgeBase
from core.knowledge.files import load
from core.knowledge.history import History, load_history
from core.knowledge.lint import Finding, lint
from workers.configuration import Configuration
from workers.local import Local
from workers.model.fusion.gate import shipped
from workers.model.selective import select
from workers.model.trained import FUSIONS, LATE, VECTORS
from workers.train import encoder, held_out, judging, parting, seeing
from workers.train import results as told
from workers.train.alone import alone
from workers.train.compared import Trained, rivals
from workers.train.kept import Listened
from workers.train.log import Log, read
from workers.train.measuring import ablation, compared, measured, right, weights
from workers.train.parting import Ground, ground
from workers.train.place import LOG
from workers.train.report import write
from workers.train.resuming import Work, inputs
from workers.train.strategies import Points

AUTO = "auto"  # the learned gate or fixed weights
BUDGETS = (0.01, 0.02, 0.05)


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
    mark = inputs(knowledge, past, configuration, compare=compare, finetune=finetune, strategy=strategy)
    reduced, parts = parting.parted(knowledge, past)
    with alone(out), Work(out, mark, log) as work:
        shelf = Listened.keeping(configuration, work.heard)
        with _opened(kb, configuration, shelf) as local:
            known = ground(local, reduced, parts, log, warnings)
        found = None
        if source is not None:
            folder = work.folder / "text"
            found = encoder.tune(known, reduced, source, folder, configuration.device, log)
            if found.kept:
                with _opened(kb, configuration, shelf.speaking(folder)) as local:
                    other = ground(local, reduced, parts, log, warnings, "listening again")
                found = encoder.judged(known, other, found)
                known = replace(other, model=replace(other.model, text=folder)) if found.kept else known
        known, together = seeing.align(known, log, work.folder)
        results = _fused(knowledge, known, out, work.folder, log, compare=compare, strategy=strategy)
        with log.stage("cases"):
            promotion = judging.promotion(kb, configuration, out, before, held_out.fair(parts.held_out))
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
        work.done()
    return results


def _opened(kb: Path, configuration: Configuration, shelf: Listened) -> AbstractContextManager[Local]:
    return Local.open(kb, configuration, builtins=False, photos=True, shelf=shelf)


def _fused(
    knowledge: KnowledgeBase, known: Ground, out: Path, work: Path, log: Log, *, compare: bool, strategy: str
) -> told.Results:
    """Choose the way of fusing, correct its confidences, save the model; how it did on what was held out."""
    adapted, validation, held, budget = known.adapted, known.validation, known.held, knowledge.error_budget
    shown = {(one.entry, one.name): one.shown for one in known.photos if one.shown is not None}
    points = Points.of(adapted, known.pictures, {place: one for place, one in shown.items() if len(one) == known.words})
    if strategy in VECTORS and not len(points.phrases):
        raise BadInput(
            f"--strategy {strategy} learns from phrases, and the knowledge base has none: add questions to it"
        )
    names = VECTORS if compare else (strategy,) if strategy in VECTORS else ()
    ways = rivals(adapted, log, points, names, work, baseline=compare)
    judgements = {name: measured(way, adapted, validation) for name, way in ways.items()}
    chosen, reason = judging.chosen(judgements, validation, strategy)
    judged, way = judgements[chosen], ways[chosen]
    correction, fitted = judging.correction(judged, validation)
    # Every second labelled question corrects the confidences, the others prove the thresholds.
    sure = [float(correction(one.sure)) for one in judged[1::2]]
    wrong = [not hit for hit in right(judged[1::2], validation[1::2])]
    proven = [select(sure, wrong, one) for one in dict.fromkeys((budget, *BUDGETS))]
    model = replace(
        known.model,
        fusion=chosen,
        correction=correction,
        answer_at=proven[0].threshold if proven[0].guaranteed else 0.0,
        budget=budget,
        gate=shipped() if chosen == LATE else None,
        joint=way.joint if isinstance(way, Trained) else None,
    )
    limits = model.limits(adapted.thresholds, budget)
    outcomes = {name: measured(way, adapted, held) for name, way in ways.items()}
    answers = [
        judging.answered(one, judge, correction, limits) for one, judge in zip(held, outcomes[chosen], strict=True)
    ]
    model.save(out)
    learned = {id: len(one.phrases) for id, one in model.learned.items()}
    return told.Results(
        title=knowledge.title,
        language=knowledge.language,
        model=model.encoder,
        budget=budget,
        counts=told.Counts(0, 0),
        strategies=tuple(compared(ways[name], outcomes[name], held, budget) for name in ways),
        chosen=chosen,
        reason=reason,
        entries=told.qualities(knowledge, answers, learned),
        held=tuple(answers),
        ablation=ablation(ways[chosen], adapted, held, limits.answer_at),
        weights=weights(held, len(adapted.entries)) if chosen == LATE else (),
        calibration=fitted,
        selected=tuple(proven) if validation else (),
        groups=judging.groups(sure, wrong, validation[1::2], budget),
    )
