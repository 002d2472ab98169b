"""One training at a time writes into a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import BadInput
from tests.flows.conftest import TINY
from workers.configuration import Configuration
from workers.train.alone import alone
from workers.train.log import Log
from workers.train.place import LOCK
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
        (out / "work" / "inputs.json").write_text('{"form": 1, "inputs": "of the first"}')
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
