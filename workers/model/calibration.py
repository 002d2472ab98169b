"""From what questions and entries have in common to the probability that the best entry is right.

Logistic regression on a few features of a match. Its weights were fitted once, on simulated knowledge bases of known
questions (`tests/bench/prior.py`), and ship as the prior; each knowledge base then corrects slope and offset by what
its own rehearsal shows, the more the more there is to rehearse (maximum a posteriori with Gaussian priors). Thresholds
are selective prediction (Geifman & El-Yaniv 2017, https://arxiv.org/abs/1705.08500): the lowest confidence above which
the share of wrong answers stays within the error budget, though every confidence is doubted, because knowledge bases of
a kind that the prior has never seen get more wrong than it says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from workers.model.heads import Floats, Integers
from workers.model.matching import Match

Numbers = NDArray[np.float64]

FEATURES = (
    *("score", "margin", "near", "wording", "outside", "total", "crowd", "entries", "score x crowd"),
    *("score squared", "margin squared", "near squared", "margin x crowd", "near x crowd", "near gap", "wording gap"),
    *("score over half", "margin over half", "near over .8"),
)
OUTSIDE = 0.2  # the share of questions that the knowledge base cannot answer, as we assume it
NEAR = 1 / 3  # of them are about matters close to those it can answer, the others about anything
SLOPE, OFFSET = 0.3, 0.7  # how far a knowledge base may lightly depart from the prior: standard deviations
BELIEF = 0.3  # weight of a rehearsed question: variants resemble each other more than real questions do
STEADY = 40.0  # the prior's typical questions count as much as this many rehearsed ones
HIT = 0.5  # asking back is worth it when one of the three best is right at least this often
LOWEST = 0.25  # no threshold below: so little data cannot justify one
# How far confidences are taken to promise too much, in log-odds: the least, in quarters, with which each data set that
# was left out when the prior was fitted keeps budgets of 1, 2 and 5 % over its knowledge bases, a fifth of the
# questions being out of scope (`tests/bench/prior.py`).
DOUBT = 0.75


def features(match: Match, crowd: float, outside: Floats) -> Numbers:
    """The features of questions, (q, len(FEATURES)).

    Args:
        match: arrays (q, entries).
        crowd: phrases or photos an entry has on average.
        outside: (q,) cosine to the nearest sentence that is out of any shop's scope; 0 for photos.
    """
    q, entries = match.rank.shape
    here, best = np.arange(q), match.rank.argmax(axis=1)
    # A single entry has no rival: what is out of scope stands in for one.
    second = np.partition(match.rank, -2, axis=1)[:, -2] if entries > 1 else outside / crowd
    score = match.scores[here, best].astype(np.float64)
    margin = match.rank[here, best] - second
    near, wording = match.near[here, best].astype(np.float64), match.wording[here, best]
    many = np.log(crowd)
    return np.stack(
        [
            score,
            margin,
            near,
            wording,
            outside,
            match.scores.sum(axis=1),
            np.full(q, many),
            np.full(q, np.log(entries)),
            score * many,
            score**2,
            margin**2,
            near**2,
            margin * many,
            near * many,
            near - (_second(match.near, best) if entries > 1 else outside),
            np.maximum(wording - (_second(match.wording, best) if entries > 1 else 0), -0.3),
            np.maximum(score - 0.5, 0),
            np.maximum(margin - 0.5, 0),
            np.maximum(near - 0.8, 0),
        ],
        axis=1,
    )


def _second(values: Floats, best: Integers) -> Floats:
    """The highest value (q,) of any entry but the best (q,)."""
    others = values.copy()
    others[np.arange(len(values)), best] = -np.inf
    return np.asarray(others.max(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """`probability(features)` that the best entry is right; weights (len(FEATURES),) and a bias."""

    weights: Numbers
    bias: float

    def logits(self, seen: Numbers) -> Numbers:
        """Log-odds, (q,)."""
        return np.asarray(seen @ self.weights + self.bias)

    def probability(self, seen: Numbers) -> Numbers:
        """Probabilities, (q,)."""
        return np.asarray(expit(self.logits(seen)))


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """What ships: a calibration, and how its probabilities are spread over the questions customers ask.

    `typical` maps a crowd to probabilities, the quantiles over questions in and out of scope; `hits` (21,) is how often
    one of the three best entries is right when the probability is 0, 0.05, ... 1.
    """

    calibration: Calibration
    typical: dict[float, Numbers]
    hits: Numbers

    def spread(self, crowd: float) -> Numbers:
        """The quantiles for the nearest crowd."""
        return self.typical[min(self.typical, key=lambda known: abs(np.log(known / crowd)))]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Rehearsed questions: their features, whether the best entry was right, whether one of the three best was."""

    seen: Numbers
    right: NDArray[np.bool_]
    hit: NDArray[np.bool_]

    @classmethod
    def of(cls, match: Match, truth: NDArray[np.int64] | None, crowd: float, outside: Floats) -> Outcomes:
        """Compare matches with the entries (q,) that were right; None when none was."""
        seen = features(match, crowd, outside)
        if truth is None:
            wrong = np.zeros(len(seen), dtype=bool)
            return cls(seen, wrong, wrong)
        three = np.argsort(-match.rank, axis=1, kind="stable")[:, :3]
        return cls(seen, three[:, 0] == truth, (three == truth[:, None]).any(axis=1))

    def __len__(self) -> int:
        return len(self.seen)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Confidence at which to answer, and at which to ask back; `shown_at` is to answer pictures without a word."""

    answer_at: float
    clarify_at: float
    shown_at: float = 1.0


@cache
def prior(name: str) -> Prior:
    """The prior that ships for `text` or `photo`."""
    stored = json.loads((files("workers.model.materials") / "prior.json").read_text(encoding="utf-8"))[name]
    weights = np.array([stored["weights"].get(feature, 0.0) for feature in FEATURES])
    typical = {float(crowd): np.array(values) for crowd, values in stored["typical"].items()}
    return Prior(Calibration(weights, stored["bias"]), typical, np.array(stored["hits"]))


def calibrate(ships: Prior, inside: Outcomes, near: Outcomes, far: Outcomes) -> Calibration:
    """Correct the prior by a rehearsal: questions in scope, questions just and far out of scope."""
    if not len(inside):
        return ships.calibration
    kinds, weights = (inside, near, far), _weights(inside, near, far)
    logits = np.concatenate([ships.calibration.logits(kind.seen) for kind in kinds])
    right = np.concatenate([kind.right for kind in kinds]).astype(np.float64)

    def loss(at: Numbers) -> tuple[float, Numbers]:
        slope, offset = at
        z = slope * logits + offset
        wrong = weights * (expit(z) - right)
        drift = np.array([(slope - 1) / SLOPE**2, offset / OFFSET**2])
        value = float(weights @ (np.logaddexp(0, z) - right * z)) + (slope - 1) ** 2 / SLOPE**2 / 2
        return value + offset**2 / OFFSET**2 / 2, np.array([wrong @ logits, wrong.sum()]) + drift

    slope, offset = minimize(loss, np.array([1.0, 0.0]), jac=True).x
    known = ships.calibration
    return Calibration(slope * known.weights, float(slope * known.bias + offset))


def thresholds(
    ships: Prior,
    ours: Calibration,
    rehearsed: tuple[Outcomes, Outcomes, Outcomes],
    crowd: float,
    budget: float,
    doubt: float = DOUBT,
) -> Thresholds:
    """Thresholds for an error budget, the share of automatic answers that may be wrong; rehearsed as in `calibrate`."""
    typical = ships.spread(crowd)
    hits = np.interp(typical, np.linspace(0, 1, len(ships.hits)), ships.hits)
    sure, hit, weight = [typical], [hits], [np.full(len(typical), STEADY / len(typical))]
    if len(rehearsed[0]):
        # What was rehearsed tells how sure questions will be, not how often the sure ones are right: variants resemble
        # each other more than what customers write.
        sure += [ours.probability(kind.seen) for kind in rehearsed]
        hit.append(np.concatenate([kind.hit for kind in rehearsed]).astype(np.float64))
        weight.append(_weights(*rehearsed))
    p, w = np.concatenate(sure), np.concatenate(weight)
    answer_at, shown_at = (_answering(p, w, budget, one) for one in (doubt, 0.0))
    asking = _asking(p, np.concatenate(hit), w)
    return Thresholds(answer_at, min(asking, answer_at, shown_at), shown_at)


def _answering(p: Numbers, weight: Numbers, budget: float, doubt: float) -> float:
    """The lowest confidence above which a budget is kept; one at which each answer keeps it is always low enough."""
    if budget >= 1:
        return LOWEST
    wrong = expit(doubt - logit(np.clip(p, 1e-9, 1 - 1e-9)))
    each = float(expit(logit(1 - budget) + doubt)) if budget > 0 else 1.0
    return float(max(min(_lowest(p, wrong, weight, budget), each), LOWEST))


def shares(inside: int, near: int, far: int) -> tuple[float, float, float]:
    """What the questions in scope, just and far out of it have to weigh, so that each kind has its share; 1 on average.

    Args:
        inside: how many there are of each kind; the share of a kind that is missing goes to the other one.
        near: likewise.
        far: likewise.
    """
    wanted = np.array([1 - OUTSIDE, OUTSIDE * NEAR, OUTSIDE * (1 - NEAR)])
    present = np.array([inside, near, far], dtype=np.float64)
    wanted[1:] *= present[1:] > 0
    if wanted[1:].any():
        wanted[1:] *= OUTSIDE / wanted[1:].sum()
    weights = wanted / np.maximum(present, 1) * present.sum()
    return float(weights[0]), float(weights[1]), float(weights[2])


def _weights(inside: Outcomes, near: Outcomes, far: Outcomes) -> Numbers:
    """The weight of each rehearsed question; those in scope count `BELIEF` each."""
    each = shares(len(inside), len(near), len(far))
    scale = BELIEF / each[0]
    kinds = zip((inside, near, far), each, strict=True)
    return np.concatenate([np.full(len(kind), weight * scale) for kind, weight in kinds])


def _lowest(p: Numbers, wrong: Numbers, weight: Numbers, budget: float) -> float:
    """The lowest p above which the weighted share of wrong answers stays within the budget, 1 if there is none."""
    order = np.argsort(-p, kind="stable")
    risk = np.cumsum((weight * wrong)[order]) / np.cumsum(weight[order])
    within = np.flatnonzero(risk <= budget)
    return float(p[order][within[-1]]) if len(within) else 1.0


def _asking(p: Numbers, hit: Numbers, weight: Numbers) -> float:
    """The lowest p from which on asking back helps often enough."""
    from sklearn.isotonic import IsotonicRegression

    rising = IsotonicRegression(y_min=0, y_max=1).fit(p, hit, sample_weight=weight)
    steps = np.linspace(0, 1, 101)
    worth = steps[np.clip(rising.predict(np.clip(steps, p.min(), p.max())), 0, 1) >= HIT]
    return float(worth[0]) if len(worth) else 1.0
