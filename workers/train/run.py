"""Training: a knowledge base with its past conversations becomes a model with a report."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import PolydeskError
from core.knowledge.entries import NONE, KnowledgeBase
from core.knowledge.files import load
from core.knowledge.history import Example, History, Splits, load_history, splits
from core.knowledge.lint import Finding, lint
from workers.configuration import Configuration
from workers.evaluation import evaluate
from workers.local import Local
from workers.model import metrics
from workers.model.calibration import Thresholds
from workers.model.fusion.gate import shipped
from workers.model.heads import Floats
from workers.model.heard import Said
from workers.model.recalibration import Recalibration, recalibrate
from workers.model.selective import Selected, by_group, group, needed, select
from workers.model.trained import FIXED, LATE, Learned, Trained
from workers.train import results as told
from workers.train.compared import rivals
from workers.train.log import Log, read
from workers.train.measuring import Asked, Judged, ablation, compared, labelled, measured, right, weights
from workers.train.report import write

BUDGETS = (0.01, 0.02, 0.05)
HELD_OUT, VALIDATION = 0.2, 0.3  # of the labelled turns, the newest
WITHHELD = 5  # one phrase of so many is held out where there is no history
_SHOWN = 140  # characters of a question in the report
_SLACK = 1e-9


def train(
    kb: Path,
    history: Path | None,
    out: Path,
    configuration: Configuration,
    log: Log,
    *,
    compare: bool = False,
    text: Path | None = None,
) -> told.Results:
    """Train, measure, and write `out`: the model, `results.json`, `report.html`.

    Args:
        kb: the knowledge base's folder or file.
        history: what `polydesk history export` wrote.
        out: a folder, made when it is not there.
        configuration: which encoders.
        log: what it says while it runs.
        compare: also train the strategies that fuse vectors, and a baseline, for the table.
        text: the folder of a fine-tuned text encoder, already inside `out`.

    Raises:
        KnowledgeError: a file is wrong, every problem named. Broken: weights are missing.
    """
    knowledge = load(kb)
    past = load_history(history, entries=[entry.id for entry in knowledge.entries]) if history else History(())
    warnings = [*lint(knowledge), *(Finding("history", note) for note in past.notes)]
    if text is not None:
        configuration = replace(configuration, text_model=str(text))
    reduced, parts = _parts(knowledge, past)
    with Local.open(kb, configuration, builtins=False, photos=True) as local:
        heard = _heard((*parts.train, *parts.validation, *parts.held_out), local, log, warnings)
        digest, pictures = local.pictures
        learned = _learned(parts.train, heard)
        bare = Trained(local.encoder.digest, learned=learned, photos=_photos(parts.train, heard), image=digest)
        with log.stage("knowledge base"):
            adapted = local.adapt(reduced, bare)
        validation, held = (
            labelled(part, heard, adapted, local.encoder) for part in (parts.validation, parts.held_out)
        )
        ways = rivals(adapted, log, compare=compare, words=local.encoder.dim, pictures=pictures)
    chosen = _chosen({name: measured(ways[name], adapted, validation) for name in (FIXED, LATE)}, validation)
    judged = measured(ways[chosen], adapted, validation)
    correction, fitted = _correction(judged, validation)
    # Every second labelled question corrects the confidences, the others prove the thresholds.
    sure = [float(correction(one.sure)) for one in judged[1::2]]
    wrong = [not hit for hit in right(judged[1::2], validation[1::2])]
    proven = [select(sure, wrong, budget) for budget in dict.fromkeys((knowledge.error_budget, *BUDGETS))]
    model = replace(
        bare,
        fusion=chosen,
        correction=correction,
        answer_at=proven[0].threshold if proven[0].guaranteed else 0.0,
        budget=knowledge.error_budget,
        gate=shipped() if chosen == LATE else None,
        text=text,
    )
    groups = _groups(sure, wrong, validation[1::2], knowledge.error_budget)
    if any(one.guaranteed for one in groups.values()):
        model = replace(model, groups={name: one.threshold for name, one in groups.items() if one.guaranteed})
    limits = {one.channels: model.limits(adapted.thresholds, knowledge.error_budget, one.channels) for one in held}
    outcomes = {name: measured(way, adapted, held) for name, way in ways.items()}
    answers = [
        _held(one, judge, correction, limits[one.channels]) for one, judge in zip(held, outcomes[chosen], strict=True)
    ]
    model.save(out)
    with log.stage("cases"):
        promotion = _promotion(kb, configuration, out)
    found = told.Results(
        title=knowledge.title,
        language=knowledge.language,
        at=int(time.time() * 1000),
        model=model.encoder,
        budget=knowledge.error_budget,
        counts=_counts(knowledge, past, parts),
        stages=tuple(log.timed),
        strategies=tuple(compared(ways[name], outcomes[name], held, knowledge.error_budget) for name in ways),
        chosen=chosen,
        reason=_reason(chosen, validation),
        entries=told.qualities(knowledge, answers, {id: len(one.phrases) for id, one in learned.items()}),
        held=tuple(answers),
        ablation=ablation(
            ways[chosen], adapted, held, model.limits(adapted.thresholds, knowledge.error_budget).answer_at
        ),
        weights=weights(held, len(adapted.entries)) if chosen == LATE else (),
        calibration=fitted,
        selected=tuple(proven) if validation else (),
        groups=groups,
        promotion=promotion,
        warnings=tuple(warnings),
        curves=read(out / "log"),
    )
    (out / "results.json").write_text(told.dumps(found) + "\n", encoding="utf-8")
    write(found, out)
    return found


def _heard(examples: Sequence[Example], local: Local, log: Log, warnings: list[Finding]) -> dict[int, Said]:
    """What examples hold, by their lines; one that cannot be read gives a warning instead."""
    found: dict[int, Said] = {}
    with log.stage("listening", len(examples)) as stage:
        for place, example in enumerate(examples, 1):
            try:
                found[example.line] = local.listen(example.text, example.photos, example.voices, example.history)
            except PolydeskError as problem:
                warnings.append(Finding("unreadable", f"line {example.line} of the history cannot be read: {problem}"))
            stage.step(place)
    return found


def _counts(knowledge: KnowledgeBase, past: History, parts: Splits) -> told.Counts:
    return told.Counts(
        entries=len(knowledge.live),
        phrases=sum(len(entry.phrases) for entry in knowledge.live),
        photos=sum(len(entry.photos) for entry in knowledge.live),
        history=len(past.examples),
        trained=len(parts.train),
        validated=len(parts.validation),
        cases=len(knowledge.cases),
    )


def _parts(knowledge: KnowledgeBase, past: History) -> tuple[KnowledgeBase, Splits]:
    """What to learn from and what to measure by; without history, every so many phrases of an entry are held out."""
    known = [one for one in past.examples if one.expect]
    if known:
        return knowledge, splits(known, held_out=HELD_OUT, validation=VALIDATION)
    entries, held = [], []
    for entry in knowledge.live:
        out = entry.variants[2::WITHHELD]
        entries.append(replace(entry, variants=tuple(one for one in entry.variants if one not in out)))
        held += [Example(line=0, conversation=one, expect=entry.id, text=one) for one in out]
    numbered = tuple(replace(one, line=-place - 1) for place, one in enumerate(held))
    return replace(knowledge, entries=tuple(entries)), Splits((), (), numbered)


def _learned(examples: Sequence[Example], heard: Mapping[int, Said]) -> dict[str, Learned]:
    """Customers' words by entry, of what somebody has confirmed; that nobody objected teaches nothing new."""
    phrases: dict[str, list[str]] = defaultdict(list)
    photos: dict[str, int] = defaultdict(int)
    for example in examples:
        said = heard.get(example.line)
        if said is None or example.expect == NONE or example.by == "silence":
            continue
        words = " ".join(part for part in (said.text, said.transcript) if part).strip()
        if words and not example.history:
            phrases[example.expect].append(words)
        photos[example.expect] += 0 if said.photos is None else len(said.photos)
    ids = phrases.keys() | {id for id, many in photos.items() if many}
    return {id: Learned(tuple(dict.fromkeys(phrases[id])), photos[id]) for id in sorted(ids)}


def _photos(examples: Sequence[Example], heard: Mapping[int, Said]) -> dict[str, Floats]:
    found: dict[str, list[Floats]] = defaultdict(list)
    for example in examples:
        said = heard.get(example.line)
        if said is not None and said.photos is not None and example.expect != NONE and example.by != "silence":
            found[example.expect].append(said.photos)
    return {id: np.concatenate(some) for id, some in found.items()}


def _chosen(judgements: Mapping[str, Sequence[Judged]], validation: Sequence[Asked]) -> str:
    """The learned gate, unless fixed weights were surer of what is right on this knowledge base's own labels."""
    mixed = [place for place, one in enumerate(validation) if len(one.opinions) > 1]
    if len(mixed) < 30:
        return LATE
    losses = {}
    for name in (FIXED, LATE):
        hits = right(judgements[name], validation)
        sure = [judgements[name][place].sure for place in mixed]
        losses[name] = metrics.logarithmic_loss(sure, [hits[place] for place in mixed])
    gained = losses[LATE] - losses[FIXED]
    return FIXED if gained.mean() > gained.std() / np.sqrt(len(mixed)) else LATE


def _reason(chosen: str, validation: Sequence[Asked]) -> str:
    mixed = sum(len(one.opinions) > 1 for one in validation)
    if mixed < 30:
        return (
            "the learned gate that ships with Polydesk: there are "
            f"{mixed} labelled questions of several channels to choose by, fewer than 30"
        )
    better = "the learned gate was at least as sure of what is right" if chosen == LATE else "fixed weights were surer"
    return f"{better} on {mixed} labelled questions of several channels"


def _correction(judged: Sequence[Judged], validation: Sequence[Asked]) -> tuple[Recalibration, told.Calibration | None]:
    """Fitted on every second labelled question; the others prove the threshold."""
    sure = [one.sure for one in judged[::2]]
    fitted = recalibrate(sure, right(judged[::2], validation[::2]))
    if not fitted.loss:
        return fitted.correction, None
    kind = fitted.chosen
    return fitted.correction, told.Calibration(
        kind, len(sure), fitted.ece["none"], fitted.ece[kind], fitted.loss["none"], fitted.loss[kind]
    )


def _groups(sure: Sequence[float], wrong: Sequence[bool], asked: Sequence[Asked], budget: float) -> dict[str, Selected]:
    names = [group(one.channels) for one in asked]
    return by_group(sure, wrong, names, budget) if len(asked) >= needed(budget) else {}


def _held(one: Asked, judge: Judged, correction: Recalibration, limits: Thresholds) -> told.Held:
    sure = float(correction(judge.sure))
    decision = told.ANSWER if sure >= limits.answer_at else told.CLARIFY if sure >= limits.clarify_at else told.ESCALATE
    asked = one.heard.said.text or one.heard.said.transcript
    return told.Held(
        one.example.expect, judge.entry, sure, decision, one.channels, raw=judge.sure, asked=asked[:_SHOWN]
    )


def _promotion(kb: Path, configuration: Configuration, out: Path) -> told.Promotion:
    """The candidate beside the shipped model on the knowledge base's cases, which nothing was trained on."""
    figures = []
    for model in (None, out):
        with Local.open(kb, configuration, model, builtins=False) as local:
            figures.append(evaluate(local, None)[0])
    before, after = figures
    checks = []
    for name, what in (("accuracy", "the right entry in the cases"), ("auroc", "cases in scope told from others")):
        if after.get(name) is not None:
            checks.append(told.Check(what, before[name], after[name], after[name] >= before[name] - _SLACK))
    kept = [1 - float(one["wrong_of_answered"]) for one in figures if one.get("wrong_of_answered") is not None]
    if len(kept) == len(figures):
        checks.append(told.Check("right among the answered cases", kept[0], kept[1], kept[1] >= kept[0] - _SLACK))
    if not checks:
        return told.Promotion(False, "the knowledge base has no cases to judge by: add some under `cases`", ())
    promoted = all(check.passed for check in checks)
    failed = ", ".join(check.what for check in checks if not check.passed)
    why = "it is not worse on any of them" if promoted else f"it is worse on: {failed}"
    return told.Promotion(promoted, why, tuple(checks))
