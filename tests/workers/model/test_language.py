"""The language of short messages."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.errors import Broken
from workers.model.language import FastText
from workers.model.ports import LanguageIdentifier, Tongue

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def identifier(models_dir: Path) -> LanguageIdentifier:
    return FastText(models_dir / "language")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("where is my order", "en"),
        ("WHERE IS MY ORDER", "en"),
        ("and for jackets?", "en"),
        ("Wo ist meine Bestellung?", "de"),
        ("¿dónde está mi pedido?", "es"),
        ("Où est mon colis ?\nIl n'est toujours pas arrivé", "fr"),
        ("我的包裹在哪里", "zh"),
        ("Где моя посылка", "ru"),
    ],
)
def test_a_message(identifier: LanguageIdentifier, text: str, language: str) -> None:
    found = identifier.identify(text)
    assert found.language == language
    assert 0.5 < found.confidence <= 1.0


@pytest.mark.parametrize(
    "text", ["", "  \n", "12345", "😀👍", "A1B2-99", "https://shop.example/gracias", "me@x.example"]
)
def test_nothing_to_go_by(identifier: LanguageIdentifier, text: str) -> None:
    assert identifier.identify(text) == Tongue("", 0.0)


@pytest.mark.parametrize("letter", ["x", "ж", "好", "1", "@", "a "])
def test_an_endless_text_takes_no_longer_than_a_long_one(identifier: LanguageIdentifier, letter: str) -> None:
    began = time.perf_counter()
    identifier.identify(letter * 100_000)
    assert time.perf_counter() - began < 10  # it took two minutes


def test_the_beginning_of_a_long_text_tells_its_language(identifier: LanguageIdentifier) -> None:
    assert identifier.identify("Wo ist meine Bestellung? " * 5000).language == "de"


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="polydesk models prepare"):
        FastText(tmp_path)
