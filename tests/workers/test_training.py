"""The process that trains: what its worker says when it cannot, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core import wire
from core.knowledge.entries import Entry, KnowledgeBase
from core.snapshot import Snapshot
from core.store.blobs import BlobFolder
from core.training import News, Order
from workers import training
from workers.configuration import Configuration, from_environment
from workers.leash import LEASH
from workers.model.trained import Trained
from workers.models import Models, packed


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    """The settings of a worker, for this process and its child."""
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path))
    monkeypatch.setenv("POLYDESK_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(training, "_stopped", threading.Event())
    return from_environment()


def order_of(place: Configuration) -> Order:
    entry = Entry("hours", "When are you open?", {"en": "Nine to five."}, variants=("opening hours",))
    snapshot = wire.dumps(Snapshot(KnowledgeBase("Shop", entries=(entry,)))).encode()
    return Order("t1", BlobFolder(place.blobs).put(snapshot))


def left(place: Configuration) -> list[Path]:
    return list((place.encodings.parent / "training").glob("*"))


def test_what_is_wrong_is_said_in_a_sentence(place: Configuration) -> None:
    said: list[News] = []
    training.supervise(Order("t1", "0" * 64), said.append, place)
    assert [one.seq for one in said] == list(range(1, len(said) + 1))
    assert said[-1].training == "t1" and "is missing" in said[-1].problem and left(place) == []


def test_a_killed_process_is_told_and_leaves_nothing_that_customers_wrote(
    place: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, words in ((signal.SIGKILL, "ran out of memory"), (signal.SIGABRT, "ended unexpectedly")):
        said: list[News] = []
        running = threading.Thread(target=training.supervise, args=(order_of(place), said.append, place))
        running.start()
        end = time.monotonic() + 30
        while not left(place):
            assert time.monotonic() < end and running.is_alive(), said
            time.sleep(0.002)
        (child,) = training._running
        os.kill(child.pid, number)
        running.join(30)
        assert words in said[-1].problem and left(place) == [], said


def test_a_worker_that_is_told_to_stop_takes_its_training_along(place: Configuration) -> None:
    said: list[News] = []
    running = threading.Thread(target=training.supervise, args=(order_of(place), said.append, place))
    running.start()
    while not training._running:
        time.sleep(0.002)
    training.stop()
    running.join(30)
    assert "was stopped before it was done. Start it again." in said[-1].problem and left(place) == []


def test_a_stop_while_it_starts_is_not_missed(place: Configuration) -> None:
    said: list[News] = []

    def push(news: News) -> None:
        said.append(news)
        if len(said) == 1:  # no process was started yet
            training.stop()

    training.supervise(order_of(place), push, place)
    assert [one.stage for one in said] == ["waiting", ""] and left(place) == []
    assert "was stopped before it was done. Start it again." in said[-1].problem


def test_what_it_is_compared_with_stays_whatever_other_processes_take_away(
    place: Configuration, tmp_path: Path
) -> None:
    blobs = BlobFolder(place.blobs)

    def model(name: str) -> str:
        Trained(name).save(tmp_path / name)
        return blobs.put(packed(tmp_path / name))

    in_force = model("in-force")
    workers_models, room = Models(blobs.get, place.trained), tmp_path / "room"
    assert workers_models.get(in_force) is not None
    before = training._before(Snapshot(KnowledgeBase("Shop"), model=in_force), room, blobs)
    # When a training is long, and workers meet release after release
    for number in range(8):
        assert workers_models.get(model(str(number))) is not None
    assert not (place.trained / in_force).exists()
    assert before is not None and before.is_relative_to(room) and Trained.load(before).encoder == "in-force"
    assert training._before(Snapshot(KnowledgeBase("Shop"), model="0" * 64), room, blobs) is None


def test_it_ends_with_its_worker(place: Configuration) -> None:
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "workers.training"],
        env={**os.environ, LEASH: str(read)},
        stdin=subprocess.PIPE,  # no order comes
        pass_fds=(read,),
    ) as child:
        os.close(read)
        time.sleep(0.5)
        os.close(write)
        assert child.wait(30) != 0
