"""`polydesk ask` and `polydesk evaluate`: the brain without any server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.commands.models import make_ready, voice_wanted
from bot.commands.targets import must_be_writable
from bot.console.evidence import card as drawn
from bot.settings import Settings, load
from core.asking import Answer, Decision, Escalate, Prediction
from core.errors import BadInput
from core.knowledge.entries import KnowledgeBase
from core.knowledge.lint import Finding
from core.policy import alone, kind
from core.texts import say
from workers.configuration import Configuration

Kb = Annotated[Path, typer.Option("--kb", help="A folder with kb.yaml, or the file itself.")]
Model = Annotated[Path | None, typer.Option("--model", help="A trained model; without it, the shipped one adapted.")]


def ask(
    kb: Kb,
    model: Model = None,
    text: Annotated[str, typer.Option(help="What the customer writes.")] = "",
    photo: Annotated[list[Path] | None, typer.Option(help="A photo; may be given several times.")] = None,
    voice: Annotated[Path | None, typer.Option(help="A voice note.")] = None,
    history: Annotated[list[str] | None, typer.Option(help="An earlier message; may be given several times.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Ask one question, in this process."""
    photos, voices = photo or [], [voice] if voice else []
    for file in (*photos, *voices):
        if not file.is_file():
            raise BadInput(f"there is no file {file}")
    if not (text.strip() or photos or voices):
        raise BadInput("ask something: --text, --photo or --voice")
    from workers.local import Local

    with Local.open(kb, configured(), model) as local:
        warn(local.strange)
        prediction = local.ask(text, photos, voices, tuple(history or ()), explain=True)
        decision = alone(prediction, local.knowledge)
        told = describe(prediction, decision, local.knowledge, local.name)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        _show(told)


def evaluate(
    kb: Kb,
    model: Model = None,
    cases: Annotated[Path | None, typer.Option(help="A JSONL file; without it, the knowledge base's own.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Write a line of JSON a case here.")] = None,
) -> None:
    """Measure accuracy, precision, recall and F1 by entry, AUROC, risk and coverage, calibration, latency.

    It also tells what became of the error budget, and which thresholds these cases would prove at 1, 2 and 5 %. Nothing
    is learned from cases.
    """
    must_be_writable(json_out, predictions)
    from workers.evaluation import evaluate as run
    from workers.local import Local

    with Local.open(kb, configured(), model, builtins=False) as local:
        warn(local.strange)
        figures, lines = run(local, cases)
    if predictions is not None:
        predictions.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    if json_out is not None:
        json_out.write_text(json.dumps(figures, ensure_ascii=False, indent=2) + "\n")
    typer.echo(_table(figures))
    if figures["channels"]:
        typer.echo("\n" + "\n".join(_channels(figures["channels"])))
    typer.echo("\n" + "\n".join(_budget(figures["error_budget"])))


def warn(findings: Iterable[Finding]) -> None:
    """Say on stderr what will disappoint somebody."""
    for finding in findings:
        typer.echo(f"warning: {finding.message}", err=True)


def describe(prediction: Prediction, decision: Decision, knowledge: KnowledgeBase, name: str) -> dict[str, Any]:
    """The object that `ask --json` prints."""
    entry = knowledge.entry(prediction.entry)
    language = prediction.language or knowledge.language
    answer = None
    if isinstance(decision, Answer) and decision.builtin:
        answer = say(decision.builtin, language, knowledge)
    elif isinstance(decision, Answer) and entry is not None:
        answer = entry.answer_in(language, knowledge.language).strip()
    return {
        "decision": kind(decision),
        "entry": prediction.entry or None,
        "intent": (entry.intent or entry.id) if entry else None,
        "confidence": round(prediction.confidence, 6),
        "answer": answer,
        "reason": decision.reason.value if isinstance(decision, Escalate) else None,
        "builtin": prediction.builtin or None,
        "top": [[one, round(score, 6)] for one, score in prediction.top],
        "candidates": [
            {"entry": one.entry, "score": round(one.score, 6), "channels": one.channels}
            for one in prediction.candidates
        ],
        "transcript": prediction.transcript,
        "ocr": list(prediction.ocr),
        "language": language,
        "evidence": {
            **prediction.evidence,
            **_tone(prediction),
            "threshold": {
                "answer_at": round(prediction.answer_at, 6),
                "clarify_at": round(prediction.clarify_at, 6),
                "guaranteed": prediction.guaranteed,
            },
            "unread": [{"part": part.blob, "problem": part.problem.value} for part in prediction.unread],
        },
        "model": prediction.model,
        "kb": name,
    }


def _tone(prediction: Prediction) -> dict[str, Any]:
    """How strained the customer seems, and what told it; nothing unless somebody looked."""
    if prediction.tone is None:
        return {}
    return {"tone": {"strained": round(prediction.tone, 6), "by": prediction.tone_by}}


def configured() -> Configuration:
    """The settings that a model in this process needs; prepares the weights first."""
    settings = load()
    make_ready(settings.models, tone=voice_wanted(settings))
    return configuration(settings)


def configuration(settings: Settings) -> Configuration:
    """The settings that a model in this process needs; the weights may be missing."""
    return Configuration(
        redis_url="",
        blobs=settings.blob_folder,
        models=settings.models,
        encodings=settings.data / "encodings.db",
        text_model=settings.text_model,
        image_model=settings.image_model,
        speech_model=settings.speech_model,
        voice_model=settings.voice_model,
        tone=bool(settings.tone_notice),
        device=settings.device,
        threads=max(os.cpu_count() or 1, 1),
    )


def _show(told: dict[str, Any]) -> None:
    reason = f" ({told['reason']})" if told["reason"] else ""
    typer.echo(f"{told['decision']}{reason}, {100 * told['confidence']:.0f} % sure")
    for label, value in (
        ("heard", told["transcript"]),
        ("read", " / ".join(told["ocr"])),
        ("small talk", told["builtin"]),
    ):
        if value:
            typer.echo(f"{label}: {value}")
    for part in told["evidence"]["unread"]:
        typer.echo(f"could not be read: {part['part']} ({part['problem'].replace('_', ' ')})")
    for entry, score in told["top"]:
        typer.echo(f"  {score:.3f}  {entry}")
    card = drawn(told["evidence"])
    if card and card.together:
        typer.echo(f"together: {', '.join(one.words for one in card.together)} ({100 * card.left:.0f} % without)")
    for label, pieces in (("for it", card.backing), ("against it", card.against)) if card else ():
        if pieces:
            typer.echo(f"{label}: " + "; ".join(f"{one.words} ({100 * one.without:.0f} % without)" for one in pieces))
    if told["answer"]:
        typer.echo(f"\n{told['answer']}")


def _table(figures: dict[str, Any]) -> str:
    flat = figures | {f"latency {name}": value for name, value in figures.get("latency_ms", {}).items()}
    rows = [(name, value) for name, value in flat.items() if isinstance(value, int | float | str)]
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(
        f"{name:<{width}}  {value:.4f}" if isinstance(value, float) else f"{name:<{width}}  {value}"
        for name, value in rows
    )


def _channels(told: dict[str, Any]) -> list[str]:
    """What became of the cases, by what they came as; the right entry is looked for in those that have one."""
    rows = [["came as", "cases", "right entry", "answered", "asked back", "handed over", "wrong among the answered"]]
    for name, one in told.items():
        found = "-" if one["accuracy"] is None else _share(one["accuracy"])
        done = [one["decisions"][what] for what in ("answer", "clarify", "escalate")]
        wrong = f"{round(one['wrong_of_answered'] * done[0])} of {done[0]}"
        rows.append([name, str(one["cases"]), found, *map(str, done), wrong])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _budget(told: dict[str, Any]) -> list[str]:
    """The error budget in sentences."""
    done = told["realised"]
    low, high = (100 * bound for bound in done["interval"])
    lines = [f"error budget: at most {_share(told['budget'])} of the automatic answers may be wrong"]
    if done["answers"]:
        wrong = f"{done['wrong']} of {done['answers']} answers wrong, {_share(done['error'])}"
        lines.append(f"  in force: {wrong} (95 % interval {low:.1f} to {high:.1f} %)")
    else:
        lines.append("  in force: none of these cases is answered automatically")
    for row in told["at"]:
        does = f"answers {_share(row['answered'])} of these cases, {_share(row['wrong'])} of that wrong"
        sure = f"guaranteed with {_share(1 - told['delta'])} confidence, for questions like these"
        if not row["guaranteed"]:
            sure = f"estimated, not guaranteed: that takes at least {row['needed']} answers without a mistake"
        lines.append(f"  at {_share(row['budget'])}: from confidence {row['threshold']:.3f} on, {does}; {sure}")
    return lines


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"
