"""What judges and proves is what somebody said."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.knowledge.files import load
from core.knowledge.history import Example, History, Splits
from tests.workers.media.recordings import recorded
from tests.workers.model.wordy import knowledge
from tests.workers.test_engine_voices import Garbling
from workers.configuration import Configuration
from workers.local import Local
from workers.train.log import Log
from workers.train.parting import ground, parted

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


@pytest.mark.models
def test_what_was_said_is_compared_by_its_sounds_and_tells_who_recognised_it(models_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "kb.yaml"
    file.write_text(
        "polydesk: 1\ntitle: Café\nentries:\n  - {id: mocha, question: an iced mocha with milk, answer: Here.}\n"
    )
    (tmp_path / "said.ogg").write_bytes(recorded("ogg", "libopus"))
    spoken = Example(1, "c1", "mocha", voices=(str(tmp_path / "said.ogg"),))
    typed = Example(2, "c2", "mocha", text="I would like an iced mocha")
    configuration = Configuration("", tmp_path, models_dir, tmp_path / "encodings.db")
    found = []
    for examples in ((typed,), (spoken, typed)):
        with (
            Local.open(file, configuration, builtins=False, photos=True, shelf=Garbling(models_dir)) as local,
            Log(tmp_path / "log") as log,
        ):
            found.append(ground(local, load(file), Splits((), examples, ()), log, []))
    assert [one.adapted.heard is not None for one in found] == [False, True]
    assert [one.model.senses for one in found] == [{}, {"speech": Garbling.digest}]
