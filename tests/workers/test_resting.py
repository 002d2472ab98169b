"""Where a training that was killed is gone on with: what stays there, for whom, for how long."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from core.errors import BadInput, Retry
from core.knowledge.entries import Entry, KnowledgeBase
from core.knowledge.files import load
from core.knowledge.history import History
from core.snapshot import Snapshot, unpacked
from core.store.blobs import BlobFolder
from core.store.locks import FileLock
from core.training import Options, Outcome
from workers import resting
from workers.configuration import Configuration, from_environment
from workers.train.resuming import inputs

SNAPSHOT = "a" * 64


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path))
    monkeypatch.setenv("POLYDESK_REDIS_URL", "redis://127.0.0.1:1/0")
    return from_environment()


def begun(folder: Path) -> Path:
    """What a training has done when it has begun to learn."""
    work = folder / "model" / "work"
    work.mkdir(parents=True)
    (work / "heard.db").write_text("where is my parcel")
    return folder


def killed(place: Configuration, snapshot: str = SNAPSHOT) -> Path:
    with pytest.raises(SystemExit), resting.place(place, snapshot, "t1") as folder:
        begun(folder)
        (folder / "kb").mkdir()
        raise SystemExit
    return folder


def test_what_was_done_waits_for_the_same_training_and_goes_with_its_end(place: Configuration) -> None:
    folder = killed(place)
    assert [one.stat().st_mode & 0o777 for one in (folder, folder.parent)] == [0o700, 0o700]
    with resting.place(place, "b" * 64, "t2") as other:
        assert other != folder and not (other / "model").exists()
    assert folder.exists() and not other.exists()
    with resting.place(place, SNAPSHOT, "t1") as again:
        assert again == folder and (again / "model" / "work" / "heard.db").exists()
        assert not (again / "kb").exists()  # it is unpacked anew
    assert folder.exists()
    resting.forget(place, SNAPSHOT)
    assert not folder.exists()


def test_what_was_refused_stopped_or_not_begun_leaves_nothing(place: Configuration) -> None:
    folder = killed(place)
    with pytest.raises(BadInput), resting.place(place, SNAPSHOT, "t1"):
        raise BadInput("no such strategy")
    assert not folder.exists()
    with pytest.raises(OSError), resting.place(place, SNAPSHOT, "t1") as folder:
        (folder / "history.jsonl").write_text("where is my parcel")
        raise OSError
    assert not folder.exists()
    folder = killed(place)
    resting.forget(place, SNAPSHOT)
    assert not folder.exists()


def test_what_it_came_to_stays_alone_for_a_day(place: Configuration) -> None:
    ended = resting.Ended(Options(finetune=True), {"text_model": "auto"}, Outcome("c" * 64, "d" * 64, True, "better"))
    folder = killed(place)
    assert resting.ended(folder) is None
    resting.keep(folder, ended)
    with resting.place(place, SNAPSHOT, "t2") as again:
        assert {path.name for path in again.iterdir()} == {"training", "outcome.json"}  # no word of a customer
        assert resting.ended(again) == ended
    resting.sweep(place)
    assert resting.ended(folder) == ended
    # Unless another training begins there: what one left that was killed as it cleared up is nobody's
    begun(folder)
    resting.anew(folder)
    assert [path.name for path in folder.iterdir()] == ["training"]
    resting.keep(folder, ended)
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (0, time.time() - resting.KEPT - 60))
    resting.sweep(place)
    assert not folder.exists()


def test_what_cannot_be_read_of_an_outcome_is_none(place: Configuration) -> None:
    with resting.place(place, SNAPSHOT, "t1") as folder:
        (folder / "outcome.json").write_bytes(b"of another version")
        assert resting.ended(folder) is None
    assert not folder.exists()


def test_a_day_later_nobody_goes_on_with_it(place: Configuration) -> None:
    folder, young = killed(place), killed(place, "b" * 64)
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (0, time.time() - resting.KEPT - 60))
    lock = FileLock(folder.parent.with_name("training-kept.lock"))
    lock.take()
    resting.sweep(place)  # another training runs: it may be this one
    assert folder.exists()
    lock.release()
    resting.sweep(place)
    assert not folder.exists() and young.exists()


def test_what_was_stopped_while_no_worker_lived_goes_with_the_next_sweep(place: Configuration) -> None:
    """Given workers that were killed, when an admin stops what they did before it is given up, then nothing rests."""
    folder, other = killed(place), killed(place, "b" * 64)
    with pytest.raises(SystemExit), resting.place(place, "b" * 64, "t2"):  # it went on under another name
        raise SystemExit
    resting.sweep(place, lambda training: training == "t1")
    assert not folder.exists() and other.exists()


def test_what_an_earlier_version_left_goes_once_nobody_works_there(place: Configuration) -> None:
    rooms = place.encodings.with_name("training")
    dead, alive = rooms / "4711-abc", rooms / "7-xyz"
    for room in (dead, alive):
        room.mkdir(parents=True)
        (room / "history.jsonl").write_text("where is my parcel")
    rooms.with_name("training.lock").touch()
    for path in (dead / "history.jsonl", dead):
        os.utime(path, (0, time.time() - resting.QUIET - 60))
    resting.sweep(place)
    assert not dead.exists() and (alive / "history.jsonl").exists()
    for path in (alive / "history.jsonl", alive):
        os.utime(path, (0, time.time() - resting.QUIET - 60))
    resting.sweep(place)
    assert not rooms.exists() and not rooms.with_name("training.lock").exists()


def test_a_folder_that_cannot_be_looked_at_keeps_no_other_from_being_swept(
    place: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given folders that vanish as they are looked into, when it is swept, then the rest goes."""
    folders = [killed(place, name * 64) for name in "abc"]
    rglob = Path.rglob

    def vanishing(path: Path, pattern: str) -> object:
        if path == folders[1]:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")  # as Python 3.11 does
        return rglob(path, pattern)

    monkeypatch.setattr(Path, "rglob", vanishing)
    resting.sweep(place, lambda _: True)
    assert [folder.exists() for folder in folders] == [False, True, False]
    monkeypatch.undo()
    resting.sweep(place, lambda _: True)
    assert not folders[1].exists()


def test_it_is_swept_on_whatever_was_wrong_once(place: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "SWEPT_EVERY", 0.01)
    folder, met, over = killed(place), list[str](), threading.Event()

    def stopped(training: str) -> bool:
        met.append(training)
        if len(met) == 1:
            raise RuntimeError("nobody has thought of that")
        if len(met) == 2:
            return False
        monkeypatch.setattr(resting, "SWEPT_EVERY", 3600.0)  # the thread is not heard of again
        over.set()
        return False

    resting.sweeping(place, stopped)
    assert over.wait(30) and folder.exists()


def test_where_nothing_can_be_locked_nothing_is_swept_or_left_open(
    place: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = killed(place)
    monkeypatch.setattr(resting, "PATIENCE", 0.0)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(list(Path("/proc/self/fd").iterdir()))
    resting.sweep(place, lambda _: True)
    with pytest.raises(Retry, match=r"cannot lock .*: No locks available"), resting.place(place, SNAPSHOT, "t1"):
        raise AssertionError
    assert folder.exists() and len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_full_disk_does_not_keep_anybody_from_being_alone(
    place: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = killed(place)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    resting.sweep(place, lambda _: True)
    assert not folder.exists()
    assert not (place.encodings.with_name("training-kept.lock")).read_text()


def test_two_trainings_do_not_share_a_folder(place: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "PATIENCE", 0.3)
    with (
        resting.place(place, SNAPSHOT, "t1"),
        pytest.raises(Retry, match="another training works"),
        resting.place(place, SNAPSHOT, "t1"),
    ):
        raise AssertionError
    assert not list(place.encodings.parent.glob("training-kept/*"))


def test_what_is_unpacked_twice_is_taken_for_the_same(place: Configuration) -> None:
    """Given a training that was killed, when it goes on, then its inputs have the same mark: nothing starts afresh."""
    blobs, photo = BlobFolder(place.blobs), io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(photo, "JPEG")
    entry = Entry("mug", "Is this a mug?", {"en": "Yes."}, variants=("a mug",), photos=(blobs.put(photo.getvalue()),))
    snapshot = Snapshot(KnowledgeBase("Shop", entries=(entry,)))
    marks = []
    for _ in range(2):
        with pytest.raises(SystemExit), resting.place(place, SNAPSHOT, "t1") as folder:
            kb, _ = unpacked(snapshot, folder, blobs)
            resting.settle(folder)
            marks.append(inputs(load(kb), History(()), place, finetune=True))
            if len(marks) == 1:
                begun(folder)
            raise SystemExit
        time.sleep(0.02)
    assert marks[0] == marks[1]
