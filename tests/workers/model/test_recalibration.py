"""Confidences are corrected when labels show that they were wrong, and left alone when they were right."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit, logit

from workers.model.metrics import expected_error, logarithmic_loss
from workers.model.recalibration import FEWEST, Recalibration, isotonic, recalibrate, temperature


def asked(n: int, slope: float = 1.0, offset: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, and outcomes whose log-odds are `slope` times theirs plus `offset`."""
    dice = np.random.default_rng(seed)
    sure = dice.beta(2, 0.7, n)
    return sure, dice.random(n) < expit(slope * logit(np.clip(sure, 1e-9, 1 - 1e-9)) + offset)


def test_right_confidences_are_left_alone() -> None:
    chosen = [recalibrate(*asked(400, seed=seed)).chosen for seed in range(20)]
    assert chosen.count("none") > 12
    assert Recalibration()([0.1, 0.99]) == pytest.approx([0.1, 0.99])


def test_confidences_that_promise_too_much_are_cooled_down() -> None:
    found = recalibrate(*asked(800, slope=0.5, offset=-0.5))
    assert found.chosen == "temperature"
    assert found.correction.temperature == pytest.approx(2, rel=0.35)
    # On questions that nobody has seen, error and loss are smaller
    sure, right = asked(5000, slope=0.5, offset=-0.5, seed=1)
    after = found.correction(sure)
    assert expected_error(after, right) < 0.3 * expected_error(sure, right)
    assert logarithmic_loss(after, right).mean() < logarithmic_loss(sure, right).mean()
    assert found.ece["temperature"] < found.ece["none"] and found.loss["temperature"] < found.loss["none"]


def test_what_no_temperature_mends_isotonic_does() -> None:
    dice = np.random.default_rng(4)
    sure = dice.uniform(0.5, 1, 3000)
    right = dice.random(3000) < np.where(sure > 0.75, 0.95, 0.3)
    found = recalibrate(sure, right)
    assert found.chosen == "isotonic"
    assert found.correction([0.6, 0.95]) == pytest.approx([0.3, 0.95], abs=0.06)


@pytest.mark.parametrize("fit", [temperature, isotonic])
def test_the_order_never_changes(fit) -> None:  # type: ignore[no-untyped-def]
    correction = fit(*asked(300, slope=0.7))
    after = correction(np.linspace(0, 1, 1001))
    assert (np.diff(after) >= 0).all() and after[0] >= 0 and after[-1] <= 1
    sure = np.unique(np.round(asked(300, slope=0.7)[0], 3))
    assert (np.diff(correction(sure)) > 0).mean() > 0.97


def test_few_questions_and_questions_of_one_kind_are_no_crash() -> None:
    assert recalibrate(*asked(FEWEST - 1)) == recalibrate([], [])
    sure = asked(200)[0]
    for right in (np.ones(200, bool), np.zeros(200, bool)):
        found = recalibrate(sure, right)
        assert np.isfinite(found.correction(sure)).all()
    flat = recalibrate(np.full(200, 0.8), np.arange(200) % 2 == 0)
    assert flat.correction([0.8])[0] == pytest.approx(0.5, abs=0.05)


def test_it_is_stored_as_plain_numbers() -> None:
    for fit in (temperature, isotonic):
        correction = fit(*asked(300, slope=0.7))
        assert Recalibration.of(json.loads(json.dumps(correction.plain()))) == correction
    for broken in (
        {},
        {"temperature": 0, "offset": 0, "at": [], "to": []},
        {"temperature": 1, "offset": 0, "at": [1, 0], "to": [0, 1]},
        {"temperature": 1, "offset": 0, "at": [0], "to": []},
        {"temperature": None, "offset": 0, "at": [], "to": []},
    ):
        with pytest.raises(ValueError):
            Recalibration.of(broken)
