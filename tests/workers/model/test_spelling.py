"""Typing errors are mended towards the knowledge base, and nothing else is touched."""

from __future__ import annotations

import pytest

from workers.model.spelling import Spelling, common, spelling

WORDS = spelling(["where is my delivery", "is the mattress covered by a warranty", "cancel the order", "don't tent me"])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("delevery", "delivery"),  # another letter
        ("delivry", "delivery"),  # one missing
        ("matttress", "mattress"),  # one too much
        ("cancle", "cancel"),  # two swapped
        ("Waranty?", "warranty?"),
        ("is the delevery late", "is the delivery late"),
    ],
)
def test_a_slip_is_mended(typed: str, meant: str) -> None:
    assert WORDS.mended(typed) == meant


@pytest.mark.parametrize(
    "typed", ["test", "there", "mattresses", "DELEVERY7", "oredr5", "helivery", "deeelivery", "", "مرحبا", "👍"]
)
def test_other_words_stay(typed: str) -> None:
    assert WORDS.mended(typed) == typed


def test_the_more_frequent_word_wins() -> None:
    assert spelling(["bloxa", "bloxb", "bloxb"]).mended("bloxc") == "bloxb"


def test_without_words_nothing_is_mended() -> None:
    assert Spelling().mended("delevery") == "delevery"


def test_everyday_words_are_known() -> None:
    assert {"where", "test", "boost", "please"} <= common()
