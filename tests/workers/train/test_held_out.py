"""The part of the gate that asks held-out conversations again."""

from __future__ import annotations

from core.knowledge.history import Example
from workers.train.held_out import Tally, checks, fair


def test_only_labels_of_people_judge() -> None:
    agent, tap = Example(1, "a", "hours"), Example(2, "b", "none", by="tap")
    silence = Example(3, "c", "hours", by="silence")
    unknown = Example(4, "d", denied=("hours",))
    withheld = Example(-1, "e", "hours")  # a phrase of the knowledge base itself
    assert fair((agent, tap, silence, unknown, withheld)) == (agent, tap)


def test_a_candidate_must_be_no_worse_in_either_way() -> None:
    before = Tally(inside=10, right=7, answered=6, wrong=1)
    better = checks(before, Tally(10, 8, 7, 1))
    assert [(one.before, one.after, one.passed) for one in better] == [
        (0.7, 0.8, True),
        (1 - 1 / 6, 1 - 1 / 7, True),
    ]
    assert [one.passed for one in checks(before, Tally(10, 6, 6, 1))] == [False, True]
    assert [one.passed for one in checks(before, Tally(10, 9, 6, 2))] == [True, False]


def test_nothing_held_out_decides_nothing() -> None:
    assert checks(Tally(), Tally()) == []
    assert [one.what for one in checks(Tally(3, 1), Tally(3, 3, 3, 0))] == ["the right entry in held-out conversations"]
