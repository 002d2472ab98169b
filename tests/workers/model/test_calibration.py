"""Confidence and thresholds follow what a knowledge base's own rehearsal shows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from workers.model.calibration import (
    DOUBT,
    FEATURES,
    LOWEST,
    OUTSIDE,
    Outcomes,
    calibrate,
    features,
    prior,
    shares,
    thresholds,
)
from workers.model.matching import Match

CROWD = 4.0
RNG = np.random.default_rng(3)


def match(tops: np.ndarray, entries: int = 5) -> Match:
    """The first entry scores `tops`, the others little."""
    q = len(tops)
    scores = np.full((q, entries), 0.05, dtype=np.float32)
    scores[:, 0] = tops
    near = np.full((q, entries), 0.2, dtype=np.float32)
    near[:, 0] = 0.3 + 0.6 * tops
    return Match(scores, near, near * 0.5, (scores + near / CROWD).astype(np.float32))


def outcomes(tops: np.ndarray, right: float | None) -> Outcomes:
    """Questions of which a share was `right`; None for questions out of scope."""
    truth = None if right is None else np.where(RNG.random(len(tops)) < right, 0, 1)
    return Outcomes.of(match(tops), truth, CROWD, np.full(len(tops), 0.2, np.float32))


def tops(low: float, high: float, n: int) -> np.ndarray:
    return RNG.uniform(low, high, n).astype(np.float32)


NOTHING = outcomes(tops(0, 1, 0), None)


def test_features_have_a_column_each() -> None:
    seen = features(match(tops(0, 1, 7)), CROWD, np.zeros(7, np.float32))
    assert seen.shape == (7, len(FEATURES))
    assert np.isfinite(seen).all()


def test_a_lone_entry_has_a_rival_out_of_scope() -> None:
    alone = match(tops(0.5, 0.5, 1), entries=1)
    far, near = (features(alone, CROWD, np.array([o], np.float32))[0, FEATURES.index("margin")] for o in (0.1, 0.9))
    assert near < far < float(alone.rank[0, 0])


@pytest.mark.parametrize("name", ["text", "photo"])
def test_the_prior_believes_what_scores_high(name: str) -> None:
    tops = np.array([0.05, 0.4, 0.9], np.float32)
    seen = features(match(tops), CROWD, np.zeros(3, np.float32))
    if name == "photo":  # any two photos are fairly alike, so that the entries together score high
        seen[:, FEATURES.index("near")] = 0.6 + 0.4 * tops
        seen[:, FEATURES.index("total")] = 0.8 + 0.2 * tops
    low, middle, high = prior(name).calibration.probability(seen)
    assert low < 0.25 < middle < high
    assert high > 0.95


def test_without_a_rehearsal_the_prior_stands() -> None:
    ships = prior("text")
    assert calibrate(ships, NOTHING, NOTHING, outcomes(tops(0, 0.2, 50), None)) is ships.calibration


def test_a_rehearsal_that_goes_wrong_lowers_confidence_the_more_the_longer_it_is() -> None:
    ships = prior("text")
    question = features(match(np.array([0.5], np.float32)), CROWD, np.array([0.2], np.float32))
    before = ships.calibration.probability(question)[0]
    after = []
    for n in (20, 600):
        ours = calibrate(ships, outcomes(tops(0.3, 0.7, n), 0.3), outcomes(tops(0, 0.5, n), None), NOTHING)
        after.append(ours.probability(question)[0])
    assert after[1] < after[0] < before


def test_a_rehearsal_that_goes_well_raises_it() -> None:
    ships = prior("text")
    question = features(match(np.array([0.25], np.float32)), CROWD, np.array([0.2], np.float32))
    ours = calibrate(ships, outcomes(tops(0.1, 0.6, 400), 1.0), outcomes(tops(0, 0.1, 100), None), NOTHING)
    assert ours.probability(question)[0] > ships.calibration.probability(question)[0]


def test_a_smaller_budget_asks_for_more_confidence() -> None:
    ships = prior("text")
    rehearsed = (
        outcomes(tops(0.1, 0.9, 300), 0.9),
        outcomes(tops(0, 0.6, 100), None),
        outcomes(tops(0, 0.3, 100), None),
    )
    ours = calibrate(ships, *rehearsed)
    limits = [thresholds(ships, ours, rehearsed, CROWD, budget) for budget in (0.005, 0.02, 0.05, 0.2, 1.0)]
    at = [limit.answer_at for limit in limits]
    assert at == sorted(at, reverse=True)
    assert at[0] > at[3]
    assert all(LOWEST <= limit.answer_at < 1 and limit.clarify_at <= limit.answer_at for limit in limits)
    # A picture without a word is not doubted
    assert all(limit.clarify_at <= limit.shown_at <= limit.answer_at for limit in limits)


def test_the_share_that_is_wrong_stays_within_the_budget() -> None:
    # Given questions whose chance to be right is what the calibration says
    ships = prior("text")
    inside = features(match(tops(0, 1, 4000)), CROWD, np.full(4000, 0.2, np.float32))
    p = ships.calibration.probability(inside)
    right = RNG.random(4000) < p
    rehearsed = (Outcomes(inside, right, right), NOTHING, NOTHING)
    # When a threshold is set for a budget of 5 %
    undoubted, doubted = (
        thresholds(ships, ships.calibration, rehearsed, CROWD, 0.05, doubt=doubt).answer_at for doubt in (0.0, DOUBT)
    )
    # Then about that share of what is answered is wrong
    fresh = RNG.random(4000) < p
    assert 0.02 < 1 - fresh[p >= undoubted].mean() < 0.07
    # And when the calibration promises too much, the doubted threshold still keeps the budget
    worse = RNG.random(4000) < expit(logit(p) - DOUBT)
    assert 1 - worse[p >= doubted].mean() < 0.07 < 1 - worse[p >= undoubted].mean()


def test_one_answer_that_keeps_the_budget_though_doubted_is_always_enough() -> None:
    # Given nothing but questions that are hardly ever right
    ships = prior("text")
    low = features(match(tops(0, 0.1, 500)), CROWD, np.full(500, 0.2, np.float32))
    none = np.zeros(500, dtype=bool)
    limits = thresholds(ships, ships.calibration, (Outcomes(low, none, none), NOTHING, NOTHING), 1.0, 0.02)
    assert limits.answer_at <= expit(logit(0.98) + DOUBT) + 1e-9


@pytest.mark.parametrize("crowd", [1.0, 3.0, 300.0])
def test_without_a_rehearsal_the_prior_gives_the_thresholds(crowd: float) -> None:
    ships = prior("text")
    limits = thresholds(ships, ships.calibration, (NOTHING, NOTHING, NOTHING), crowd, 0.02)
    assert 0.3 < limits.answer_at < 1
    assert 0.1 < limits.clarify_at < limits.answer_at


def test_each_kind_of_question_has_its_share() -> None:
    inside, near, far = shares(100, 10, 40)
    total = 100 * inside + 10 * near + 40 * far
    assert total == pytest.approx(150)
    assert (10 * near + 40 * far) / total == pytest.approx(OUTSIDE)
    # What is missing leaves its share to the other kind.
    inside, near, far = shares(100, 0, 40)
    assert 40 * far / (100 * inside + 40 * far) == pytest.approx(OUTSIDE)
    assert all(np.isfinite(shares(0, 0, 0)))


def test_only_the_best_is_right_but_one_of_three_is_a_hit() -> None:
    found = Outcomes.of(match(tops(0.5, 0.6, 1)), np.array([2]), CROWD, np.zeros(1, np.float32))
    assert (found.right.tolist(), found.hit.tolist()) == ([False], [True])
