"""Optimising a model: forms that hold are taken and used, others are named, nobody's folder is written over."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import BadInput
from tests.workers.model import tiny
from workers.configuration import Configuration
from workers.local import Local
from workers.model import tuned
from workers.model.alignment import Alignment
from workers.model.image import lite2_digest
from workers.model.optimised import forms
from workers.model.text import multilingual_digest
from workers.model.trained import Learned, Trained
from workers.model.weights import minilm
from workers.train.likeness import Tolerance
from workers.train.log import Log
from workers.train.optimise import optimise
from workers.train.weighed import Optimised

KB = """\
polydesk: 1
title: Shop
entries:
  - id: broken
    question: the mug came broken
    variants: [my mug came broken, broken mug, is the mug broken]
    answer: We send another one.
    photos: [0.png, 1.png]
  - id: order
    question: where is my order
    variants: [where is the order, is my order where, my order please]
    answer: On its way.
    photos: [2.png, 3.png]
cases:
  - {text: where is my broken order, expect: order}
  - {text: mug broken please, expect: broken}
"""
ALL = Tolerance(accuracy=1, drift=1, gain=1e9)
NONE = Tolerance(drift=-1)


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kb")
    (folder / "kb.yaml").write_text(KB)
    for number in range(4):
        pixels = np.full((48, 64, 3), 20 * number, np.uint8)
        pixels[:, :: 4 + number] = (200, 40 * number, 90)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def configuration(place: Path, models: Path, **more: str) -> Configuration:
    return Configuration("", place / "blobs", models, place / "encodings.db", device="cpu", **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    """Settings that name tiny encoders of the operator's, for which no prepared weights are needed."""
    place = tmp_path_factory.mktemp("bare")
    tiny.bert(place / "text")
    tiny.clip(place / "image")
    return configuration(place, place / "none", text_model=str(place / "text"), image_model=str(place / "image"))


def run(model: Path, out: Path, settings: Configuration, limits: Tolerance, *samples: Path) -> Optimised:
    with Log(None) as log:
        return optimise(model, out, settings, log, samples=samples, tolerance=limits, weigh_memory=False)


def ways(found: Optimised) -> Sequence[tuple[str, bool]]:
    return [(row.way, row.taken) for row in found.rows if row.encoder.startswith("text") and row.speed]


def trained(folder: Path, encoder: str, **more: object) -> Path:
    Trained(encoder, learned={"order": Learned(("order please",))}, **more).save(folder)  # type: ignore[arg-type]
    return folder


def test_an_encoder_of_the_operators_is_exported(kb: Path, bare: Configuration, tmp_path: Path) -> None:
    from workers.model.pooled import digest_of

    digest = digest_of(Path(bare.text_model))
    found = run(trained(tmp_path / "m", digest, proven_for="kb"), tmp_path / "out", bare, ALL, kb)
    assert [way for way, _ in ways(found)] == ["as it is", "fp32", "int8"]
    assert sum(taken for _, taken in ways(found)) == 1
    fp32 = next(row.likeness for row in found.rows if row.way == "fp32")
    assert fp32 is not None and fp32.worst > 0.9999 and fp32.asked == 10
    photos = next(row for row in found.rows if row.encoder.startswith("photos"))
    assert photos.taken and "only the built-in image encoder" in photos.why
    # The model names the form, whose digest is its own, beside everything else that it was
    told = json.loads((tmp_path / "out" / "model.json").read_text())
    assert list(told["forms"]) == [digest] and told["encoder"].startswith(f"{digest}-")
    assert Trained.load(tmp_path / "out").learned == Trained.load(tmp_path / "m").learned
    assert Trained.load(tmp_path / "out").proven_for == ""  # of these encoders nobody has proven anything
    assert json.loads((tmp_path / "out" / "optimised.json").read_text())["sentences"] == found.sentences == 11
    assert "replaced" in (tmp_path / "out" / "optimised.md").read_text()
    # What is optimised is not optimised again, but may be written anew
    with pytest.raises(BadInput, match="optimised already"):
        run(tmp_path / "out", tmp_path / "more", bare, ALL, kb)
    run(tmp_path / "m", tmp_path / "out", bare, NONE, kb)
    assert json.loads((tmp_path / "out" / "model.json").read_text())["encoder"] == digest
    assert Trained.load(tmp_path / "out").proven_for == "kb"


def test_what_was_aligned_with_an_encoder_fits_its_form(kb: Path, bare: Configuration, tmp_path: Path) -> None:
    from workers.model.pooled import digest_of

    of, matrix = digest_of(Path(bare.text_model)), np.eye(12, 24, dtype=np.float32)
    run(trained(tmp_path / "m", of, alignment=Alignment("clip", of, matrix)), tmp_path / "out", bare, ALL, kb)
    made = Trained.load(tmp_path / "out")
    assert made.alignment is not None and made.encoder.startswith(f"{of}-")
    assert made.alignment.fits("clip", made.encoder) and (made.alignment.matrix == matrix).all()


def test_customers_words_are_for_the_owner_alone(kb: Path, bare: Configuration, tmp_path: Path) -> None:
    model = trained(tmp_path / "m", "text-x")
    for name in ("work/heard.db", "log/events", "report.html"):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_text("what a customer said")
    run(model, tmp_path / "out", bare, ALL, kb)
    made = tmp_path / "out"
    assert not (made / "work").exists() and not (made / "log").exists() and (made / "forms").is_dir()
    assert {path.stat().st_mode & 0o777 for path in (made, *made.rglob("*")) if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in made.rglob("*") if path.is_file()} == {0o600}


def test_a_folder_that_cannot_be_renamed_gets_its_content(
    kb: Path, bare: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The working directory, like a mount point, cannot be renamed, and what lies beside it may be locked."""
    model, out = trained(tmp_path / "m", "text-x"), tmp_path / "out"
    out.mkdir()
    (out / ".making-killed").mkdir()  # of a call that was killed
    monkeypatch.chdir(out)
    run(model, Path(), bare, ALL, kb)
    first = (out / "optimised.json").read_text()
    assert forms(out) and Trained.load(out).learned == Trained.load(model).learned
    run(model, Path(), bare, NONE, kb)
    assert not forms(out) and (out / "optimised.json").read_text() != first
    assert {path.name for path in out.iterdir()} == {"model.json", "optimised.json", "optimised.md"}


def test_a_form_that_loses_is_named_and_left(kb: Path, bare: Configuration, tmp_path: Path) -> None:
    found = run(trained(tmp_path / "m", "text-x"), tmp_path / "out", bare, NONE, kb)
    assert [taken for _, taken in ways(found)] == [True, False, False]
    assert all("likenesses change" in row.why for row in found.rows if row.way != "as it is")
    assert "not taken: likenesses change" in (tmp_path / "out" / "optimised.md").read_text()
    assert forms(tmp_path / "out") == {}


def test_the_encoder_of_a_fine_tuned_model_is_replaced(kb: Path, bare: Configuration, tmp_path: Path) -> None:
    tiny.bert(tmp_path / "found", seed=2)
    (tmp_path / "m" / "text").mkdir(parents=True)
    minilm.convert(tmp_path / "found", tmp_path / "m" / "text")
    digest = tuned.describe(tmp_path / "m" / "text", frozenset({"en"}), 64, {}).digest
    trained(tmp_path / "m", digest, text=tmp_path / "m" / "text")
    found = run(tmp_path / "m", tmp_path / "out", bare, ALL, kb)
    assert ways(found) == [("as it is", False), ("int8", True)]
    assert forms(tmp_path / "out") == {digest: tmp_path / "out" / "text"}
    left = {path.name for path in (tmp_path / "out" / "text").iterdir()}
    assert left == {"model.onnx", "tokenizer.json", "form.json"}


def test_what_cannot_be_optimised_says_so(bare: Configuration, tmp_path: Path) -> None:
    model = trained(tmp_path / "m", "text-x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mum.txt").write_text("dear mum")
    (tmp_path / "file").write_text("")
    refusals = [
        (tmp_path / "gone", tmp_path / "o", "holds no model"),
        (tmp_path / "empty", tmp_path / "o", "holds no model"),
        (tmp_path / "letters", tmp_path / "o", "holds no model"),
        (model, model, "must lie apart"),
        (model, model / "inside", "must lie apart"),
        (model, tmp_path, "must lie apart"),
        (model, tmp_path / "letters", "holds other files"),
        (model, tmp_path / "file", "is not a folder"),
        (model, tmp_path / "file" / "o", "cannot be made"),
    ]
    for source, out, says in refusals:
        with pytest.raises(BadInput, match=says) as said:
            run(source, out, bare, ALL)
        assert "\n" not in str(said.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "letters", "m"]
    assert (tmp_path / "letters" / "mum.txt").read_text() == "dear mum"


@pytest.mark.models
def test_the_shipped_encoders(kb: Path, models_dir: Path, tmp_path: Path) -> None:
    settings = configuration(tmp_path, models_dir, text_model="multilingual")
    photo = np.eye(1280, dtype=np.float32)[:1]
    model = trained(tmp_path / "m", multilingual_digest(), photos={"order": photo}, image=lite2_digest())
    out = tmp_path / "out"
    with Log(None) as log:
        found = optimise(model, out, settings, log, samples=[kb], kb=kb, tolerance=ALL, weigh_memory=False)
    assert list(forms(out)) == [multilingual_digest(), lite2_digest()]
    assert [one.encoder for one in found.cases] == ["text, other languages", "photos (EfficientNet-Lite2)"]
    assert all(one.before.cases == one.after.cases == 2 for one in found.cases)
    words, photos = (row for row in found.rows if row.way == "int8")
    assert words.likeness is not None and words.likeness.cosine > 0.99
    assert photos.likeness is not None and photos.likeness.cosine > 0.9 and photos.size < 13_000_000
    # Then questions are answered by the forms, their encodings kept apart from those of the originals
    with Local.open(kb, settings, out) as local:
        answer = local.ask("where is my order")
        assert (answer.entry, answer.model) == ("order", words.digest)
        assert local.pictures[0] == photos.digest == Trained.load(out).image
    with closing(sqlite3.connect(settings.encodings)) as database:
        kept = {key.rpartition(":")[0] for (key,) in database.execute("SELECT key FROM encodings")}
    assert kept == {words.digest, photos.digest, multilingual_digest(), lite2_digest()}
