"""Optimised forms in a model's folder: they stand in for their encoder, or it is said what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput, Broken
from tests.workers.model import tiny
from workers.model import optimised, tuned
from workers.model.shelf import Shelf
from workers.model.text import minilm_digest
from workers.model.weights import eightbit, minilm


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fine-tuned encoder, as `polydesk train --finetune` leaves one."""
    place = tmp_path_factory.mktemp("encoder")
    (place / "made").mkdir()
    tiny.bert(place / "found")
    minilm.convert(place / "found", place / "made")
    tuned.describe(place / "made", frozenset({"en"}), 64, {})
    return place / "made"


@pytest.fixture
def model(encoder: Path, tmp_path: Path) -> Path:
    """A model's folder with that encoder in eight bits."""
    return furnished(tmp_path / "model", encoder, tuned.read(encoder).digest)


def furnished(model: Path, encoder: Path, of: str) -> Path:
    folder = model / "forms" / "text"
    folder.mkdir(parents=True)
    eightbit.convert(encoder / "model.onnx", folder / "model.onnx")
    (folder / "tokenizer.json").write_bytes((encoder / "tokenizer.json").read_bytes())
    optimised.describe(folder, of=of, way="int8", kind=optimised.WORDPIECES, languages=frozenset({"en"}), longest=64)
    (model / "model.json").write_text(json.dumps({"forms": {of: "forms/text"}}))
    return model


def test_a_form_stands_in_for_its_encoder(model: Path, encoder: Path, tmp_path: Path) -> None:
    named = Shelf(tmp_path, text=str(encoder), device="cpu")
    before = named.text("en")
    assert named.languages("en") == before.languages == {"en"}
    after = Shelf(tmp_path, text=str(encoder), forms=optimised.forms(model)).text("en")
    assert after.digest.startswith(f"{before.digest}-int8-") and after.languages == before.languages
    said = ["where is my order", "the mug came broken"]
    assert (before.encode(said) * after.encode(said)).sum(axis=1).min() > 0.98
    # Named itself, as the text encoder of a model is, it is the same
    itself = Shelf(tmp_path, text=str(model / "forms" / "text"))
    assert itself.text("de").digest == after.digest and itself.languages("de") == after.languages
    # An encoder that nothing stands in for is left alone
    tiny.bert(tmp_path / "other", seed=3)
    other = Shelf(tmp_path, text=str(tmp_path / "other"), device="cpu", forms=optimised.forms(model)).text("en")
    assert other.digest.startswith("text-")


def test_a_model_that_was_not_optimised_has_none(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"form": 1}')
    assert optimised.forms(tmp_path) == {}


@pytest.mark.parametrize("damage", ["cut", "gone", "note", "version", "kind"])
def test_what_is_damaged_says_what_to_do(model: Path, damage: str) -> None:
    folder = model / "forms" / "text"
    if damage == "cut":
        (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-9])
    elif damage == "gone":
        (folder / "tokenizer.json").unlink()
    elif damage == "note":
        (folder / "form.json").write_text("[]")
    else:
        told = json.loads((folder / "form.json").read_text())
        (folder / "form.json").write_text(json.dumps(told | {"form" if damage == "version" else damage: 9}))
    with pytest.raises(Broken, match="polydesk optimise") as said:
        optimised.forms(model)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("forms", ['{"a": "../text"}', '{"a": "/etc"}', "[1]", '{"a": "forms/gone"}', '{"a": ""}'])
def test_a_list_of_forms_that_leads_elsewhere(model: Path, forms: str) -> None:
    (model / "model.json").write_text(f'{{"forms": {forms}}}')
    with pytest.raises(Broken, match="polydesk optimise"):
        optimised.forms(model)


def test_a_form_of_another_encoder_than_is_said(model: Path) -> None:
    (model / "model.json").write_text('{"forms": {"tuned-000": "forms/text"}}')
    with pytest.raises(Broken, match="is not the one of"):
        optimised.forms(model)


def test_weights_of_another_installation(encoder: Path, tmp_path: Path) -> None:
    model = furnished(tmp_path / "old", encoder, "minilm-0123456789ab")
    with pytest.raises(BadInput, match="other weights"):
        optimised.forms(model)
    same = furnished(tmp_path / "same", encoder, minilm_digest())
    assert list(optimised.forms(same)) == [minilm_digest()]


def test_a_form_for_words_sees_no_pictures(model: Path) -> None:
    with pytest.raises(Broken, match="no image encoder"):
        optimised.image(model / "forms" / "text")


def test_the_same_vectors_alone_and_in_a_batch(model: Path) -> None:
    encoder = optimised.text(model / "forms" / "text")
    said = ["where is my order", "refund", "the mug came broken and my shoes do not fit please", ""]
    alone = np.concatenate([encoder.encode([one]) for one in said])
    np.testing.assert_allclose(encoder.encode(said), alone, atol=1e-5)
