"""What a form loses, in figures a tolerance is about; which form is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workers.model.heads import Floats
from workers.train.likeness import Likeness, Tolerance, likeness, loss
from workers.train.timing import Speed
from workers.train.weighed import ORIGINAL, Asked, Optimised, Row, Tried, markdown, text
from workers.train.weighing import judge

GOOD = Likeness(100, 0.999, 0.99, 0.005, 0.98, 100, 0.9, 0.9)


def unit(vectors: list[list[float]]) -> Floats:
    found = np.array(vectors, dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def test_the_nearest_other_item_decides_what_is_right() -> None:
    before = unit([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    after = unit([[1, 0], [-1, 0.2], [0, 1], [0.1, 1]])  # the second has gone over to the others
    found = likeness(before, after, ["a", "a", "b", "b"])
    assert (found.before, found.asked, found.items) == (1.0, 4, 4)
    assert found.after == 0.5  # the second is wrong, the first has lost its neighbour
    assert found.worst < -0.9 and found.drift > 0.5
    itself = likeness(before, before, ["a", "a", "b", "b"])
    assert (itself.same, itself.drift, itself.after) == (1.0, 0.0, 1.0) and itself.cosine == pytest.approx(1)


def test_only_what_is_asked_and_has_company_counts() -> None:
    vectors = unit([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    assert likeness(vectors, vectors, ["a", "b", "b", ""]).asked == 2
    assert likeness(vectors, vectors, ["a", "a", "b", "b"], [True, False, False, False]).asked == 1
    unlabelled = likeness(vectors, vectors, [""] * 4)
    assert (unlabelled.before, unlabelled.asked) == (None, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"after": 0.89}, ""),
        ({"after": 0.88}, "accuracy falls from 90.0% to 88.0%"),
        ({"after": 0.95}, ""),
        ({"asked": 10, "after": 0.8}, ""),  # a single one of ten
        ({"drift": 0.03}, "likenesses change by 0.030"),
        ({"drift": float("nan")}, "likenesses change"),
        ({"before": None, "after": None}, ""),
    ],
)
def test_a_tolerance(change: dict[str, float], says: str) -> None:
    why = loss(replace(GOOD, **change), Tolerance())  # type: ignore[arg-type]
    assert why.startswith(says) and bool(why) == bool(says)


def row(way: str, milliseconds: float, alike: Likeness = GOOD) -> Row:
    return Row("text", way, way, 1_000_000, Speed(milliseconds, milliseconds, 10.0), alike)


def test_the_fastest_form_that_loses_nothing_is_taken() -> None:
    bad = replace(GOOD, drift=0.5)
    rows = judge([row(ORIGINAL, 10), row("fp32", 8), row("int8", 3), row("int4", 1, bad)], Tolerance())
    assert [one.taken for one in rows] == [False, False, True, False]
    assert [one.why for one in rows] == [
        "",
        "another form is faster",
        "",
        "likenesses change by 0.500, more than 0.020",
    ]


def test_what_gains_too_little_is_not_taken() -> None:
    rows = judge([row(ORIGINAL, 10), row("int8", 9.5)], Tolerance())
    assert [one.taken for one in rows] == [True, False]
    assert rows[1].why == "it takes 95% of the time, more than 90%"


def test_the_cases_have_the_last_word() -> None:
    before = Asked(200, 0.9, 0.95, 0.5, 0.01)
    assert Tried("text", before, replace(before, accuracy=0.885)).loss(0.01)
    assert not Tried("text", before, replace(before, accuracy=0.89)).loss(0.01)
    assert not Tried("text", replace(before, cases=20), replace(before, accuracy=0.85)).loss(0.01)
    assert not Tried("text", Asked(0), Asked(0)).loss(0.01)
    # One of the 65 in scope, whatever else was asked
    figures = {
        "cases": 82,
        "in_scope": 65,
        "accuracy": 51 / 65,
        "auroc": 0.9,
        "answered": 0.2,
        "wrong_of_answered": None,
    }
    some = Asked.of(figures)
    assert not Tried("text", some, Asked.of(figures | {"accuracy": 50 / 65})).loss(0.01)
    assert Tried("text", some, Asked.of(figures | {"accuracy": 49 / 65})).loss(0.01)
    assert Asked.of({"cases": 0}) == Asked(0)


def test_the_table_says_what_was_taken_and_why_not() -> None:
    rows = judge([row(ORIGINAL, 10), row("int8", 3), row("int4", 9.9)], Tolerance())
    tried = Tried("text", Asked(9, 1.0, None, 0.5, 0.0), Asked(9, 1.0, None, 0.5, 0.0))
    found = Optimised(0, Tolerance(), 100, 5, tuple(rows), (tried,), guarantee=True)
    assert text(found).splitlines()[0].startswith("encoder")
    page = markdown(found)
    assert "| replaced |" in page and "| taken |" in page and "not taken: it takes 99% of the time" in page
    assert "within 0.02" in page and "close, not proven" in page and "the model before | 100.0%" in page
