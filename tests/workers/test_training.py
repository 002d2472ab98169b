"""The process that trains: what its worker says when it cannot, and that nothing of it stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core import wire
from core.errors import BadInput, Broken
from core.knowledge.entries import Entry, KnowledgeBase
from core.snapshot import Snapshot
from core.store.blobs import BlobFolder
from core.training import AUTO, STRATEGIES, Halt, News, Options, Order, Outcome
from workers import resting, training
from workers.configuration import Configuration, from_environment
from workers.leash import LEASH
from workers.model.trained import FUSIONS, Trained
from workers.models import Models, packed
from workers.train.log import Told
from workers.train.resuming import deciding


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    """The settings of a worker, for this process and its child."""
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path))
    monkeypatch.setenv("POLYDESK_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(training, "_stopped", threading.Event())
    return from_environment()


def order_of(place: Configuration, language: str = "en") -> Order:
    entry = Entry("hours", "When are you open?", {"en": "Nine to five."}, variants=("opening hours",))
    snapshot = wire.dumps(Snapshot(KnowledgeBase("Shop", language=language, entries=(entry,)))).encode()
    return Order("t1", BlobFolder(place.blobs).put(snapshot))


def left(place: Configuration) -> list[Path]:
    return list(place.encodings.parent.glob("training*/*"))


def test_what_is_wrong_is_said_in_a_sentence(place: Configuration) -> None:
    said: list[News] = []
    training.supervise(Order("t1", "0" * 64), said.append, place)
    assert [one.seq for one in said] == list(range(1, len(said) + 1))
    assert said[-1].training == "t1" and "is missing" in said[-1].problem and not said[-1].refused and left(place) == []


def test_what_would_be_refused_again_is_told_from_what_broke_off(place: Configuration) -> None:
    said: list[News] = []
    training.supervise(Order("t1", BlobFolder(place.blobs).put(b"of another version")), said.append, place)
    assert "Another version" in said[-1].problem and said[-1].refused and left(place) == []


def at_work(
    place: Configuration, said: list[News], halted: Callable[[], Halt | None] = lambda: None
) -> tuple[threading.Thread, subprocess.Popen[bytes]]:
    """A training that is supervised, with its child, once that has unpacked something."""
    running = threading.Thread(target=training.supervise, args=(order_of(place), said.append, place, halted))
    running.start()
    end = time.monotonic() + 30
    while not left(place):
        assert time.monotonic() < end and running.is_alive(), said
        time.sleep(0.002)
    (child,) = training._running
    return running, child


def came_to(place: Configuration, order: Order) -> Outcome:
    """What the training of this order came to, which lies in its folder."""
    blobs = BlobFolder(place.blobs)
    outcome = Outcome(blobs.put(b"a model"), blobs.put(b"a report"), True, "it is not worse", tuned="not wished")
    with resting.place(place, order.snapshot, order.training) as room:
        resting.keep(room, resting.Ended(order.options, deciding(place), outcome))
    return outcome


def test_what_it_came_to_is_told_again_to_whoever_asks(place: Configuration) -> None:
    """That the broker has taken the last word does not say that a gateway heard it."""
    order, said = order_of(place), list[News]()
    outcome = came_to(place, order)
    for _ in range(2):
        said.clear()
        training.supervise(order, said.append, place)
        assert said[-1].outcome == outcome and [one.stage for one in said] == ["waiting", ""]
        assert [path.name for path in left(place)[0].iterdir()] != [] and len(left(place)) == 1
    # Whoever stops it as it ends wants none of it
    training.supervise(order, said.append, place, lambda: Halt("ada") if said[-1].outcome else None)
    assert left(place) == []


@pytest.mark.parametrize("other", ["options", "settings", "model", "report"])
def test_what_another_training_came_to_or_is_there_no_more_is_not_told(place: Configuration, other: str) -> None:
    order = replace(order_of(place), options=Options(strategy="x"))  # it would be refused
    outcome = came_to(place, order)
    if other == "options":
        order = replace(order, options=Options(strategy="y"))
    elif other == "settings":
        place = replace(place, text_model="multilingual")
    else:
        BlobFolder(place.blobs).delete(getattr(outcome, other))
    with pytest.raises(BadInput, match="no strategy"), resting.place(place, order.snapshot, "t2") as room:
        training._trained(order, room, place, lambda _: None)
    assert left(place) == []


@pytest.mark.models
def test_a_model_that_cannot_be_kept_is_not_made_twice(place: Configuration, models_dir: Path) -> None:
    """Given a full disk when a model is to be kept, when it is started again, then it goes on where it stood."""
    order, place, said = order_of(place), replace(place, models=models_dir), list[News]()
    full = [place.blobs / f"{number:02x}" for number in range(256) if not (place.blobs / f"{number:02x}").exists()]
    for one in full:  # nothing new can be written
        one.touch()
    with (
        pytest.raises(Broken, match=r"was trained, but cannot be kept in .*\(Not a directory\)\. Free space there"),
        resting.place(place, order.snapshot, "t1") as room,
    ):
        training._trained(order, room, place, said.append)
    assert said[-1].stage == "packing" and (room / "model" / "work" / "inputs.json").exists()
    for one in full:
        one.unlink()
    with resting.place(place, order.snapshot, "t2") as room:
        outcome = training._trained(order, room, place, said.append)
        assert {path.name for path in room.iterdir()} == {"training", "outcome.json"}
    assert Models(BlobFolder(place.blobs).get, place.trained).get(outcome.model) is not None
    said.clear()
    with resting.place(place, order.snapshot, "t3") as room:
        assert training._trained(order, room, place, said.append) == outcome and not said


def test_a_killed_process_is_told_and_leaves_nothing_that_customers_wrote(
    place: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, words in ((signal.SIGKILL, "ran out of memory"), (signal.SIGABRT, "ended unexpectedly")):
        said: list[News] = []
        running, child = at_work(place, said)
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

    def push(news: News) -> bool:
        said.append(news)
        if len(said) == 1:  # no process was started yet
            training.stop()
        return True

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
    before, instead = training._before(Snapshot(KnowledgeBase("Shop"), model=in_force), room, blobs)
    # When a training is long, and workers meet release after release
    for number in range(8):
        assert workers_models.get(model(str(number))) is not None
    assert not (place.trained / in_force).exists()
    assert before is not None and before.is_relative_to(room) and Trained.load(before).encoder == "in-force"
    assert not instead and training._before(Snapshot(KnowledgeBase("Shop")), room, blobs) == (None, "")


def test_what_it_is_compared_with_instead_is_said(place: Configuration, tmp_path: Path) -> None:
    """Given a model in force that nobody can have, or only this worker not, then no comparison pretends otherwise."""
    blobs, room = BlobFolder(place.blobs), tmp_path / "room"
    for model, why in (("0" * 64, "is missing from"), (blobs.put(b"no zip file"), "not a zip file")):
        before, instead = training._before(Snapshot(KnowledgeBase("Shop"), model=model), room, blobs)
        assert before is None and "the model in force cannot be had" in instead and why in instead
    blobs.path("1" * 64).mkdir(parents=True)
    Trained("in-force").save(tmp_path / "in-force")
    model = blobs.put(packed(tmp_path / "in-force"))
    (tmp_path / "full").touch()
    for one, where, why in (("1" * 64, room, "Is a directory"), (model, tmp_path / "full", "Not a directory")):
        with pytest.raises(Broken, match=rf"cannot be compared with just now \({why}\).*start it again"):
            training._before(Snapshot(KnowledgeBase("Shop"), model=one), where, blobs)


def test_a_process_that_cannot_be_started_is_told(place: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[News] = []
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    training.supervise(order_of(place), said.append, place)
    assert [one.stage for one in said] == ["waiting", ""] and not training._running and left(place) == []
    assert "cannot run a process that trains (No such file or directory)" in said[-1].problem and not said[-1].refused


def test_an_admin_stops_it_while_it_runs_and_nothing_of_it_stays(
    place: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LOOK", 0.01)
    said: list[News] = []
    wanted: list[Halt] = []
    halted = lambda: wanted[0] if wanted else None  # noqa: E731
    running, child = at_work(place, said, halted)
    wanted.append(Halt("Ada"))
    running.join(30)
    assert (said[-1].problem, said[-1].stopped_by, left(place)) == ("Stopped by Ada", "Ada", [])
    assert child.poll() is not None and not training._running


def test_one_that_does_not_end_when_it_is_told_is_killed(place: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LOOK", 0.01)
    monkeypatch.setattr(training, "GRACE", 0.2)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline()
        with training._halting(child, lambda: Halt("Ada")) as halts:
            assert child.wait(30) == -signal.SIGKILL
        assert halts == [Halt("Ada")]


def test_one_that_was_stopped_in_the_queue_is_not_begun(place: Configuration) -> None:
    said: list[News] = []
    training.supervise(order_of(place), said.append, place, lambda: Halt("Ada"))
    assert [(one.problem, one.stopped_by) for one in said] == [("Stopped by Ada", "Ada")]
    assert left(place) == [] and not training._running


def test_what_was_given_up_ends_without_an_admin_and_waits_to_be_started_again(
    place: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LOOK", 0.01)
    order, said = order_of(place), list[News]()
    work = resting._folder(place, order.snapshot) / "model" / "work"
    work.mkdir(parents=True)
    for halted in (lambda: Halt(), lambda: Halt() if training._running else None):  # in the queue, as it runs
        training.supervise(order, said.append, place, halted)
        assert "was cut off" in said[-1].problem and said[-1].last and not said[-1].stopped_by
        assert work.exists()
    training.supervise(order, said.append, place, lambda: Halt("Ada"))
    assert not work.exists()


def test_every_strategy_that_an_order_may_name_is_there() -> None:
    assert set(STRATEGIES) == {AUTO, *FUSIONS}


def test_what_was_wished_reaches_the_training(place: Configuration, tmp_path: Path) -> None:
    order = order_of(place, "de")
    for options, words in ((Options(finetune=True), "knowledge base's language is de"), (Options(strategy="x"), "'x'")):
        with pytest.raises(BadInput, match=words):
            training._trained(replace(order, options=options), tmp_path / options.strategy, place, lambda _: None)


def test_a_stage_tells_how_long_the_rest_will_take() -> None:
    said: list[News] = []
    now = 0.0
    teller = training._Teller(said.append, lambda: now)
    for at, done in ((0, 10), (3, 13), (20, 30), (80, 90)):
        now = float(at)
        teller(Told("fine-tuning", done, 90))
    teller(Told("cases", 0, 0))
    # Ten steps were done before it was killed: they took none of these seconds
    assert [one.seconds_left for one in said] == [0, 0, 60, 0, 0]


def test_it_ends_with_its_worker(place: Configuration) -> None:
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "workers.training"],
        env={**os.environ, LEASH: str(read)},
        stdin=subprocess.PIPE,  # no order comes
        pass_fds=(read,),
    ) as child:
        os.close(read)
        end = time.monotonic() + 30
        while not ready(child.pid):
            assert child.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        os.close(write)
        assert child.wait(30) == 128 + signal.SIGTERM


def ready(pid: int) -> bool:
    """Whether a process has said what it does when it is told to end (proc(5): SigCgt is a mask in hexadecimal)."""
    (caught,) = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
