"""What moved a score is found by leaving it out."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.workers.model.test_adapt import ENCODER, learned, pictures
from tests.workers.model.wordy import SHOP, Wordy
from workers.model.ablation import STRETCHES, WORDS, card, cuts, remainder, stretches, when
from workers.model.adapt import Adapted
from workers.model.fusion.gate import shipped
from workers.model.fusion.opinions import Fusion
from workers.model.heard import LONGEST, Said, hear
from workers.model.scoring import Scored, score

PHOTOS = pictures(1, 6)
OTHERS = np.random.default_rng(5).standard_normal((2, 32)).astype(np.float32)
OTHERS /= np.linalg.norm(OTHERS, axis=1, keepdims=True)
ADAPTED = learned(
    SHOP,
    photos={
        "damaged": [(f"d{i}", vector) for i, vector in enumerate(PHOTOS[:3])],
        "invoice": [("i0", OTHERS[0])],
    },
)


def scored(said: Said, fusion: Fusion | None = None, adapted: Adapted = ADAPTED) -> Scored:
    (heard,) = hear([said], ENCODER, adapted.spelling)
    return score(adapted, heard, fusion=fusion)


def drawn(said: Said, fusion: Fusion | None = None, **more: Any) -> dict[str, Any]:
    return card(ADAPTED, said, scored(said, fusion), ENCODER, fusion=fusion, **more)


def pieces(found: dict[str, Any], channel: str) -> list[dict[str, Any]]:
    return [piece for piece in found["pieces"] if piece["channel"] == channel]


@pytest.mark.parametrize("fusion", [None, shipped()], ids=["fixed", "learned"])
def test_every_piece_is_worth_what_the_answer_loses_without_it(fusion: Fusion | None) -> None:
    said = Said(text="hello, my mug is cracked", transcript="it came broken", photos=PHOTOS[3:5], ocr=("Invoice 12",))
    found = drawn(said, fusion)
    whole = scored(said, fusion)
    assert (found["entry"], found["confidence"]) == ("damaged", pytest.approx(whole.confidence, abs=1e-5))
    assert {piece["channel"] for piece in found["pieces"]} == {"text", "voice", "photo", "ocr"}
    for cut in cuts(said):
        (piece,) = (one for one in found["pieces"] if cut.items() <= one.items())
        rest = {one.entry: one.score for one in scored(remainder(said, [cut]), fusion).candidates}
        assert piece["without"] == pytest.approx(rest["damaged"], abs=1e-4)
        assert piece["moved"] == pytest.approx(whole.confidence - rest["damaged"], abs=2e-4)
    moved = [abs(piece["moved"]) for piece in found["pieces"]]
    assert moved == sorted(moved, reverse=True)
    json.dumps(found)


def test_the_words_that_decide_come_first() -> None:
    found = drawn(Said(text="hello, could you please refund it"))
    assert found["entry"] == "refund"
    assert found["pieces"][0]["words"] == "refund" and found["pieces"][0]["moved"] > 0.1
    assert found["pieces"][0]["without"] < found["answer_at"]
    start, end = found["pieces"][0]["at"]
    assert "hello, could you please refund it"[start:end] == "refund"


def test_words_can_speak_against_an_entry() -> None:
    found = drawn(Said(text="refund status please zebra quantum mountain"))
    assert any(piece["moved"] < 0 for piece in found["pieces"] if piece["words"] in ("zebra", "quantum", "mountain"))


def test_a_question_of_one_word_is_nothing_without_it() -> None:
    (piece,) = drawn(Said(text="refund"))["pieces"]
    assert (piece["without"], piece["words"]) == (0.0, "refund")


def test_nothing_said_has_no_card() -> None:
    assert drawn(Said(text="?!")) == {}


def test_a_line_of_a_screenshot_is_named() -> None:
    found = drawn(Said(ocr=("9:41", "5G 82%", "I need an invoice", "Send", "Back")))
    assert (found["entry"], found["pieces"][0]["line"]) == ("invoice", "I need an invoice")


def test_the_example_photo_that_counts_is_named() -> None:
    cup, plate, paper = np.eye(32, dtype=np.float32)[:3]
    adapted = learned(SHOP, photos={"damaged": [("cup", cup), ("plate", plate)], "invoice": [("paper", paper)]})
    said = Said(photos=np.asarray([0.95 * plate + 0.05 * cup], dtype=np.float32))
    found = card(adapted, said, scored(said, adapted=adapted), ENCODER)
    first, second = found["pieces"]  # type: ignore[misc]
    assert (found["entry"], first["example"], second["example"]) == ("damaged", "plate", "cup")
    assert first["moved"] > 0.2 > abs(second["moved"])


def test_an_entrys_only_example_leaves_nothing_behind() -> None:
    found = drawn(Said(photos=OTHERS[:1]))
    (piece,) = pieces(found, "photo")
    assert (found["entry"], piece["example"]) == ("invoice", "i0")
    assert piece["without"] < 0.2
    alone = learned(SHOP, photos={"invoice": [("i0", OTHERS[0])]})
    (only,) = card(alone, Said(photos=OTHERS[:1]), scored(Said(photos=OTHERS[:1]), adapted=alone), ENCODER)["pieces"]  # type: ignore[misc]
    assert only["without"] == 0.0


def test_each_of_several_photos_is_a_piece() -> None:
    found = drawn(Said(photos=np.stack([PHOTOS[3], OTHERS[1]])))
    shown = {piece["photo"]: piece["moved"] for piece in pieces(found, "photo") if "photo" in piece}
    assert found["entry"] == "damaged"
    assert shown[1] > 0.3 and shown[2] == pytest.approx(0, abs=0.01)


def test_an_earlier_message_is_a_piece() -> None:
    found = drawn(Said(text="and the status?", history=("hello there", "when do I get my refund")))
    assert found["entry"] == "refund"
    (first, *_) = pieces(found, "history")
    assert first["line"] == "when do I get my refund" and first["moved"] > 0.05


def test_seconds_are_told_where_the_recogniser_tells_them() -> None:
    segments = ((1.0, 2.0, "hello there"), (4.0, 6.0, "refund please"))
    said = Said(transcript="hello there refund please", segments=segments)
    refund = next(piece for piece in drawn(said)["pieces"] if piece["words"] == "refund")
    assert refund["seconds"] == [4.0, pytest.approx(4.9, abs=0.1)]
    assert "seconds" not in drawn(Said(transcript="hello there refund please"))["pieces"][0]


def test_words_over_two_segments_last_from_one_to_the_other() -> None:
    segments = ((1.0, 2.0, "ab"), (4.0, 6.0, "cd"))
    assert when(segments, 0, 2) == (1.0, 2.0)
    assert when(segments, 1, 4) == (1.5, 5.0)
    assert when(segments, 3, 5) == (4.0, 6.0)
    assert when((), 0, 2) is None


def test_confidences_are_those_that_labelled_questions_taught() -> None:
    said = Said(text="refund please")
    plain, halved = drawn(said), drawn(said, sure=lambda score: score / 2)
    for one, other in zip(plain["pieces"], halved["pieces"], strict=True):
        assert other["without"] == pytest.approx(one["without"] / 2, abs=1e-4)


def test_competitors_are_the_next_ones() -> None:
    said = Said(text="cancel the order and send an invoice")
    found, whole = drawn(said), scored(said)
    assert found["competitors"] == [{"entry": one.entry, "score": one.score} for one in whole.candidates[1:4]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my cup is in pieces!", ["my", "cup", "is", "in", "pieces!"]),
        ("  -- hello ...  you ", ["hello", "you"]),
        ("我的包裹在哪里", ["我的", "包裹", "在哪", "里"]),
        ("", []),
        ("🎉 ?", []),
    ],
)
def test_a_text_is_cut_into_words(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in stretches(text)] == expected


def test_a_long_text_is_cut_into_clauses_or_stretches() -> None:
    clauses = "I ordered a tent, it came on monday. " * 4
    found = [clauses[start:end].strip() for start, end in stretches(clauses)]
    assert found == ["I ordered a tent,", "it came on monday."] * 4
    words = "word " * 300
    spans = stretches(words)
    assert len(spans) == STRETCHES
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert len("".join(words[start:end] for start, end in spans).replace(" ", "")) == 4 * 300
    assert len(stretches("word " * WORDS)) == WORDS


@pytest.mark.parametrize("said", [
    Said(text="x" * 5000), Said(text="word, " * 2000), Said(ocr=("a line of words",) * 90),
    Said(text="你好" * 3000), Said(transcript="again and " * 900, segments=((0.0, 90.0, "again"),)),
])  # fmt: skip
def test_endless_questions_are_cut_a_few_times(said: Said) -> None:
    found = list(cuts(said))
    assert 0 < len(found) <= max(WORDS, STRETCHES)
    assert all(len(str(cut.get("words", ""))) <= LONGEST for cut in found)


def test_what_is_left_of_a_question_is_all_but_its_pieces() -> None:
    said = Said(
        text="my cup broke", transcript="it is broken", ocr=("a", "b", "c"), photos=PHOTOS[:3], shown=PHOTOS[:3],
        history=("hello", "again"),
    )  # fmt: skip
    found = list(cuts(said))
    chosen = [piece for piece in found if piece.get("words") in ("cup", "broken") or piece["at"] == [1, 2]]
    rest = remainder(said, chosen)
    assert (rest.text, rest.transcript, rest.ocr, rest.history) == ("my  broke", "it is ", ("a", "c"), ("hello",))
    assert rest.photos is not None and rest.shown is not None
    np.testing.assert_array_equal(rest.photos, PHOTOS[[0, 2]])
    np.testing.assert_array_equal(rest.shown, PHOTOS[[0, 2]])
    nothing = remainder(said, found)
    assert (nothing.text.strip(), nothing.transcript.strip(), nothing.ocr, nothing.history) == ("", "", (), ())


def test_where_no_piece_decides_alone_the_first_few_do_together() -> None:
    said = Said(text="refund please, I want my refund, when is my refund")
    sure = scored(said)
    limits = replace(sure, answer_at=sure.confidence * 0.8)
    found: Any = card(ADAPTED, said, limits, ENCODER)
    while "together" not in found:  # until no piece alone keeps it from answering
        limits = replace(limits, answer_at=limits.answer_at * 0.9)
        assert limits.answer_at > 0.05
        found = card(ADAPTED, said, limits, ENCODER)
    together = [found["pieces"][i] for i in found["together"]["pieces"]]
    assert len(together) > 1 and all(piece["without"] >= limits.answer_at for piece in found["pieces"])
    rest = {one.entry: one.score for one in scored(remainder(said, together)).candidates}
    assert found["together"]["without"] == pytest.approx(rest[found["entry"]], abs=1e-4)
    assert found["together"]["without"] < limits.answer_at


@pytest.mark.parametrize(("text", "calls"), [("hello, could you please refund it", 1), ("where is my parcel", 2)])
def test_all_pieces_are_encoded_in_one_call_and_those_that_decide_together_in_another(text: str, calls: int) -> None:
    encoder, said = Wordy(), Said(text=text, ocr=("track my shipment", "now") if calls == 2 else ())
    found = card(ADAPTED, said, scored(said), encoder)
    assert len(encoder.calls) == calls and (calls == 2 or "together" not in found)
