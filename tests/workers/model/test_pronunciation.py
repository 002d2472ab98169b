"""What a recogniser made of a name sounds like the name."""

from __future__ import annotations

import pytest

from tests.workers.model.test_adapt import ENCODER, learned
from tests.workers.model.wordy import knowledge
from workers.model.adapt import voiced
from workers.model.channels import Texts, opinions
from workers.model.fusion.opinions import TEXT, VOICE
from workers.model.heard import Said, hear
from workers.model.lexical import lexicon
from workers.model.pronunciation import count, sound, spelt
from workers.train.pronunciations import written

DRINKS = {
    "iced-mocha": ["iced mocha", "an iced mocha with milk", "make me a large iced mocha"],
    "drip": ["drip coffee", "a drip coffee with milk", "make me a large drip coffee"],
    "americano": ["americano", "an americano with milk", "make me a large americano"],
}


def alike(one: str, other: str) -> float:
    words = lexicon([count(other), count("something else entirely")])
    return float(words.likeness([count(one)])[0, 0])


@pytest.mark.parametrize(("said", "heard", "not_"), [
    ("iced mocha", "I smoke him", "I brought him"),
    ("roast iced coffee", "rose-diced coffee", "rose garden party"),
    ("return my parcel", "we turn my parcel", "we clean my windows"),
])  # fmt: skip
def test_what_sounds_alike_is_alike_across_words(said: str, heard: str, not_: str) -> None:
    assert alike(heard, said) > alike(not_, said) + 0.05


def test_words_are_told_by_the_dictionary_others_by_their_letters() -> None:
    assert sound("mocha") == "MaKa" != spelt("mocha")
    assert sound("zorblats") == spelt("zorblats") == "SaRPLaTS"
    assert sound("knight") == sound("night")


@pytest.mark.parametrize("odd", ["", "…", "数字", "👍 !", "''", "a"])
def test_what_has_no_sounds_is_like_nothing(odd: str) -> None:
    assert alike(odd, "iced mocha") == pytest.approx(0, abs=1e-6)


def test_accents_and_digits_are_read_aloud() -> None:
    assert count("café") == count("cafe")
    assert count("room 7") == count("room seven")


def test_a_garbled_name_is_found_by_voice_and_text_stays_as_it_was() -> None:
    plain = learned(DRINKS)
    adapted = voiced(plain, knowledge(DRINKS), text=ENCODER)
    garbled = "make me a large I smoke her with milk"
    heard = hear([Said(transcript=garbled), Said(text=garbled)], ENCODER, adapted.spelling)
    found = [opinions(adapted, one, Texts(adapted, heard))[0] for one in heard]
    before = [opinions(plain, one, Texts(plain, heard))[0] for one in heard]
    assert [one.channel for one in found] == [VOICE, TEXT]
    own = adapted.entries.index("iced-mocha")
    assert found[0].scores[own] > 1.1 * before[0].scores[own]
    assert (found[1].scores == before[1].scores).all()


def test_other_languages_and_empty_knowledge_bases_stay_as_they_are() -> None:
    for base in (knowledge(DRINKS, language="de"), knowledge({})):
        adapted = learned(base)
        assert voiced(adapted, base, text=ENCODER) is adapted


def test_the_dictionary_keeps_what_letters_do_not_tell() -> None:
    lines = ["mocha M OW1 K AH0", "tap T AE1 P", "top T AA1 P", "read R IY1 D", "read(2) R EH1 D", "'bout B AW1 T"]
    told = written(lines).splitlines()
    assert told[0].startswith("# CMUdict")
    assert told[1:] == ["mocha MaKa", "tap TeP"]
