"""One training at a time writes into a folder."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import BadInput
from tests.flows.conftest import TINY
from workers.configuration import Configuration
from workers.model.trained import FIXED, Learned, Trained
from workers.train.alone import alone
from workers.train.kept import Kept
from workers.train.log import Log
from workers.train.place import LOCK
from workers.train.resuming import Work
from workers.train.run import train

HOLDING = """\
import sys
from pathlib import Path
from workers.train.alone import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_told_and_takes_nothing_away(tmp_path: Path) -> None:
    kb, out = tmp_path / "kb.yaml", tmp_path / "m"
    kb.write_text(TINY)
    configuration = Configuration("", tmp_path / "blobs", tmp_path / "models", tmp_path / "encodings.db", device="cpu")
    with alone(out):
        (out / "work").mkdir()
        (out / "work" / "inputs.json").write_text('{"form": 2, "inputs": "of the first"}')
        (out / "work" / "late.pt").write_text("half way")
        with Log(out / "log") as log, pytest.raises(BadInput, match=r"another training is writing to .*: wait"):
            train(kb, None, out, configuration, log)
        assert (out / "work" / "late.pt").read_text() == "half way"
    assert not (out / LOCK).exists()
    with alone(out):  # then it is the next one's turn
        pass


def test_a_killed_one_lets_go(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDING, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match="another training"), alone(tmp_path):
            pass
        holder.kill()
    with alone(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_customers_wrote_is_for_the_owner_alone(tmp_path: Path) -> None:
    out = tmp_path / "m"
    mask = os.umask(0o022)
    try:
        Trained("m", fusion=FIXED).save(out)  # by an earlier version, for everybody to read
        with alone(out):
            assert modes(out) == {"model.json": 0o600, LOCK: 0o600}
        assert os.umask(0o022) == 0o022  # as it was
        shutil.rmtree(out)
        with alone(out), Work(out, "x", Log(stream=io.StringIO())) as work:
            work.heard.put("key", b"no sign of my parcel")
            assert {"work/heard.db", "work/heard.db-wal", "work/inputs.json"} <= modes(out).keys()
            (work.folder / "text").mkdir()
            (work.folder / "text" / "finetuned.json").write_text("{}")
            Trained("m", fusion=FIXED, learned={"a": Learned(("no sign",))}, text=work.folder / "text").save(out)
            found = modes(out)
        assert {"work/text", "text", "text/finetuned.json", "model.json"} <= found.keys()
        assert out.stat().st_mode & 0o777 == 0o700
        assert {name: mode for name, mode in found.items() if mode & 0o077} == {}
    finally:
        os.umask(mask)


def test_a_database_of_what_was_heard_is_closed_to_others(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        kept = Kept(tmp_path / "heard.db")
        kept.put("key", b"told")
        assert {name: mode for name, mode in modes(tmp_path).items() if mode & 0o077} == {}
        kept.close()
    finally:
        os.umask(mask)


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.rglob("*")}
