"""How good a set of predictions is: pure functions over cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.knowledge.entries import NONE

ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Case:
    """One question with its outcome.

    `expect` is an entry's id, or `none` when the question is out of scope; `entry` what was predicted (possibly empty),
    `confidence` the probability that it is right, `decision` what the policy made of it, `seconds` how long it took.
    """

    expect: str
    entry: str
    confidence: float
    decision: str
    seconds: float = 0.0

    @property
    def inside(self) -> bool:
        """Whether some entry answers it."""
        return self.expect != NONE

    @property
    def right(self) -> bool:
        """Whether the predicted entry answers it."""
        return self.inside and self.entry == self.expect


@dataclass(frozen=True, slots=True)
class Quality:
    """Precision, recall and F1 of one entry, with how many questions expected it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """The share of wrong answers (`risk`) when only the surest share of all questions (`coverage`) is answered.

    `area` under the curve (AURC, Geifman et al. 2019, https://arxiv.org/abs/1805.08206): 0 is perfect.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    area: float


@dataclass(frozen=True, slots=True)
class Answering:
    """What the policy did: the share of questions answered automatically, the share of those answers that was wrong."""

    answered: float
    wrong: float


def accuracy(cases: Sequence[Case]) -> float:
    """The share of questions in scope whose entry was found, decision apart; 0 when there is none."""
    inside = [case for case in cases if case.inside]
    return sum(case.right for case in inside) / len(inside) if inside else 0.0


def per_entry(cases: Sequence[Case]) -> dict[str, Quality]:
    """Quality of every entry that was expected or answered; `none` stands for questions that should not be answered.

    A question that was not answered automatically counts as predicted `none` where none was expected; where an entry
    was expected its best entry counts, said or not.
    """
    from sklearn.metrics import precision_recall_fscore_support

    if not cases:
        return {}
    truth = [case.expect for case in cases]
    guess = [NONE if not case.inside and case.decision != ANSWER else case.entry or NONE for case in cases]
    names = sorted({*truth, *guess})
    columns = precision_recall_fscore_support(truth, guess, labels=names, zero_division=0.0)
    return {
        name: Quality(float(precision), float(recall), float(f1), int(support))
        for name, precision, recall, f1, support in zip(names, *columns, strict=True)
    }


def auroc(cases: Sequence[Case]) -> float | None:
    """Area under the ROC curve of `confidence`, in against out of scope; None unless there are both."""
    from sklearn.metrics import roc_auc_score

    inside = [case.inside for case in cases]
    if all(inside) or not any(inside):
        return None
    return float(roc_auc_score(inside, [case.confidence for case in cases]))


def risk_coverage(cases: Sequence[Case]) -> RiskCoverage:
    """The curve over all questions, surest first; equal confidences are taken together."""
    if not cases:
        return RiskCoverage((), (), 0.0)
    order = sorted(cases, key=lambda case: -case.confidence)
    sure = np.array([case.confidence for case in order])
    wrong = np.cumsum([not case.right for case in order])
    last = np.append(sure[1:] != sure[:-1], True)
    answered = np.arange(1, len(order) + 1)[last]
    coverage, risk = answered / len(order), wrong[last] / answered
    area = float(np.sum(np.diff(coverage, prepend=0.0) * risk))
    return RiskCoverage(tuple(map(float, coverage)), tuple(map(float, risk)), area)


def calibration_error(cases: Sequence[Case], bins: int = 10) -> float:
    """Expected calibration error of cases; see `expected_error`."""
    return expected_error([case.confidence for case in cases], [case.right for case in cases], bins)


def expected_error(confidences: ArrayLike, right: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error: how far confidence is from the share that was right, in bins of equal width.

    Naeini et al. 2015 (https://ojs.aaai.org/index.php/AAAI/article/view/9602); 0 without questions.
    """
    sure, truth = np.asarray(confidences, dtype=float), np.asarray(right, dtype=float)
    which = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(sure[which == b].mean() - truth[which == b].mean()) * (which == b).mean() for b in np.unique(which)]
    return float(sum(gaps))


def logarithmic_loss(confidences: ArrayLike, right: ArrayLike) -> NDArray[np.float64]:
    """The loss of each question, (n,), in nats; at most that of a confidence of one in a million."""
    sure = np.clip(np.asarray(confidences, dtype=np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(-np.log(np.where(np.asarray(right, dtype=bool), sure, 1 - sure)))


def answering(cases: Sequence[Case]) -> Answering:
    """What was answered automatically, and how much of it wrongly."""
    answered = [case for case in cases if case.decision == ANSWER]
    if not answered:
        return Answering(0.0, 0.0)
    return Answering(len(answered) / len(cases), sum(not case.right for case in answered) / len(answered))


def percentiles(cases: Sequence[Case], wanted: Sequence[float] = (50, 90, 99)) -> dict[float, float]:
    """Seconds by percentile, interpolated linearly; empty when there are no cases."""
    if not cases:
        return {}
    seconds = [case.seconds for case in cases]
    return {one: float(np.percentile(seconds, one)) for one in wanted}
