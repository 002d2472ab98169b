"""Likeness of wording."""

from __future__ import annotations

import numpy as np
import pytest

from workers.model.lexical import Lexicon, count, lexicon

PHRASES = ["do you offer EMI", "where is my order", "cancel my order", "mattress warranty"]


@pytest.fixture
def words() -> Lexicon:
    return lexicon([count(phrase) for phrase in PHRASES])


def like(words: Lexicon, *texts: str) -> np.ndarray:
    return words.likeness([count(text) for text in texts])


def test_a_phrase_is_like_itself_whatever_its_case(words: Lexicon) -> None:
    assert like(words, "Do you offer emi?")[0] == pytest.approx([1, 0, 0, 0], abs=0.15)
    assert like(words, "WHERE IS MY ORDER")[0, 1] == pytest.approx(1, abs=1e-3)


def test_a_typing_error_stays_nearer_than_another_matter(words: Lexicon) -> None:
    typo, other = like(words, "matress waranty", "where is it")[:, 3]
    assert typo > 0.4 > 0.1 > other


def test_rare_words_count_more(words: Lexicon) -> None:
    found = like(words, "my cancel")[0]
    assert found[2] > 2 * found[1]


def test_nothing_in_common_is_zero(words: Lexicon) -> None:
    assert like(words, "", "???", "ずっと").max() == 0
    assert lexicon([]).likeness([count("hello")]).shape == (1, 0)


def test_a_few_texts_and_many_give_the_same(words: Lexicon) -> None:
    texts = ["where is it", "emi", "", "warranty of my order order", "x", "cancel"]
    one_by_one = np.concatenate([like(words, text) for text in texts])
    np.testing.assert_allclose(like(words, *texts), one_by_one, atol=1e-6)


def test_words_alone() -> None:
    bare = lexicon([count(phrase) for phrase in PHRASES], pieces=False)
    assert like(bare, "matress")[0, 3] == 0
    assert like(bare, "mattress warranty")[0, 3] == pytest.approx(1, abs=1e-3)


def test_only_the_beginning_of_an_endless_text_is_read() -> None:
    assert sum(count("word " * 100_000)[0].values()) < 1000
    assert len(count("x" * 100_000)[1]) < 200
