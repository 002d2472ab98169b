"""Running a knowledge base's cases through the brain."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from core.asking import Answer, Prediction
from core.knowledge.cases import load_cases
from core.knowledge.entries import NONE, Case, KnowledgeBase
from core.policy import alone, kind
from workers.local import Local
from workers.model import metrics
from workers.model.selective import DELTA, Selected, by_group, interval, needed, select

_KINDS = ("answer", "clarify", "escalate")
BUDGETS = (0.01, 0.02, 0.05)  # what is told of every knowledge base


def evaluate(
    local: Local, cases: Path | None, tell: Callable[[int], None] | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Figures, and a line a case in the cases' order.

    Nothing is calibrated on cases: what they would allow as thresholds is only told (`error_budget`).

    A case that cannot be read gets an `error`, the decision `escalate` and confidence 0, and the run goes on. The times
    are those of models that are loaded: the first case of each channel and language is asked twice, the second counts.

    Args:
        local: the brain.
        cases: a file of cases; without it, those of the knowledge base.
        tell: told after each case how many were asked.

    Raises:
        KnowledgeError: the cases file is wrong.
    """
    ids = {entry.id for entry in local.knowledge.entries} | {NONE}
    asked = load_cases(cases, entries=ids) if cases is not None else local.knowledge.cases
    outcomes, lines, sure = [], [], []
    loaded: set[tuple[str, str]] = set()
    for done, case in enumerate(asked, 1):
        line, prediction, seconds = _timed(local, case)
        if prediction is not None and (_channel(case), prediction.language) not in loaded:
            loaded.add((_channel(case), prediction.language))
            line, prediction, seconds = _timed(local, case)
        lines.append(line)
        sure.append(_answerable(prediction, local.knowledge))
        entry = line["entry"] or ""
        outcomes.append(metrics.Case(case.expect, entry, line["confidence"], line["decision"], seconds))
        if tell is not None:
            tell(done)
    channels = {
        channel: _figures([one for one, case in zip(outcomes, asked, strict=True) if _channel(case) == channel])
        for channel in dict.fromkeys(map(_channel, asked))
    }
    entries = {name: asdict(quality) for name, quality in metrics.per_entry(outcomes).items()}
    curve = metrics.risk_coverage(outcomes) if outcomes else None
    told = {**_figures(outcomes), "channels": channels, "entries": entries}
    told |= {"risk_coverage": asdict(curve) if curve else None}
    groups = [_group(case) for case in asked]
    return told | {"error_budget": _budgets(outcomes, sure, groups, local.knowledge.error_budget)}, lines


def _figures(outcomes: Sequence[metrics.Case]) -> dict[str, Any]:
    """The figures of some cases; shares are of 1, times in milliseconds, None where there is nothing to measure."""
    inside = [one for one in outcomes if one.inside]
    if not outcomes:
        return {"cases": 0}
    qualities = list(metrics.per_entry(outcomes).values())
    answered = metrics.answering(outcomes)
    times = metrics.percentiles(outcomes)
    return {
        "cases": len(outcomes),
        "in_scope": len(inside),
        "accuracy": metrics.accuracy(outcomes) if inside else None,
        "precision": fmean(one.precision for one in qualities) if qualities else None,
        "recall": fmean(one.recall for one in qualities) if qualities else None,
        "f1": fmean(one.f1 for one in qualities) if qualities else None,
        "auroc": metrics.auroc(outcomes),
        "aurc": metrics.risk_coverage(outcomes).area,
        "ece": metrics.calibration_error(outcomes),
        "answered": answered.answered,
        "wrong_of_answered": answered.wrong,
        "decisions": {
            kind: sum(one.decision == kind for one in outcomes) for kind in ("answer", "clarify", "escalate")
        },
        "latency_ms": {f"p{share:g}": 1000 * seconds for share, seconds in times.items()},
    }


def _budgets(
    outcomes: Sequence[metrics.Case], sure: Sequence[float], groups: Sequence[str], budget: float
) -> dict[str, Any]:
    """What became of the budget in force, and what these cases would allow at 1, 2 and 5 %.

    `realised` counts the automatic answers under the thresholds in force, with the Clopper-Pearson interval (95 %) of
    their error. Each row of `at` holds the lowest threshold that the bound allows (`guaranteed`), or else the estimated
    one, with its `answered` share of the questions and the `wrong` share of its `answers`; `needed` is how many answers
    without a mistake the bound asks for at the least. The guarantee is about questions like these cases.
    """
    wrong = [not one.right for one in outcomes]
    answers = [bad for one, bad in zip(outcomes, wrong, strict=True) if one.decision == metrics.ANSWER]
    return {
        "budget": budget,
        "delta": DELTA,
        "realised": {
            "answers": len(answers),
            "wrong": sum(answers),
            "error": sum(answers) / len(answers) if answers else None,
            "interval": list(interval(sum(answers), len(answers))),
        },
        "at": [
            _row(select(sure, wrong, one))
            | {"groups": {name: _row(own) for name, own in by_group(sure, wrong, groups, one).items()}}
            for one in sorted({*BUDGETS, budget})
            if 0 < one < 1
        ],
    }


def _row(chosen: Selected) -> dict[str, Any]:
    return {
        "budget": chosen.budget,
        "threshold": chosen.threshold,
        "guaranteed": chosen.guaranteed,
        "cases": chosen.cases,
        "answered": chosen.coverage,
        "answers": chosen.answered,
        "wrong": chosen.risk,
        "bound": chosen.bound,
        "needed": needed(chosen.budget, chosen.delta),
    }


def _answerable(prediction: Prediction | None, knowledge: KnowledgeBase) -> float:
    """The confidence of what a lower threshold would answer; 0 for what no threshold would, such as two rivals."""
    if prediction is None:
        return 0.0
    decision = alone(replace(prediction, answer_at=0.0), knowledge)
    return prediction.confidence if isinstance(decision, Answer) and decision.entry else 0.0


def _timed(local: Local, case: Case) -> tuple[dict[str, Any], Prediction | None, float]:
    """The line of a case, its prediction (None when the case could not be read) and the seconds it took."""
    began = time.perf_counter()
    line, prediction = _line(local, case)
    return line, prediction, time.perf_counter() - began


def _line(local: Local, case: Case) -> tuple[dict[str, Any], Prediction | None]:
    photos = [Path(case.photo)] if case.photo else []
    voices = [Path(case.voice)] if case.voice else []
    try:
        prediction = local.ask(case.text, photos, voices, case.history)
    except Exception as problem:
        # Whatever is wrong with one case, the others are still worth knowing.
        return _failed(case, str(problem) or type(problem).__name__), None
    unread = [part.problem.value for part in prediction.unread]
    if unread and not prediction.candidates:
        return _failed(case, ", ".join(unread)), None
    decision = alone(prediction, local.knowledge)
    line = {
        "expect": case.expect,
        "decision": kind(decision),
        "entry": prediction.entry or None,
        "confidence": prediction.confidence,
        "top": [list(pair) for pair in prediction.top],
        "transcript": prediction.transcript,
        "ocr": list(prediction.ocr),
    }
    return line, prediction


def _failed(case: Case, error: str) -> dict[str, Any]:
    return {
        "expect": case.expect,
        "decision": "escalate",
        "entry": None,
        "confidence": 0.0,
        "top": [],
        "transcript": "",
        "ocr": [],
        "error": error,
    }


def _channel(case: Case) -> str:
    parts = [name for name in ("text", "photo", "voice") if getattr(case, name)]
    return "+".join(parts) or "nothing"


def _group(case: Case) -> str:
    """What counts as one kind of question where thresholds are told: text, photo, voice or mixed."""
    channel = _channel(case)
    return "mixed" if "+" in channel else channel
