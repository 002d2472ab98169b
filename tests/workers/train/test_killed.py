"""A training whose process is killed goes on where it stood, to a whole model."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.flows.conftest import DEMO, TINY
from workers.configuration import Configuration
from workers.model.trained import Trained
from workers.train.log import Log, Told
from workers.train.run import train

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """\
from pathlib import Path, PosixPath
from workers.configuration import Configuration
from workers.train.log import Log
from workers.train.run import train
train({kb!r}, {history!r}, {out!r}, {configuration!r}, Log({log!r}), strategy="weighted")
"""


@pytest.mark.models
def test_a_killed_process_is_gone_on_with(tmp_path: Path, models_dir: Path) -> None:
    # Given a knowledge base with a past, one photo in it
    kb, history, out = tmp_path / "kb.yaml", tmp_path / "history.jsonl", tmp_path / "model"
    kb.write_text(TINY)
    shutil.copy(DEMO / "photos" / "test-login.jpg", tmp_path / "login.jpg")
    lines: list[dict[str, object]] = [
        {"text": f"no sign of parcel {n}", "expect": "track-order", "conversation": f"c{n}", "at": 1000 + n}
        for n in range(6)
    ]
    lines.append({"photo": "login.jpg", "text": "this page", "expect": "opening-hours", "conversation": "p", "at": 999})
    history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    configuration = Configuration("", tmp_path / "blobs", models_dir, tmp_path / "encodings.db", device="cpu")
    # When the process is killed as soon as its strategy has a checkpoint
    script = SCRIPT.format(kb=kb, history=history, out=out, configuration=configuration, log=out / "log")
    running = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not (out / "work" / "weighted.pt").exists():
        assert running.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    assert running.wait(10) == -signal.SIGKILL
    assert not (out / "model.json").exists()
    # And the same training is started again
    said, told = io.StringIO(), list[Told]()
    with Log(out / "log", stream=said, listen=told.append) as log:
        results = train(kb, history, out, configuration, log, strategy="weighted")
    # Then it neither listens to the photo again nor begins its strategy anew
    assert "going on with the training that was interrupted: 2 results of listening are kept" in said.getvalue()
    assert next(one for one in told if one.stage == "weighted").done >= 25
    # And the model is whole, the report's curves begin with the first step, nothing of the work is left
    assert Trained.load(out).fusion == results.chosen == "weighted"
    (curve,) = (one for one in results.curves if one.stage == "weighted" and one.figure == "loss" and not one.held_out)
    assert list(curve.steps) == list(range(1, len(curve.steps) + 1))
    assert not (out / "work").exists()
