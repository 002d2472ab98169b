"""What the gate lets through."""

from __future__ import annotations

from core.knowledge.history import Example
from workers.train.held_out import Tally, checks, fair, of_cases


def test_only_labels_of_people_judge() -> None:
    agent, tap = Example(1, "a", "hours"), Example(2, "b", "none", by="tap")
    silence = Example(3, "c", "hours", by="silence")
    unknown = Example(4, "d", denied=("hours",))
    withheld = Example(-1, "e", "hours")  # a phrase of the knowledge base itself
    assert fair((agent, tap, silence, unknown, withheld)) == (agent, tap)


def failed(before: Tally, after: Tally, budget: float = 0.02) -> list[str]:
    return [one.what for one in checks(before, after, budget, "the cases") if not one.passed]


def test_a_candidate_must_be_no_worse_in_any_way() -> None:
    before = Tally(12, 10, 7, 6, 1)
    better = checks(before, Tally(12, 10, 8, 7, 1), 0.02, "the cases")
    assert [(one.before, one.after, one.passed) for one in better] == [
        (0.7, 0.8, True),
        (1 - 1 / 6, 1 - 1 / 7, True),
        (0.5, 7 / 12, True),
    ]
    assert failed(before, Tally(12, 10, 6, 6, 1)) == ["the right entry in the cases"]
    assert failed(before, Tally(12, 10, 9, 6, 2)) == ["right among the answered in the cases"]


def test_answering_nothing_is_no_way_to_be_right() -> None:
    assert failed(Tally(10, 10, 8, 6, 0), Tally(10, 10, 8, 0, 0)) == ["answered by itself in the cases"]
    assert failed(Tally(10, 10, 8, 6, 3), Tally(10, 10, 8, 0, 0)) == ["answered by itself in the cases"]
    assert failed(Tally(99, 99, 80, 64, 0), Tally(99, 99, 80, 47, 0)) == ["answered by itself in the cases"]
    assert failed(Tally(99, 99, 80, 64, 0), Tally(99, 99, 80, 48, 0)) == []  # as chance may have it


def test_a_model_that_was_wrong_too_often_may_be_followed_by_one_that_answers_less() -> None:
    assert failed(Tally(99, 99, 80, 64, 6), Tally(99, 99, 80, 30, 0)) == []


def test_the_first_to_answer_keeps_to_the_budget() -> None:
    silent = Tally(100, 100, 50, 0, 0)
    assert failed(silent, Tally(100, 100, 50, 3, 3)) == ["right among the answered in the cases"]
    assert failed(silent, Tally(100, 100, 50, 50, 1)) == []


def test_cases_are_counted_as_their_lines_say() -> None:
    lines = [
        {"expect": "hours", "entry": "hours", "decision": "answer"},
        {"expect": "hours", "entry": "track", "decision": "clarify"},
        {"expect": "none", "entry": "track", "decision": "answer"},
        {"expect": "track", "entry": "", "decision": "escalate", "error": "cannot be read"},
    ]
    assert of_cases(lines) == Tally(4, 3, 1, 2, 1)


def test_nothing_held_out_decides_nothing() -> None:
    assert checks(Tally(), Tally(), 0.02, "the cases") == []
