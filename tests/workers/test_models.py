"""Trained models that releases name are fetched, unpacked once, mended and tidied, whoever shares the folder."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import time
import zipfile
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core import wire
from core.knowledge.entries import Entry, KnowledgeBase, Release
from core.store.blobs import BlobFolder
from workers.model.recalibration import Recalibration
from workers.model.trained import Learned, Trained
from workers.models import AGAIN, Models, packed

SHOP = KnowledgeBase(
    "Tiny shop",
    entries=tuple(
        Entry(id, phrases[0], {"en": id}, id, phrases[1:])
        for id, phrases in {
            "track-order": ("Where is my order?", "where is my parcel", "track my package"),
            "order-cancel": ("How do I cancel my order?", "cancel my order", "i want to cancel what i bought"),
            "opening-hours": ("When are you open?", "opening hours", "are you open on saturday"),
        }.items()
    ),
)
WORDS = "forget it, I don't want it any more"


def folder_of(place: Path, encoder: str = "minilm-1", **more: object) -> Path:
    learned = {"order-cancel": Learned((WORDS,))}
    Trained(encoder, learned=learned, correction=Recalibration(temperature=1.5), **more).save(place)  # type: ignore[arg-type]
    (place / "log").mkdir()
    for name in ("report.html", "results.json", "log/events", ".text.abc.pt"):
        (place / name).write_text("what somebody wrote")
    return place


def test_a_model_is_packed_without_what_answers_nothing(tmp_path: Path) -> None:
    raw = packed(folder_of(tmp_path / "m"))
    assert zipfile.ZipFile(io.BytesIO(raw)).namelist() == ["model.json"]
    assert raw == packed(folder_of(tmp_path / "again"))


def test_it_is_unpacked_once_for_all_processes(tmp_path: Path) -> None:
    blobs = BlobFolder(tmp_path / "blobs")
    blob = blobs.put(packed(folder_of(tmp_path / "m")))
    read: list[str] = []

    def get(sha: str) -> bytes:
        read.append(sha)
        return blobs.get(sha)

    for _ in range(2):
        models = Models(get, tmp_path / "trained")
        found = models.get(blob)
        assert found is not None and found.learned["order-cancel"].phrases == (WORDS,) and models.get(blob) is found
    assert read == [blob]
    assert [one.name for one in (tmp_path / "trained").iterdir()] == [blob]


def fetched(blobs: Path, folder: Path, blob: str, times: int) -> list[str]:
    """What went wrong when a process of its own fetched a model again and again."""
    wrong = []
    for _ in range(times):
        models = Models(BlobFolder(blobs).get, folder)
        with capture_logs() as logs:
            if models.get(blob) is None or not (models.folder(blob) / "model.json").is_file():
                wrong.append(str(logs))
    return wrong


@pytest.mark.parametrize("torn", [False, True])
def test_processes_that_fetch_it_at_once_leave_it_to_each_other(tmp_path: Path, torn: bool) -> None:
    blob = BlobFolder(tmp_path / "blobs").put(packed(folder_of(tmp_path / "m")))
    with multiprocessing.get_context("fork").Pool(3) as pool:
        for number in range(20):
            folder = tmp_path / "trained" / str(number)
            if torn:  # a model that lost what names it
                (folder / blob / "text").mkdir(parents=True)
                (folder / blob / "text" / "config.json").touch()
            assert pool.starmap(fetched, [(tmp_path / "blobs", folder, blob, 2)] * 3) == [[]] * 3
            assert [one.name for one in folder.iterdir()] == [blob]


def test_who_is_slower_takes_what_is_there(tmp_path: Path) -> None:
    blobs = BlobFolder(tmp_path / "blobs")
    blob = blobs.put(packed(folder_of(tmp_path / "m")))
    faster = Models(blobs.get, tmp_path / "trained")

    there = tmp_path / "trained" / blob
    inodes: list[int] = []

    def slow(sha: str) -> bytes:
        inodes.append(faster.folder(sha).stat().st_ino)
        return blobs.get(sha)

    assert Models(slow, tmp_path / "trained").folder(blob) == there
    assert [there.stat().st_ino] == inodes


def test_what_only_one_process_cannot_load_stays_for_the_others(tmp_path: Path) -> None:
    blobs = BlobFolder(tmp_path / "blobs")
    folder = folder_of(tmp_path / "m")
    plain = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**plain, "form": 99}))  # workers of a later version can
    blob = blobs.put(packed(folder))
    models = Models(blobs.get, tmp_path / "trained")
    there = models.folder(blob)
    assert models.get(blob) is None and (there / "model.json").is_file()


def test_a_damaged_one_is_unpacked_again(tmp_path: Path) -> None:
    blobs = BlobFolder(tmp_path / "blobs")
    blob = blobs.put(packed(folder_of(tmp_path / "m")))
    now = 0.0
    models = Models(blobs.get, tmp_path / "trained", clock=lambda: now)
    (models.folder(blob) / "model.json").write_text("{")
    assert models.get(blob) is None
    now = AGAIN + 1
    assert models.get(blob) is not None


def test_only_the_last_used_stay(tmp_path: Path) -> None:
    blobs = BlobFolder(tmp_path / "blobs")
    dropped: list[str] = []
    models = Models(blobs.get, tmp_path / "trained")
    models.dropped = dropped.append
    kept = [blobs.put(packed(folder_of(tmp_path / str(number), f"encoder-{number}"))) for number in range(8)]
    for blob in kept:
        assert models.get(blob) is not None
    assert len(list((tmp_path / "trained").iterdir())) == 6
    assert dropped == kept[:5]


def test_what_a_killed_process_has_left_goes_after_a_while(tmp_path: Path) -> None:
    blobs = BlobFolder(tmp_path / "blobs")
    left, at_work = tmp_path / "trained" / ".new-left", tmp_path / "trained" / ".new-at-work"
    for place, minutes in ((left, 61), (at_work, 59)):
        place.mkdir(parents=True)
        (place / "model.json").touch()
        os.utime(place, (time.time() - 60 * minutes,) * 2)
    blob = blobs.put(packed(folder_of(tmp_path / "m")))
    assert Models(blobs.get, tmp_path / "trained").get(blob) is not None
    assert {one.name for one in (tmp_path / "trained").iterdir()} == {at_work.name, blob}


def test_a_bad_one_is_told_once_and_tried_again_later(tmp_path: Path) -> None:
    blobs = BlobFolder(tmp_path / "blobs")
    good = packed(folder_of(tmp_path / "m"))
    empty = tmp_path / "empty"
    empty.mkdir()
    link = zipfile.ZipInfo("model.json")
    link.external_attr = 0o120777 << 16
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    outside = io.BytesIO()
    with zipfile.ZipFile(outside, "w") as archive:
        archive.writestr("../../model.json", "{}")
    now = 0.0
    models = Models(blobs.get, tmp_path / "trained", clock=lambda: now)
    for raw, why in (
        (good[:-40], "not a zip file"),
        (b"", "not a zip file"),
        (evil.getvalue(), "got a link"),
        (outside.getvalue(), "paths inside the archive"),
        (packed(empty), "holds no model"),
    ):
        blob = blobs.put(raw)
        with capture_logs() as logs:
            assert [models.get(blob) for _ in range(3)] == [None] * 3
        assert len(logs) == 1 and logs[0]["event"] == "model.unusable" and why in logs[0]["problem"], logs
    assert not list((tmp_path / "trained").iterdir()) and not (tmp_path / "model.json").exists()
    # A blob that is missing now may be brought back
    blob = blobs.put(good)
    blobs.delete(blob)
    assert models.get(blob) is None
    blobs.put(good)
    assert models.get(blob) is None
    now = AGAIN + 1
    assert models.get(blob) is not None


def test_a_release_of_before_has_no_model() -> None:
    plain = wire.dump(Release("default", 3, SHOP))
    del plain["model"]
    assert wire.load(Release, plain) == Release("default", 3, SHOP)
