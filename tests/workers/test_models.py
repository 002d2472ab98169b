"""Trained models that releases name: workers fetch them, answer as `ask --model` does, and do without a bad one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core import wire
from core.asking import Prediction, Question
from core.knowledge.entries import Entry, KnowledgeBase, Release
from core.knowledge.export import save
from core.store.blobs import BlobFolder
from workers.configuration import Configuration
from workers.engine import Engine
from workers.local import Local
from workers.model.recalibration import Recalibration
from workers.model.trained import FIXED, Learned, Trained
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


def test_only_the_last_used_stay(tmp_path: Path) -> None:
    blobs = BlobFolder(tmp_path / "blobs")
    dropped: list[Path] = []
    models = Models(blobs.get, tmp_path / "trained", dropped.append)
    for number in range(8):
        folder = folder_of(tmp_path / str(number), f"encoder-{number}")
        (folder / "text").mkdir()
        (folder / "text" / "config.json").write_text("{}")
        assert models.get(blobs.put(packed(folder))) is not None
    assert len(list((tmp_path / "trained").iterdir())) == 6
    assert len(dropped) == 5 and all(one.name == "text" for one in dropped)


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


Ask = Callable[[str, str], Prediction]


@pytest.fixture(scope="module")
def place(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    data = tmp_path_factory.mktemp("answering")
    return Configuration("", data / "blobs", models_dir, data / "encodings.db")


@pytest.fixture(scope="module")
def ask(place: Configuration) -> Ask:
    """A text worker's engine, asked about the shop with this model's blob."""
    blobs = BlobFolder(place.blobs)
    engine = Engine.open(place, photos=False)

    def one(model: str, words: str) -> Prediction:
        release = blobs.put(wire.dumps(Release("default", 1, SHOP, model)).encode())
        (answer,) = engine.predict([Question("q", release, words)])
        assert isinstance(answer, Prediction), answer
        return answer

    return one


@pytest.mark.models
@pytest.mark.parametrize("fusion", [FIXED, "late"])
def test_a_worker_answers_as_ask_with_the_model_does(
    ask: Ask, place: Configuration, tmp_path: Path, fusion: str
) -> None:
    digest = ask("", "hi").model
    folder = folder_of(tmp_path / "m", digest, fusion=fusion, answer_at=0.4, budget=SHOP.error_budget)
    blob = BlobFolder(place.blobs).put(packed(folder))
    save(SHOP, tmp_path / "kb", lambda name: b"")
    asked = (WORDS, "where is my parcel?", "can I visit you on Sunday?")
    with Local.open(tmp_path / "kb", place, folder) as local:
        told = [local.ask(words) for words in asked]
    for words, theirs in zip(asked, told, strict=True):
        ours = ask(blob, words)
        assert ours.model == f"{theirs.model}+{blob[:12]}"
        assert replace(ours, question="", release="", model="") == replace(theirs, question="", release="", model="")
    assert ask(blob, WORDS).candidates[0].entry == "order-cancel"
    assert ask("", WORDS).model == digest and ask("", WORDS).confidence < ask(blob, WORDS).confidence


@pytest.mark.models
def test_a_model_that_cannot_be_used_leaves_the_shipped_one(ask: Ask, place: Configuration, tmp_path: Path) -> None:
    blobs = BlobFolder(place.blobs)
    plain = ask("", WORDS)
    tuned = folder_of(tmp_path / "tuned", plain.model)
    (tuned / "text").mkdir()
    (tuned / "text" / "config.json").write_text("{")
    bad = {
        blobs.put(packed(folder_of(tmp_path / "other", "another-encoder"))): "POLYDESK_TEXT_MODEL",
        blobs.put(b"no zip"): "not a zip",
        blobs.put(packed(tuned)): "",
        "0" * 64: "is missing",
    }
    for blob, why in bad.items():
        with capture_logs() as logs:
            answers = [ask(blob, WORDS) for _ in range(2)]
        assert [replace(one, release=plain.release) for one in answers] == [plain, plain]
        assert [one["event"] for one in logs] == ["model.unusable"] and why in logs[0]["problem"], logs
