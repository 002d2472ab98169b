"""What judges and proves is what somebody said."""

from __future__ import annotations

from core.knowledge.history import Example, History
from tests.workers.model.wordy import knowledge
from workers.train.parting import parted

KNOWN = knowledge({"lamp": ["lamp", "light", "bulb", "a lamp"], "chair": ["chair", "seat", "stool", "a chair"]})


def test_answers_that_nobody_objected_to_judge_and_prove_nothing() -> None:
    silent = tuple(Example(line, str(line), "lamp", by="silence", text="light") for line in range(1, 1001))
    reduced, parts = parted(KNOWN, History(silent))
    assert not parts.validation and not parts.train
    assert all(one.line < 0 for one in parts.held_out)  # phrases of the knowledge base, as without any history
    assert reduced != KNOWN
    people = tuple(Example(line, str(line), "lamp", by="agent", text="light", at=line) for line in range(2001, 2021))
    _, parts = parted(KNOWN, History((*silent, *people)))
    assert {one.by for one in (*parts.train, *parts.validation, *parts.held_out)} == {"agent"}
