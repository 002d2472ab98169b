"""What labelled questions decide: the way of fusing, the confidences, whether a model is put to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import BadInput, Broken, Retry
from core.knowledge.entries import NONE
from core.knowledge.files import load
from core.knowledge.history import Example
from workers.configuration import Configuration
from workers.evaluation import evaluate
from workers.local import Local
from workers.model import metrics
from workers.model.calibration import Thresholds
from workers.model.recalibration import Recalibration, recalibrate
from workers.model.selective import DELTA, Selected, by_group, group, needed
from workers.model.shelf import Shelf
from workers.model.trained import FIXED, LATE
from workers.train import held_out
from workers.train import results as told
from workers.train.log import Log, Stage
from workers.train.measuring import Asked, Judged, right

STAGE = "comparison"
ENOUGH = 30  # labelled questions of several channels to choose a way of fusing by
_SHOWN = 140  # characters of a question in the report
_SLACK = 1e-9


def chosen(judgements: Mapping[str, Sequence[Judged]], validation: Sequence[Asked], wish: str = "") -> tuple[str, str]:
    """The way of fusing with the reason, in a sentence.

    What was wished for if it is there; else the learned gate, unless fixed weights were surer of what is right on these
    labels.
    """
    if wish in judgements:
        return wish, _wished(wish, judgements, validation)
    mixed = [place for place, one in enumerate(validation) if len(one.opinions) > 1]
    if len(mixed) < ENOUGH:
        return LATE, (
            "the learned gate that ships with Polydesk: there are "
            f"{len(mixed)} labelled questions of several channels to choose by, fewer than {ENOUGH}"
        )
    losses = {}
    for name in (FIXED, LATE):
        hits = right(judgements[name], validation)
        sure = [judgements[name][place].sure for place in mixed]
        losses[name] = metrics.logarithmic_loss(sure, [hits[place] for place in mixed])
    gained = losses[LATE] - losses[FIXED]
    fixed = bool(gained.mean() > gained.std() / np.sqrt(len(mixed)))
    better = "fixed weights were surer" if fixed else "the learned gate was at least as sure of what is right"
    return (FIXED if fixed else LATE), f"{better} on {len(mixed)} labelled questions of several channels"


def _wished(wish: str, judgements: Mapping[str, Sequence[Judged]], validation: Sequence[Asked]) -> str:
    found = {name: sum(right(judgements[name], validation)) for name in dict.fromkeys((wish, LATE))}
    if not validation:
        return "it was asked for with --strategy; there are no labelled questions to compare it by"
    inside = sum(one.example.expect != NONE for one in validation)
    told_of = ", ".join(f"{name} finds {many}" for name, many in found.items())
    return f"it was asked for with --strategy: of {inside} labelled questions with an entry {told_of}"


def correction(judged: Sequence[Judged], validation: Sequence[Asked]) -> tuple[Recalibration, told.Calibration | None]:
    """Fitted to the questions that choose, since it must not be to those that prove the threshold."""
    sure = [one.sure for one in judged]
    fitted = recalibrate(sure, right(judged, validation))
    if not fitted.loss:
        return fitted.correction, None
    kind = fitted.chosen
    return fitted.correction, told.Calibration(
        kind, len(sure), fitted.ece["none"], fitted.ece[kind], fitted.loss["none"], fitted.loss[kind]
    )


def groups(sure: Sequence[float], wrong: Sequence[bool], asked: Sequence[Asked], budget: float) -> dict[str, Selected]:
    """The threshold of each group of channels, where there are labelled questions enough to tell any."""
    names = [group(one.channels) for one in asked]
    return by_group(sure, wrong, names, budget, delta=DELTA / 2) if len(asked) >= needed(budget) else {}


def answered(one: Asked, judge: Judged, corrected: Callable[[float], float], limits: Thresholds) -> told.Held:
    """What becomes of a held-out question."""
    sure = corrected(judge.sure)
    enough = limits.shown_at if group(one.channels) == "photo" else limits.answer_at
    decision = told.ANSWER if sure >= enough else told.CLARIFY if sure >= limits.clarify_at else told.ESCALATE
    asked = one.heard.said.text or one.heard.said.transcript
    return told.Held(
        one.example.expect, judge.entry, sure, decision, one.channels, raw=judge.sure, asked=asked[:_SHOWN]
    )


def promotion(
    kb: Path,
    configuration: Configuration,
    out: Path,
    used: Path | None,
    past: Sequence[Example],
    *,
    shelf: Shelf,
    log: Log,
    instead: str = "",
) -> told.Promotion:
    """The candidate beside the model in use on cases and held-out history, which nothing was trained on.

    Args:
        kb: the knowledge base's folder or file.
        configuration: which encoders.
        out: the candidate's folder.
        used: that of the model in use; None for the shipped one.
        past: the held-out turns that may judge.
        shelf: the encoders that both have in common; one that remembers recognises nothing twice.
        log: told how far it is.
        instead: why `used` is not the one in use, if it cannot be had.

    Raises:
        BadInput: the candidate does not fit the encoders. Broken: weights are missing, or a file cannot be read.
    """
    knowledge = load(kb)
    if not past and not knowledge.cases:
        return told.Promotion(
            False,
            "there is nothing to judge by: the knowledge base has no `cases`, no labelled conversation was held out",
            (),
        )
    many = len(knowledge.cases) + len(past)
    with log.stage(STAGE, 2 * many) as stage:
        asking = _Asking(kb, configuration, shelf, past, stage)
        try:
            before = asking.tried(used, 0)
        except (BadInput, Broken) as problem:
            if used is None:
                raise
            if (passing := only_now(problem)) is not None:
                raise passing from problem
            # The shipped model answers where the one in use cannot: that is what the candidate would take the place of.
            before, instead = asking.tried(None, 0), f"the model in force cannot answer ({problem})"
        after = asking.tried(out, many)
    checks = [
        *held_out.checks(before.past, after.past, knowledge.error_budget, "held-out conversations"),
        *held_out.checks(before.cases, after.cases, knowledge.error_budget, "the cases"),
    ]
    if after.auroc is not None and before.auroc is not None:
        what = "cases in scope told from others"
        checks.append(told.Check(what, before.auroc, after.auroc, after.auroc >= before.auroc - _SLACK))
    if not checks:
        return told.Promotion(False, "none of the cases and held-out conversations could be judged by", ())
    promoted = all(check.passed for check in checks)
    failed = ", ".join(check.what for check in checks if not check.passed)
    why = "it is not worse in anything that was compared" if promoted else f"it is worse on: {failed}"
    return told.Promotion(promoted, why, tuple(checks), instead)


def only_now(problem: BaseException | None) -> Broken | None:
    """What to say where the model in use cannot be had for a reason that may pass; None where nobody can have it.

    A file that is not there, or is damaged, stays so, and workers answer with the shipped model; what the operating
    system refuses here and now says nothing about what answers customers.
    """
    while problem is not None:
        if isinstance(problem, Retry | MemoryError | OSError) and not isinstance(problem, FileNotFoundError):
            why = (problem.strerror if isinstance(problem, OSError) else str(problem)) or type(problem).__name__
            return Broken(
                f"The model in force cannot be compared with just now ({why}). Mend that, then start it again."
            )
        problem = problem.__cause__
    return None


@dataclass(frozen=True, slots=True)
class _Tried:
    past: held_out.Tally
    cases: held_out.Tally
    auroc: float | None


@dataclass(frozen=True, slots=True)
class _Asking:
    """The same questions for each model."""

    kb: Path
    configuration: Configuration
    shelf: Shelf
    past: Sequence[Example]
    stage: Stage

    def tried(self, model: Path | None, done: int) -> _Tried:
        """Ask a model all of them; `done` steps of the stage were made before."""
        with Local.open(self.kb, self.configuration, model, builtins=False, shelf=self.shelf) as local:
            figures, lines = evaluate(local, None, lambda cases: self.stage.step(done + cases))
            done += len(lines)
            past = held_out.asked(local, self.past, lambda turns: self.stage.step(done + turns))
            return _Tried(past, held_out.of_cases(lines), figures.get("auroc"))
