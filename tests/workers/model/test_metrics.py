"""Figures that were worked out by hand."""

from __future__ import annotations

import pytest

from workers.model.metrics import (
    Case,
    accuracy,
    answering,
    auroc,
    calibration_error,
    per_entry,
    percentiles,
    risk_coverage,
)

CASES = [
    Case("a", "a", 0.9, "answer", 0.1),
    Case("a", "b", 0.6, "answer", 0.2),
    Case("b", "b", 0.8, "clarify", 0.3),
    Case("none", "a", 0.7, "answer", 0.4),
    Case("none", "b", 0.2, "escalate", 0.5),
]


def test_accuracy_counts_questions_in_scope_only() -> None:
    assert accuracy(CASES) == pytest.approx(2 / 3)
    assert accuracy([]) == accuracy(CASES[3:]) == 0


def test_quality_by_entry() -> None:
    found = per_entry(CASES)
    assert set(found) == {"a", "b", "none"}
    # a: predicted twice (once rightly, once for a question out of scope), expected twice
    assert (found["a"].precision, found["a"].recall, found["a"].support) == (0.5, 0.5, 2)
    # b: predicted twice, once rightly; expected once
    assert (found["b"].precision, found["b"].recall) == (0.5, 1.0)
    assert found["b"].f1 == pytest.approx(2 / 3)
    # none: one of two was not answered
    assert (found["none"].precision, found["none"].recall) == (1.0, 0.5)
    assert per_entry([]) == {}


def test_auroc_compares_in_with_out_of_scope() -> None:
    # pairs (in, out): .9>.7 .9>.2 .6<.7 .6>.2 .8>.7 .8>.2 = 5 of 6
    assert auroc(CASES) == pytest.approx(5 / 6)
    assert auroc(CASES[:3]) is None
    assert auroc(CASES[3:]) is None


def test_risk_by_coverage() -> None:
    curve = risk_coverage(CASES)
    assert curve.coverage == pytest.approx((0.2, 0.4, 0.6, 0.8, 1.0))
    # surest first: right, right, wrong, wrong, wrong
    assert curve.risk == pytest.approx((0, 0, 1 / 3, 2 / 4, 3 / 5))
    assert curve.area == pytest.approx(0.2 * (1 / 3 + 1 / 2 + 3 / 5))
    assert risk_coverage([]).area == 0


def test_equal_confidences_are_one_step() -> None:
    curve = risk_coverage([Case("a", "a", 0.5, "answer"), Case("a", "b", 0.5, "answer")])
    assert (curve.coverage, curve.risk, curve.area) == ((1.0,), (0.5,), 0.5)


def test_calibration_error() -> None:
    # bins: .9 -> right (gap .1), .8 -> right (gap .2), .7 and .6 wrong (gaps .7, .6), .2 wrong (gap .2); a fifth each
    assert calibration_error(CASES) == pytest.approx((0.1 + 0.2 + 0.7 + 0.6 + 0.2) / 5)
    assert calibration_error([Case("a", "a", 1.0, "answer")]) == 0
    assert calibration_error([]) == 0


def test_what_was_answered() -> None:
    done = answering(CASES)
    assert (done.answered, done.wrong) == (3 / 5, 2 / 3)
    assert answering([]).answered == answering(CASES[4:]).wrong == 0


def test_percentiles_of_seconds() -> None:
    assert percentiles(CASES) == pytest.approx({50: 0.3, 90: 0.46, 99: 0.496})
    assert percentiles([]) == {}
