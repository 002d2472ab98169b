"""Rooms of trainings that live are left alone, others go, whatever process, container or machine they were of."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import Broken
from workers.configuration import Configuration
from workers.rooms import LOCK, room, rooms_of, tidy

LIVING = """\
import sys
from pathlib import Path
from workers.configuration import Configuration
from workers.rooms import room
data = Path(sys.argv[1])
with room(Configuration("", data / "blobs", data / "models", data / "encodings.db")) as place:
    (place / "history.jsonl").write_text("where is my order")
    print(place, flush=True)
    sys.stdin.read()
"""


def settings(data: Path) -> Configuration:
    return Configuration("", data / "blobs", data / "models", data / "encodings.db")


def test_it_is_for_the_owner_alone_and_gone_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unpacked"), room(settings(tmp_path)) as place:
        (place / "kb").mkdir()
        assert place.parent == rooms_of(settings(tmp_path)) and place.stat().st_mode & 0o777 == 0o700
        tidy(settings(tmp_path))
        assert (place / "kb").is_dir()
        raise ValueError("nothing was unpacked")
    assert list(rooms_of(settings(tmp_path)).iterdir()) == []


def test_a_room_goes_with_its_training_not_with_a_number(tmp_path: Path) -> None:
    rooms = rooms_of(settings(tmp_path))
    tidy(settings(tmp_path))  # there are none yet
    assert not rooms.exists()
    # Given a training that lives, and one that was killed where our own number was its
    living = subprocess.Popen(
        [sys.executable, "-c", LIVING, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with living:
        assert living.stdout is not None
        place = Path(living.stdout.readline().strip())
        for name in (f"{os.getpid()}-abc", "room-without-a-lock"):
            (rooms / name / "kb").mkdir(parents=True)
        (rooms / "room-without-a-lock" / "kb" / LOCK).touch()
        tidy(settings(tmp_path))
        assert list(rooms.iterdir()) == [place] and (place / "history.jsonl").is_file()
        # When that one is killed too
        living.kill()
        living.wait()
        tidy(settings(tmp_path))
    assert list(rooms.iterdir()) == []


def at_work(data: Path, times: int) -> int:
    """How many rooms were taken away from the process that lived there."""
    lost = 0
    for _ in range(times):
        with room(settings(data)) as place:
            try:
                (place / "history.jsonl").write_text("words")
                tidy(settings(data))
                (place / "history.jsonl").read_text()
            except FileNotFoundError:
                lost += 1
    return lost


def test_a_room_is_never_found_between_being_made_and_being_locked(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.starmap(at_work, [(tmp_path, 50)] * 4) == [0] * 4
    assert list(rooms_of(settings(tmp_path)).iterdir()) == []


def test_where_none_can_be_made_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "training").write_text("a file")
    with pytest.raises(Broken, match="put POLYDESK_DATA elsewhere"), room(settings(tmp_path)):
        pass
    tidy(settings(tmp_path))
