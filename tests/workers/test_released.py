"""Workers answer with the model that a release names as `ask --model` does, and do without a bad one."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from structlog.testing import capture_logs

from core import wire
from core.asking import Prediction, Question
from core.knowledge.entries import KnowledgeBase, Release
from core.knowledge.export import save
from core.store.blobs import BlobFolder
from tests.workers.model import tiny
from tests.workers.model.test_strategy import WORDY, trained
from tests.workers.test_models import SHOP, WORDS, folder_of
from workers.configuration import Configuration
from workers.engine import Engine
from workers.local import Local
from workers.model import optimised
from workers.model.alignment import Alignment
from workers.model.basis import basis
from workers.model.image import lite2_digest
from workers.model.shelf import Shelf
from workers.model.text import OnnxText, minilm_digest
from workers.model.trained import FIXED
from workers.model.weights import minilm
from workers.models import AGAIN, Models, packed
from workers.released import Released

Ask = Callable[..., Prediction]


@pytest.fixture(scope="module")
def place(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    data = tmp_path_factory.mktemp("answering")
    return Configuration("", data / "blobs", models_dir, data / "encodings.db")


@pytest.fixture(scope="module")
def ask(place: Configuration) -> Ask:
    """A text worker's engine, asked about the shop with this model's blob."""
    blobs = BlobFolder(place.blobs)
    engine = Engine.open(place, photos=False)

    def one(model: str, words: str, shop: KnowledgeBase = SHOP) -> Prediction:
        release = blobs.put(wire.dumps(Release("default", 1, shop, model)).encode())
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
    proof = {"answer_at": 0.4, "budget": SHOP.error_budget, "proven_for": basis(SHOP)}
    folder = folder_of(tmp_path / "m", digest, fusion=fusion, **proof)
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
    assert (ours.answer_at, ours.guaranteed) == (0.4, True)
    # About an edited knowledge base the surer of both thresholds is an estimate
    edited = replace(SHOP, entries=(*SHOP.entries[:2], replace(SHOP.entries[2], variants=("opening hours",))))
    found = ask(blob, WORDS, edited)
    assert not found.guaranteed and found.answer_at == ask("", WORDS, edited).answer_at > 0.4
    retold = replace(edited, title="The shop", entries=(*edited.entries[:2], SHOP.entries[2]))
    assert ask(blob, WORDS, retold).guaranteed
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


@pytest.mark.models
def test_what_does_not_fit_the_settings_is_loaded_once_what_is_missing_looked_for_again(
    place: Configuration, tmp_path: Path
) -> None:
    blobs = BlobFolder(place.blobs)
    shelf, now, read = Shelf.of(place), 0.0, list[str]()

    def get(blob: str) -> bytes:
        read.append(blob)
        return blobs.get(blob)

    models = Models(get, tmp_path / "trained", clock=lambda: now)
    released = Released(models, shelf, photos=False, forget=read.append)

    def fits(blob: str, language: str = "en") -> bool:
        shutil.rmtree(tmp_path / "trained", ignore_errors=True)  # so that whoever loads it reads the blob
        return released.of(Release("default", 1, replace(SHOP, language=language), blob))[0] is not None

    german = blobs.put(packed(folder_of(tmp_path / "de", shelf.text("de").digest)))
    missing = blobs.put(packed(folder_of(tmp_path / "en", shelf.text("en").digest, fusion=FIXED)))
    raw = blobs.get(missing)
    blobs.delete(missing)
    with capture_logs() as logs:
        for at in (0.0, AGAIN + 1, 2 * AGAIN + 2):
            now = at
            assert not fits(german) and not fits(missing)
    assert read == [german, missing, missing, missing]
    assert [one["event"] for one in logs] == ["model.unusable"] * 2
    # It answers where its encoder does, and the other one once it is back
    assert fits(german, "de") and not fits(german, "en") and fits(german, "de")
    blobs.put(raw)
    now = 4 * AGAIN
    assert fits(missing) and fits(missing)


def optimised_folder(place: Path, models: Path) -> Path:
    """A model whose text encoder is another, small one, and whose image encoder has another name."""
    words, pictures = place / "forms" / "words", place / "forms" / "pictures"
    words.mkdir(parents=True)
    pictures.mkdir()
    tiny.bert(place / "work")  # left out of what is packed
    minilm.convert(place / "work", words)
    for name in ("model.onnx", "labels.json"):
        (pictures / name).write_bytes((models / "image" / name).read_bytes())
    made = {
        minilm_digest(): optimised.describe(words, of=minilm_digest(), way="int8", kind="wordpieces", longest=64),
        lite2_digest(): optimised.describe(pictures, of=lite2_digest(), way="int8", kind="pictures"),
    }
    text, image = (note.digest for note in made.values())
    rng = np.random.default_rng(0)
    photos = rng.standard_normal((2, 1280)).astype(np.float32)
    folder_of(
        place,
        text,
        image=image,
        photos={"order-cancel": photos / np.linalg.norm(photos, axis=1, keepdims=True)},
        alignment=Alignment(image, text, rng.standard_normal((1280, 24)).astype(np.float32)),
    )
    told = json.loads((place / "model.json").read_text())
    told["forms"] = {minilm_digest(): "forms/words", lite2_digest(): "forms/pictures"}
    (place / "model.json").write_text(json.dumps(told))
    return place


@pytest.mark.models
def test_a_worker_answers_with_the_encoders_of_an_optimised_model(place: Configuration, tmp_path: Path) -> None:
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[:, ::7] = (200, 40, 40)
    for name, pixels in (("example.png", stripes), ("asked.png", np.roll(stripes, 20, axis=1))):
        Image.fromarray(pixels).save(tmp_path / name)
    blobs = BlobFolder(place.blobs)
    shown = [blobs.put((tmp_path / name).read_bytes()) for name in ("example.png", "asked.png")]
    shop = replace(SHOP, entries=(replace(SHOP.entries[0], photos=(shown[0],)), *SHOP.entries[1:]))
    save(shop, tmp_path / "kb", blobs.get)
    folder = optimised_folder(tmp_path / "m", place.models)
    model = blobs.put(packed(folder))
    engine = Engine.open(place, photos=True)

    def asked(model: str, words: str, *photos: str) -> Prediction:
        release = blobs.put(wire.dumps(Release("default", 1, shop, model)).encode())
        (answer,) = engine.predict([Question("q", release, words, photos)])
        assert isinstance(answer, Prediction), answer
        return answer

    def shape(one: Prediction) -> object:
        return one.candidates, one.confidence, one.answer_at, one.clarify_at

    plain = asked("", "where is my order", shown[1])
    with Local.open(tmp_path / "kb", place, folder) as local:
        for words, photos in (("where is my order", shown[1:]), ("", shown[1:]), ("the mug came broken", [])):
            theirs = local.ask(words, [tmp_path / "asked.png"] if photos else [])
            ours = asked(model, words, *photos)
            assert ours.model == f"{theirs.model}+{model[:12]}" and "-int8-" in theirs.model
            assert shape(ours) == shape(theirs)
    # A release without it is answered as before, by the same process
    assert shape(asked("", "where is my order", shown[1])) == shape(plain) != shape(ours)
    # Its encoders are gone once other models took its place
    del local
    digest = ours.model.partition("+")[0]
    assert len(encoders(digest)) == 1
    for number in range(3):
        other = folder_of(tmp_path / str(number), minilm_digest(), answer_at=0.1 * number)
        asked(blobs.put(packed(other)), WORDS)
    assert not encoders(digest)


def encoders(digest: str) -> list[OnnxText]:
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is OnnxText and one.digest == digest]


@pytest.mark.models
def test_a_strategy_holds_to_the_workers_share_of_the_cores(ask: Ask, place: Configuration, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", WORDY.digest, fusion="early", joint=trained("early", steps=2))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        ask(BlobFolder(place.blobs).put(packed(folder)), WORDS)
        assert torch.get_num_threads() == place.threads == 1
    finally:
        torch.set_num_threads(before)
