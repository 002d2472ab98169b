"""Channels, history and small talk of one question."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.workers.model.test_adapt import ask, learned, pictures
from tests.workers.model.wordy import SHOP, Wordy, knowledge
from workers.model.adapt import adapt
from workers.model.fusion.opinions import Opinion
from workers.model.heard import Said, hear
from workers.model.scoring import score

ADAPTED = learned(SHOP, photos={"damaged": [(f"p{i}", v) for i, v in enumerate(pictures(1, 3))]})


def test_each_channel_that_spoke_is_told() -> None:
    found = ask(ADAPTED, "where is my parcel", transcript="track it", ocr=("Invoice 4711",), photos=pictures(1, 4)[3:])
    assert set(found.candidates[0].channels) == {"text", "voice", "ocr", "photo"}
    assert set(found.evidence) == {"text", "voice", "ocr", "photo"}
    json.dumps(found.evidence)


def test_each_channel_tells_what_the_best_entry_would_score_without_it() -> None:
    photo = pictures(1, 4)[3:]
    both = ask(ADAPTED, "it came broken", photos=photo)
    alone = {"text": ask(ADAPTED, "", photos=photo), "photo": ask(ADAPTED, "it came broken")}
    for channel, rest in alone.items():
        (score,) = (one.score for one in rest.candidates if one.entry == both.candidates[0].entry)
        assert both.evidence[channel]["without"] == pytest.approx(score, abs=1e-4)  # type: ignore[index]
    assert alone["text"].evidence["photo"]["without"] == 0.0  # type: ignore[index]


def test_candidates_descend_and_stay_probabilities() -> None:
    found = ask(ADAPTED, "cancel the order and send an invoice")
    scores = [one.score for one in found.candidates]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] >= 0 and sum(scores) <= 1.0001
    assert found.confidence == pytest.approx(scores[0], abs=1e-5)


def test_a_voice_note_counts_by_how_well_it_was_understood() -> None:
    clear, poor, none = (
        ask(ADAPTED, "", transcript="where is my parcel", certainty=c).confidence for c in (1.0, 0.3, 0.0)
    )
    assert clear > poor > none
    assert clear == pytest.approx(ask(ADAPTED, "where is my parcel").confidence, abs=1e-5)
    assert none < 0.1


def test_a_screenshot_says_what_is_written_in_it() -> None:
    found = ask(ADAPTED, "", ocr=("9:41", "5G 82%", "Chat", "I need an", "invoice again", "please", "Send"))
    assert found.candidates[0].entry == "invoice"
    assert found.evidence["ocr"]["line"]  # type: ignore[index]


def test_history_completes_a_brief_question() -> None:
    alone = ask(ADAPTED, "and on sunday?")
    led = ask(ADAPTED, "and the status?", history=("when do I get my refund",))
    assert led.candidates[0].entry == "refund"
    assert led.confidence > ask(ADAPTED, "and the status?").confidence
    assert alone.candidates[0].channels.keys() == {"text"}


def test_a_whole_new_question_is_not_dragged_back() -> None:
    without = ask(ADAPTED, "I need an invoice for my company")
    with_history = ask(ADAPTED, "I need an invoice for my company", history=("where is my parcel", "track my shipment"))
    assert with_history.candidates == without.candidates
    poem = ask(ADAPTED, "please write a poem about mountains", history=("where is my parcel",))
    assert poem.confidence < poem.answer_at


def test_a_text_that_points_at_a_photo_leaves_it_the_word() -> None:
    found = ask(ADAPTED, "what is this?", photos=pictures(1, 4)[3:])
    assert found.candidates[0].entry == "damaged"


@pytest.mark.parametrize("text", ["", "😂😂😂", "?!", "  \n "])
def test_nothing_said_is_no_candidate(text: str) -> None:
    found = ask(ADAPTED, text)
    assert (found.candidates, found.confidence, found.rivals, found.builtin) == ((), 0.0, (), "")
    assert 0 < found.clarify_at <= found.answer_at


def test_an_endless_text_is_scored() -> None:
    assert ask(ADAPTED, "where is my parcel " * 5000).candidates[0].entry == "track"


@pytest.mark.parametrize(
    ("text", "name"),
    [("hello", "greeting"), ("Thank you!", "thanks"), ("bye", "goodbye"), ("👍", "thanks"), ("danke", "thanks"),
     ("I want to talk to a human", "person"), ("are you a bot?", "bot"), ("what can you do", "abilities")],
)  # fmt: skip
def test_small_talk(text: str, name: str) -> None:
    assert ask(ADAPTED, text).builtin == name


def test_small_talk_can_be_switched_off() -> None:
    (heard,) = hear([Said(text="hello")], Wordy(), ADAPTED.spelling)
    assert score(ADAPTED, heard, talk=False).builtin == ""


def test_an_entry_that_is_as_near_wins_over_small_talk() -> None:
    own = adapt(
        knowledge(SHOP | {"hello": ["hello", "hi there"], "staff": ["I want to talk to a human"]}), text=Wordy()
    )
    for text, entry in (("hello", "hello"), ("I want to talk to a human", "staff")):
        found = ask(own, text)
        assert (found.builtin, found.candidates[0].entry) == ("", entry)


def test_a_greeting_beside_a_photo_is_none_but_a_person_is_fetched() -> None:
    photo = pictures(1, 4)[3:]
    assert ask(ADAPTED, "hello", photos=photo).builtin == ""
    assert ask(ADAPTED, "I want to talk to a human", photos=photo).builtin == "person"
    assert ask(ADAPTED, "", transcript="I want to talk to a human").builtin == "person"
    assert ask(ADAPTED, "where is my parcel", transcript="thank you").builtin == ""


def test_another_fusion_takes_the_place_of_ours() -> None:
    class Last:
        def fuse(self, opinions: list[Opinion], entries: int) -> np.ndarray:
            return np.eye(entries, dtype=np.float32)[-1] * 0.5

    (heard,) = hear([Said(text="where is my parcel")], Wordy(), ADAPTED.spelling)
    found = score(ADAPTED, heard, fusion=Last())
    assert (found.candidates[0].entry, found.confidence) == ("invoice", 0.5)
