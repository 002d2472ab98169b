"""Languages: what of a knowledge base its encoder was not trained for is said, not guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.knowledge.entries import Entry, KnowledgeBase
from workers.model.language import FastText
from workers.model.weights import fetch
from workers.tongues import foreign

pytestmark = pytest.mark.models

ENGLISH = frozenset({"en"})


@pytest.fixture(scope="module")
def identifier(models_dir: Path) -> FastText:
    return FastText(fetch.folder(models_dir, "language"))


def shop(language: str, *phrases: str) -> KnowledgeBase:
    question, *variants = phrases
    entry = Entry("track", question, variants=tuple(variants), answer={language: "Look at the tracking page."})
    return KnowledgeBase("Shop", language=language, entries=(entry,))


def test_a_knowledge_base_in_a_language_nobody_trained_is_said_once(identifier: FastText) -> None:
    swahili = shop("sw", "Oda yangu iko wapi sasa hivi?", "nataka kujua kifurushi changu kiko wapi")
    (finding,) = foreign(swahili, frozenset({"en", "de"}), identifier)
    assert finding.kind == "unknown-language"
    assert "sw" in finding.message and "de, en" in finding.message and "POLYDESK_TEXT_MODEL" in finding.message


def test_phrases_in_another_language_are_named_with_their_entry(identifier: FastText) -> None:
    mixed = shop("en", "Where is my order?", "Wo bleibt denn meine Bestellung?", "Mein Paket ist noch nicht da")
    (finding,) = foreign(mixed, ENGLISH, identifier)
    assert finding.kind == "foreign-phrase" and finding.entries == ("track",)
    assert "Wo bleibt denn meine Bestellung?" in finding.message and "1 more" in finding.message
    assert "looks like de" in finding.message


@pytest.mark.parametrize(
    ("language", "knows"),
    [("en-GB", ENGLISH), ("en", frozenset({"en", "de"})), ("sw", frozenset[str]())],
    ids=["a region", "both known", "an encoder nobody says anything of"],
)
def test_what_is_known_or_not_known_to_be_strange_is_left_alone(
    language: str, knows: frozenset[str], identifier: FastText
) -> None:
    phrases = ("Where is my order?", "ok", "GTX-4000", "Wo bleibt denn meine Bestellung?" if "de" in knows else "hello")
    assert foreign(shop(language, *phrases), knows, identifier) == ()


@pytest.mark.parametrize(
    ("language", "phrase"),
    [("zh", "我的包裹在哪里"), ("ru", "где мой заказ"), ("ja", "注文はどこですか"), ("ar", "أين طلبي الآن")],
)
def test_few_letters_of_another_script_are_enough(language: str, phrase: str, identifier: FastText) -> None:
    (finding,) = foreign(shop("en", "Where is my order?", phrase), ENGLISH, identifier)
    assert f"looks like {language}" in finding.message
