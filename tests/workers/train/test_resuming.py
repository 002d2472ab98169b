"""A training finds its own work again, never another's."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import Broken
from core.knowledge.entries import Entry, KnowledgeBase
from core.knowledge.history import Example, History
from workers.configuration import Configuration
from workers.model.trained import FIXED, Trained
from workers.train.log import Log
from workers.train.resuming import Work, inputs

HEARD = ("heard.db", "heard.db-wal", "heard.db-shm")
CONFIGURATION = Configuration("", Path("blobs"), Path("models"), Path("encodings.db"))
KNOWLEDGE = KnowledgeBase(title="shop", entries=(Entry(id="a", question="Where?", answer={"en": "there"}),))


def work(out: Path, mark: str) -> tuple[Work, str]:
    stream = io.StringIO()
    return Work(out, mark, Log(stream=stream)), stream.getvalue()


def test_the_same_inputs_go_on_and_say_so(tmp_path: Path) -> None:
    one, said = work(tmp_path, "same")
    with one:
        assert not one.resumed and said == ""
        one.heard.put("key", b"told")
        (one.folder / "checkpoint").write_text("half way")
    again, said = work(tmp_path, "same")
    with again:
        assert again.resumed and "going on with the training that was interrupted: 1 results" in said
        assert (again.folder / "checkpoint").read_text() == "half way"
        again.done()
    assert list(tmp_path.iterdir()) == []


def test_clearing_up_that_is_cut_short_is_taken_for_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a training that is done, when its worker ends as it clears up, then the next one begins afresh there."""
    unlink = os.unlink
    for place in range(9):
        out = tmp_path / str(place)
        Trained("m", fusion=FIXED).save(out)
        one, _ = work(out, "same")
        (one.folder / "text").mkdir()
        for name in ("a", "z", "text/model.onnx"):
            (one.folder / name).write_text("customers' words")
        left = place

        def killed(*path: Any, **rest: Any) -> None:
            nonlocal left
            if not left:
                raise SystemExit(143)
            left -= 1
            unlink(*path, **rest)

        monkeypatch.setattr(os, "unlink", killed)
        with suppress(SystemExit):
            one.done()
        monkeypatch.undo()
        again, _ = work(out, "same")
        with again:
            assert not again.resumed and {path.name for path in again.folder.iterdir()} <= {"inputs.json", *HEARD}
    assert left  # the last ones were not cut short


def test_other_inputs_start_afresh_and_say_so(tmp_path: Path) -> None:
    with work(tmp_path, "one")[0] as one:
        one.heard.put("key", b"told")
        (one.folder / "checkpoint").write_text("half way")
        (one.folder / "text").mkdir()
    (tmp_path / "log" / "late").mkdir(parents=True)
    other, said = work(tmp_path, "other")
    with other:
        assert not other.resumed and "other inputs was interrupted here: this one starts afresh; 1 results" in said
        assert not (other.folder / "checkpoint").exists() and not (other.folder / "text").exists()
        assert not (tmp_path / "log").exists()  # its curves are not ours
        assert other.heard.get("key") == b"told"  # found by content


def test_inputs_are_all_that_decides(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"one")
    shown = replace(KNOWLEDGE, entries=(replace(KNOWLEDGE.entries[0], photos=(str(photo),)),))
    past = History((Example(1, "c", expect="a", text="where", voices=(str(tmp_path / "gone.ogg"),)),))
    marks = [
        inputs(KNOWLEDGE, History(()), CONFIGURATION, finetune=False),
        inputs(KNOWLEDGE, History(()), CONFIGURATION, finetune=True),
        inputs(shown, History(()), CONFIGURATION, finetune=False),
        inputs(KNOWLEDGE, past, CONFIGURATION, finetune=False),
        inputs(KNOWLEDGE, History(()), replace(CONFIGURATION, text_model="multilingual"), finetune=False),
    ]
    photo.write_bytes(b"another")
    marks.append(inputs(shown, History(()), CONFIGURATION, finetune=False))
    assert len(set(marks)) == len(marks)
    # But how it is run does not, nor where: `polydesk up` may give its broker another address each time
    calm = replace(CONFIGURATION, threads=7, log_level="DEBUG")
    moved = Configuration("unix:///tmp/polydesk-x/redis.sock", Path("b"), Path("m"), Path("e.db"))
    for other in (calm, moved):
        assert inputs(KNOWLEDGE, History(()), other, finetune=False) == marks[0]


def test_a_folder_that_cannot_be_written() -> None:
    with pytest.raises(Broken, match="cannot be written"):
        work(Path("/proc/nowhere"), "x")
