"""Fusing as a stage of a training: from what was heard to a model that is saved, with how it did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.errors import BadInput
from core.knowledge.entries import KnowledgeBase
from workers.model.fusion.gate import shipped
from workers.model.selective import DELTA, select
from workers.model.trained import LATE, VECTORS
from workers.train import judging
from workers.train import results as told
from workers.train.compared import Network, rivals
from workers.train.log import Log
from workers.train.measuring import ablation, choosing, compared, measured, proving, right, weights
from workers.train.parting import Ground
from workers.train.strategies import Points

BUDGETS = (0.01, 0.02, 0.05)
_ESTIMATED = (
    "; from which confidence on it answers is not proven, but estimated on questions composed of the knowledge base's "
    "own phrases"
)
_ASKS = (
    "; it never answers by itself, but asks back: neither labelled questions nor the knowledge base's own phrases tell "
    "from which confidence on it may answer"
)


def fused(
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
    deciding, proof = choosing(validation), proving(validation)
    chosen, reason = judging.chosen({name: choosing(some) for name, some in judgements.items()}, deciding, strategy)
    judged, way = judgements[chosen], ways[chosen]
    correction, fitted = judging.correction(choosing(judged), deciding)
    rehearsal = way.rehearsed(points) if isinstance(way, Network) else None
    if rehearsal is not None and fitted is None:
        correction = rehearsal.correction
    sure = [float(correction(one.sure)) for one in proving(judged)]
    wrong = [not hit for hit in right(proving(judged), proof)]
    # Both the threshold of all and those of groups are proven by the same questions: each has half of the risk.
    proven = [select(sure, wrong, one, delta=DELTA / 2) for one in dict.fromkeys((budget, *BUDGETS))]
    groups = judging.groups(sure, wrong, proof, budget)
    if known.withheld:  # they were asked of a knowledge base without these phrases, not of the one that will answer
        proven = [replace(one, guaranteed=False) for one in proven]
        groups = {name: replace(one, guaranteed=False) for name, one in groups.items()}
    answer_at = proven[0].threshold if proven[0].guaranteed else 0.0
    estimate = answer_at if rehearsal is not None else 0.0
    if rehearsal is not None and not answer_at:
        # The knowledge base's own thresholds are about the confidences of opinions, not about these.
        estimate = rehearsal.answer_at(correction, budget)
        reason += _ESTIMATED if 0 < estimate < 1 else _ASKS
    model = replace(
        known.model,
        fusion=chosen,
        correction=correction,
        answer_at=answer_at,
        estimate=estimate,
        budget=budget,
        gate=shipped() if chosen == LATE else None,
        joint=way.joint if isinstance(way, Network) else None,
    )
    if any(one.guaranteed for one in groups.values()):
        model = replace(model, groups={name: one.threshold for name, one in groups.items() if one.guaranteed})
    limits = {one.channels: model.limits(adapted.thresholds, budget, one.channels, holds=True) for one in held}
    outcomes = {name: measured(way, adapted, held) for name, way in ways.items()}
    answers = [
        judging.answered(one, judge, model.sure, limits[one.channels])
        for one, judge in zip(held, outcomes[chosen], strict=True)
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
        ablation=ablation(ways[chosen], adapted, held, model.limits(adapted.thresholds, budget, holds=True).answer_at),
        weights=weights(held, len(adapted.entries)) if chosen == LATE else (),
        calibration=fitted,
        selected=tuple(proven) if validation else (),
        groups=groups,
    )
