"""Greetings, thanks, the wish for a person: what wins, and what a knowledge base keeps for itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.model.test_adapt import ask, learned
from tests.workers.model.wordy import SHOP, Wordy
from workers.model.encodings import Remembered
from workers.model.lexical import count
from workers.model.matching import Match
from workers.model.smalltalk import ALIKE, ELSE, PERSON, SAME, outside, phrases, signs, small_talk

TALK = small_talk(Wordy(), Remembered())


def match(name: str, score: float, near: float) -> Match:
    """A question that is like one kind of small talk."""
    rows = [np.zeros((1, len(TALK.names) + 1), np.float32) for _ in range(4)]
    at = [*TALK.names, ELSE].index(name)
    for row, value in zip(rows, (score, near, 0.0, score + near), strict=True):
        row[0, at] = value
    return Match(*rows)


def test_every_name_has_phrases_and_the_last_is_none() -> None:
    assert list(phrases())[-1] == ELSE
    assert ELSE not in TALK.names
    assert PERSON in TALK.names
    for name in TALK.names:
        assert {"en", "de", "es", "fr"} <= set(phrases()[name])


def test_no_phrase_stands_under_two_names() -> None:
    names: dict[str, set[str]] = {}
    for name, some in phrases().items():
        for text in (text for texts in some.values() for text in texts):
            names.setdefault(text.casefold(), set()).add(name)
    # Italians come and go with the same word.
    assert [text for text, which in names.items() if len(which) > 1] == ["ciao"]


def test_signs_have_no_letter() -> None:
    assert signs()["👍"] == "thanks"
    assert not any(letter.isalnum() for sign in signs() for letter in sign)


def test_sentences_out_of_scope_are_known_in_several_languages() -> None:
    assert {"en", "de", "es", "fr"} <= set(outside())
    assert all(text.strip() for texts in outside().values() for text in texts)


@pytest.mark.parametrize(
    ("name", "score", "near", "entry", "wins"),
    [
        ("greeting", 0.9, 0.9, 0.5, True),
        ("greeting", 0.9, 0.9, 0.9, False),  # an entry is as near
        ("greeting", 0.9, 0.9, 0.885, False),
        ("greeting", 0.3, 0.9, 0.0, False),  # not sure
        ("greeting", 0.9, 0.3, 0.0, False),  # not near
        (PERSON, 0.6, 0.5, 0.65, True),  # the matter beside the wish is nearer than the wish
        (PERSON, 0.9, 0.8, ALIKE + 0.06, False),  # an entry about talking to a person
        (PERSON, 0.9, 0.9, ALIKE + 0.06, True),
        (PERSON, 1.0, 1.0, SAME, False),  # an entry says the same
        (ELSE, 1.0, 1.0, 0.0, False),
    ],
)
def test_small_talk_wins_only_where_no_entry_is_as_near(
    name: str, score: float, near: float, entry: float, wins: bool
) -> None:
    assert TALK.winner(match(name, score, near), entry) == (name if wins else "")


@pytest.mark.parametrize("text", ["hello", "thank you", "goodbye", "are you a bot?", "what can you do", "human please"])
def test_a_phrase_is_recognised_word_by_word(text: str) -> None:
    known = {phrase.casefold(): name for name, some in phrases().items() for phrase in some["en"]}
    found = TALK.matcher.match(Wordy().encode([text]), [count(text)])
    assert TALK.winner(found, -1.0) == known[text.casefold()]


@pytest.mark.parametrize(
    "text",
    ["I want a person, my mug is cracked", "human please. it came broken", "when will my package arrive? agent please"],
)
def test_the_wish_for_a_person_wins_beside_its_matter(text: str) -> None:
    assert ask(learned(SHOP), text).builtin == PERSON


def test_the_part_of_a_message_that_an_entry_says_in_whole_is_no_wish() -> None:
    text = "I want a person, my mug is cracked"
    own = learned(SHOP | {"staff": [text]})
    assert ask(own, text).builtin == ""
    assert ask(own, text).candidates[0].entry == "staff"


def test_with_no_knowledge_at_all_a_person_is_still_fetched() -> None:
    assert ask(learned({}), "human please, my mug is cracked").builtin == PERSON
