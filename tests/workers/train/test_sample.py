"""What the forms of an encoder are compared on: the phrases that the encoder is asked about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.workers.model import tiny
from workers.configuration import Configuration
from workers.model import tuned
from workers.model.shelf import Shelf
from workers.model.text import minilm_digest, multilingual_digest
from workers.model.trained import Learned, Trained
from workers.model.weights import minilm
from workers.train.forms import EVERY, subjects
from workers.train.sample import Sample, gather
from workers.train.weighing import _items

KB = """\
polydesk: 1
title: Shop
language: {language}
entries:
  - id: order
    question: {question}
    variants: [{variants}]
    answer: {{{language}: "42"}}
"""
GERMAN = [f"wo ist Paket Nummer {number}" for number in range(24)]


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    for language, question, variants in (
        ("de", "wo ist meine Bestellung", GERMAN),
        ("en", "where is my order", ["my order please"]),
    ):
        (tmp_path / language).mkdir()
        told = KB.format(language=language, question=question, variants=", ".join(variants))
        (tmp_path / language / "kb.yaml").write_text(told)
    learned = {"order": Learned(("Paket ist weg",))}
    return gather(Trained(multilingual_digest(), learned=learned), [tmp_path / "de", tmp_path / "en"])


def test_phrases_are_sorted_by_the_language_of_their_knowledge_base(sample: Sample) -> None:
    assert [text for text, _ in sample.sentences] == ["where is my order", "my order please"]
    assert [text for text, _ in sample.others] == ["Paket ist weg", "wo ist meine Bestellung", *GERMAN]
    assert {text for text, _ in gather(Trained(minilm_digest(), learned={"a": Learned(("hm",))}), []).sentences} == {
        "hm"
    }


@pytest.mark.parametrize(("language", "is_english"), [("en-GB", True), ("enm", False)])
def test_what_merely_begins_like_english_is_another_language(tmp_path: Path, language: str, is_english: bool) -> None:
    told = KB.format(language=language, question="where is my order", variants="my order please")
    (tmp_path / "kb.yaml").write_text(told)
    found = gather(Trained(minilm_digest()), [tmp_path])  # enm is Middle English
    asked, left = (found.sentences, found.others) if is_english else (found.others, found.sentences)
    assert [text for text, _ in asked] == ["where is my order", "my order please"] and not left


@pytest.mark.models
def test_both_encoders_of_a_fine_tuned_model_are_asked_about_their_own(
    sample: Sample, models_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "text").mkdir()
    tiny.bert(tmp_path / "found")
    minilm.convert(tmp_path / "found", tmp_path / "text")
    tuned.describe(tmp_path / "text", frozenset({"en"}), 64, {})
    settings = Configuration("", tmp_path, models_dir, tmp_path / "encodings.db", device="cpu")
    english, other, _ = subjects(settings, Shelf.of(settings, tmp_path / "text"), tmp_path / "text")
    assert english.original.digest.startswith("tuned-") and other.original.digest == multilingual_digest()
    items, _, asked = _items(english, sample)
    assert items == ["where is my order", "my order please"] and all(asked)
    items, labels, asked = _items(other, sample)
    assert sum(asked) == 26 and items[1:26] == ["wo ist meine Bestellung", *GERMAN] and "greeting" in labels[26:]
    # The only text encoder is asked about everything
    assert len(_items(replace(other, language=EVERY), sample)[0]) == 28
