"""Running a knowledge base's cases through the brain."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from core.asking import Answer, Clarify, Decision, Prediction
from core.errors import PolydeskError
from core.knowledge.cases import load_cases
from core.knowledge.entries import NONE, Case
from core.policy import alone
from workers.local import Local
from workers.model.metrics import Outcome, figures


def evaluate(local: Local, cases: Path | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Figures, and a line a case in the cases' order.

    A case that cannot be read gets an `error`, the decision `escalate` and confidence 0, and the run goes on.

    Raises:
        KnowledgeError: the cases file is wrong.
    """
    ids = {entry.id for entry in local.knowledge.entries} | {NONE}
    asked = load_cases(cases, entries=ids) if cases is not None else local.knowledge.cases
    outcomes, lines = [], []
    for case in asked:
        began = time.perf_counter()
        line = _line(local, case)
        seconds = time.perf_counter() - began
        lines.append(line)
        outcomes.append(Outcome(case.expect, line["entry"] or NONE, line["confidence"], line["decision"], seconds))
    by_channel = {
        channel: figures([outcome for outcome, case in zip(outcomes, asked, strict=True) if _channel(case) == channel])
        for channel in dict.fromkeys(map(_channel, asked))
    }
    told = figures(outcomes)
    return {**told, "cases": len(asked), "channels": by_channel}, lines


def _line(local: Local, case: Case) -> dict[str, Any]:
    photos = [Path(case.photo)] if case.photo else []
    voices = [Path(case.voice)] if case.voice else []
    try:
        prediction = local.ask(case.text, photos, voices, case.history)
    except PolydeskError as problem:
        return _failed(case, str(problem))
    unread = [part.problem.value for part in prediction.unread]
    if unread and not prediction.candidates:
        return _failed(case, ", ".join(unread))
    decision = alone(prediction, local.knowledge)
    return {
        "expect": case.expect,
        "decision": _kind(decision),
        "entry": prediction.entry or None,
        "confidence": prediction.confidence,
        "top": [list(pair) for pair in prediction.top],
        "transcript": prediction.transcript,
        "ocr": list(prediction.ocr),
    }


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


def _kind(decision: Decision) -> str:
    return {Answer: "answer", Clarify: "clarify"}.get(type(decision), "escalate")


def _channel(case: Case) -> str:
    parts = [name for name in ("text", "photo", "voice") if getattr(case, name)]
    return "+".join(parts) or "nothing"


__all__ = ["Prediction", "evaluate"]
