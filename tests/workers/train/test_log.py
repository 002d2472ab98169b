"""A training is logged so that it can be read back, watched, and gone on with."""

from __future__ import annotations

import io
import math
import os
import pty
from contextlib import suppress
from pathlib import Path

import pytest

from workers.train.log import Log, Told, read
from workers.train.results import Curve


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def whole(terminal: int) -> bytes:
    """All that was written to a terminal whose other side is closed: it comes in pieces, and then as an error."""
    pieces = []
    with suppress(OSError):
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    return b"".join(pieces)


def approx(curve: Curve) -> tuple[str, str, tuple[int, ...], object, bool]:
    return curve.stage, curve.figure, curve.steps, pytest.approx(curve.values), curve.held_out


def test_scalars_are_read_back(tmp_path: Path) -> None:
    # Given a training of two stages
    with Log(tmp_path, stream=io.StringIO()) as log:
        with log.stage("early", 2) as stage:
            stage.step(1, loss=0.7, rate=1e-3)
            stage.step(2, loss=0.5, rate=5e-4)
            stage.step(2, held_out=True, loss=0.6, accuracy=0.9)
        with log.stage("late"):
            pass
    # When its log is read
    curves = read(tmp_path)
    # Then every scalar is there, to single precision
    assert [approx(one) for one in curves] == [
        ("early", "loss", (2,), (0.6,), True),
        ("early", "accuracy", (2,), (0.9,), True),
        ("early", "loss", (1, 2), (0.7, 0.5), False),
        ("early", "rate", (1, 2), (1e-3, 5e-4), False),
    ]
    assert [timed.stage for timed in log.timed] == ["early", "late"]


def test_a_stage_goes_on_where_it_was_resumed(tmp_path: Path) -> None:
    # Given a run that was cut off behind its last checkpoint, at step 2
    with pytest.raises(KeyboardInterrupt), Log(tmp_path, stream=io.StringIO()) as log, log.stage("early", 4) as stage:
        for step in (1, 2, 3):
            stage.step(step, loss=1.0 / step)
        raise KeyboardInterrupt
    # When it is resumed from there
    with Log(tmp_path, stream=io.StringIO()) as log, log.stage("early", 4, done=2) as stage:
        stage.step(3, loss=9.0)
    # Then what came after the checkpoint is void
    (curve,) = read(tmp_path)
    assert approx(curve) == ("early", "loss", (1, 2, 3), (1.0, 0.5, 9.0), False)


def test_a_training_from_the_start_voids_the_last_one(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        with Log(tmp_path, stream=io.StringIO()) as log, log.stage("early") as stage:
            stage.step(1 if value == 2.0 else 7, loss=value)
    (curve,) = read(tmp_path)
    assert (curve.steps, curve.values) == ((1,), (2.0,))


@pytest.mark.parametrize("left", [1, 5, 20, 40])
def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path, left: int) -> None:
    with Log(tmp_path, stream=io.StringIO()) as log, log.stage("early") as stage:
        for step in range(1, 4):
            stage.step(step, loss=float(step))
    (file,) = (tmp_path / "early" / "training").iterdir()
    file.write_bytes(file.read_bytes()[:-left])
    (curve,) = read(tmp_path)
    assert curve.steps[0] == 1
    assert 3 not in curve.steps


def test_a_file_that_a_disk_has_damaged_ends_no_training(tmp_path: Path) -> None:
    with Log(tmp_path, stream=io.StringIO()) as log, log.stage("early") as stage:
        for step in range(1, 4):
            stage.step(step, loss=float(step))
    (file,) = (tmp_path / "early" / "training").iterdir()
    raw = file.read_bytes()
    file.write_bytes(raw[:-30] + b"\xff" * 30)
    (curve,) = read(tmp_path)
    assert curve.steps[0] == 1 and 3 not in curve.steps


def test_what_is_no_number_is_logged_as_such(tmp_path: Path) -> None:
    with Log(tmp_path, stream=io.StringIO()) as log, log.stage("early") as stage:
        stage.step(1, loss=math.nan)
    (curve,) = read(tmp_path)
    assert curve.values[0] is not None and math.isnan(curve.values[0])


def test_nothing_was_logged(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == ()
    with Log(stream=io.StringIO()) as log, log.stage("early") as stage:
        stage.step(1, loss=1.0)
    assert read(tmp_path) == ()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a\nb"])
def test_a_stage_is_named_like_a_folder(tmp_path: Path, name: str) -> None:
    with (
        Log(tmp_path, stream=io.StringIO()) as log,
        pytest.raises(ValueError, match="a stage is named by"),
        log.stage(name),
    ):
        pass  # pragma: no cover
    assert not list(tmp_path.iterdir())


def test_without_a_terminal_a_stage_is_one_line() -> None:
    stream = io.StringIO()
    with Log(stream=stream) as log:
        with log.stage("encoding phrases"):
            pass
        with log.stage("early", 400) as stage:
            for step in range(1, 121):
                stage.step(step, loss=0.5, rate=1e-3)
            stage.step(120, held_out=True, accuracy=0.93)
        log.say("[red]kept[/red] as it is")
    first, second, third = stream.getvalue().splitlines()
    assert first == f"encoding phrases: {log.timed[0].seconds:.1f} s"
    assert second == f"early: 120 of 400 steps, loss 0.5, accuracy held out 0.93, {log.timed[1].seconds:.1f} s"
    assert third == "[red]kept[/red] as it is"


def test_an_interrupted_stage_says_so() -> None:
    stream = io.StringIO()
    with pytest.raises(ZeroDivisionError), Log(stream=stream) as log, log.stage("early", 9) as stage:
        stage.step(3)
        raise ZeroDivisionError
    assert stream.getvalue().startswith("early: interrupted, 3 of 9 steps, ")


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    main, side = pty.openpty()
    with os.fdopen(side, "w", encoding="utf-8") as stream, Log(stream=stream) as log:
        log.say("begins")
        with log.stage("early", 10) as stage:
            stage.step(4, loss=0.25)
    shown = whole(main).decode()
    os.close(main)
    assert "begins" in shown
    assert "━" in shown and "early" in shown and "4/4" in shown and "loss 0.25" in shown
    assert "steps" not in shown  # the line is for those who see no bar


def test_a_terminal_without_movement_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with Log(stream=stream) as log, log.stage("early"):
        pass
    assert stream.getvalue().splitlines() == [f"early: {log.timed[0].seconds:.1f} s"]


def test_whoever_listens_is_told() -> None:
    heard: list[Told] = []
    with Log(stream=io.StringIO(), listen=heard.append) as log, log.stage("early", 1000, done=10) as stage:
        for step in range(11, 1001):
            stage.step(step, loss=1.0)
    assert heard[0] == Told("early", 10, 1000)
    assert heard[-1] == Told("early", 1000, 1000, {"loss": 1.0})
    assert len(heard) < 500  # not every step


def test_importing_it_does_not_load_a_writer() -> None:
    import subprocess
    import sys

    ask = "import sys, workers.train.log; print(sorted({'tensorboardX', 'matplotlib', 'torch'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
