"""A training writes into folders of its own alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from core.errors import BadInput
from workers.model.trained import FIXED, Trained
from workers.train.log import Log
from workers.train.place import made, must_be_ours
from workers.train.resuming import Work

OTHERS = ("work/thesis.txt", "work/sub/a", "log/diary.txt", "log/late/b", "text/letter", "work.txt")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def put(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("mine")


@pytest.mark.parametrize("name", [*OTHERS, "results.json", "report.html", "work/inputs.json", "model.json"])
def test_somebody_elses_folder_is_left_alone(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    with pytest.raises(BadInput, match="holds other files: name an empty folder, or one that train made"):
        made(tmp_path)
    with pytest.raises(BadInput, match="holds other files"):
        Work(tmp_path, "x", Log(stream=io.StringIO()))
    assert files(tmp_path) == [name]


@pytest.mark.parametrize("foreign", [{}, {"form": 1}, {"format": "layers-model"}, [1]])
def test_another_programs_model_is_no_model(tmp_path: Path, foreign: object) -> None:
    (tmp_path / "model.json").write_text(json.dumps(foreign))
    with pytest.raises(BadInput, match="holds other files"):
        must_be_ours(tmp_path)


def test_beside_a_model_of_ours_others_files_stay(tmp_path: Path) -> None:
    Trained("m", fusion=FIXED).save(tmp_path)
    for name in ("log/diary.txt", "log/late/b", "log/late/training/events.out.tfevents.000001"):
        put(tmp_path, name)
    with Work(tmp_path, "x", Log(stream=io.StringIO())) as work:
        assert not work.resumed
        work.done()
    assert files(tmp_path) == ["log/diary.txt", "log/late/b", "model.json"]  # our own curves are gone


@pytest.mark.parametrize("name", ["work/thesis.txt", "text/letter"])
def test_beside_a_model_of_ours_a_name_that_we_need_is_told(tmp_path: Path, name: str) -> None:
    Trained("m", fusion=FIXED).save(tmp_path)
    put(tmp_path, name)
    with pytest.raises(BadInput, match=f"{name.split('/')[0]} is not what a training left there: move it away"):
        made(tmp_path)
    assert files(tmp_path) == ["model.json", name]


def test_new_empty_and_interrupted_ones_are_taken(tmp_path: Path) -> None:
    made(tmp_path / "a" / "new")
    made(tmp_path / "a" / "new")
    with Work(tmp_path / "a" / "new", "x", Log(stream=io.StringIO())):
        pass
    put(tmp_path / "a" / "new", "work/checkpoint")
    made(tmp_path / "a" / "new")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is not a folder"):
        made(tmp_path / "file")
    with pytest.raises(BadInput, match="cannot be made"):
        made(Path("/proc/nowhere/model"))
