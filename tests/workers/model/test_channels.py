"""What each channel thinks of the entries, before anything is pooled."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.model.test_adapt import learned, pictures
from tests.workers.model.wordy import SHOP, Wordy
from workers.model.adapt import Adapted
from workers.model.channels import Texts, opinions
from workers.model.fusion.opinions import HISTORY, OCR, PHOTO, TEXT, VOICE, WORDS, Opinion, beforehand
from workers.model.heard import Said, hear

ADAPTED = learned(SHOP, photos={"damaged": [(f"p{i}", v) for i, v in enumerate(pictures(1, 3))]})


def told(adapted: Adapted, said: Said) -> dict[str, Opinion]:
    heard = hear([said], Wordy(), adapted.spelling)
    return {one.channel: one for one in opinions(adapted, heard[0], Texts(adapted, heard))}


def test_a_channel_without_input_has_no_opinion() -> None:
    assert told(ADAPTED, Said()) == {}
    assert told(ADAPTED, Said(text="👍", ocr=("12:30",))) == {}
    assert list(told(ADAPTED, Said(text="where is my parcel"))) == [TEXT]
    assert list(told(ADAPTED, Said(transcript="where is my parcel"))) == [VOICE]


@pytest.mark.parametrize(
    "said",
    [
        Said(text="where is my parcel"),
        Said(text="and the status?", history=("when do I get my refund",)),
        Said(transcript="cancel my order", certainty=0.4),
        Said(ocr=("Please send", "the invoice again")),
        Said(photos=pictures(1, 5)[3:], text="this one is damaged"),
        Said(shown=Wordy().encode(["mug", "parcel"])),
    ],
)
def test_every_opinion_is_a_probability_with_a_reason(said: Said) -> None:
    found = told(ADAPTED, said)
    assert found
    for one in found.values():
        assert one.scores.shape == (len(ADAPTED.entries),)
        assert (one.scores >= 0).all() and one.scores.sum() <= 1 + 1e-5
        assert one.evidence["entry"] in ADAPTED.entries


def test_the_reason_is_the_nearest_phrase_of_the_best_entry() -> None:
    reason = told(ADAPTED, Said(text="cancel my order"))[TEXT].evidence
    assert (reason["entry"], reason["phrase"], reason["cosine"]) == ("cancel", "cancel my order", 1.0)
    photo = told(ADAPTED, Said(photos=pictures(1, 3)[1:2]))[PHOTO].evidence
    assert (photo["entry"], photo["photo"]) == ("damaged", "p1")


def test_a_recogniser_that_is_not_sure_is_believed_less() -> None:
    sure, unsure, lost = (
        told(ADAPTED, Said(transcript="cancel my order", certainty=c))[VOICE].confidence for c in (1.0, 0.25, 0.0)
    )
    assert sure > unsure > lost
    # Half as much belief: certainty counts by its root.
    start = beforehand(len(ADAPTED.entries))
    assert unsure == pytest.approx(0.5 * sure + 0.5 * start, abs=1e-5)
    assert lost == pytest.approx(start)


def test_history_speaks_only_where_the_message_leans_on_it() -> None:
    before = ("when do I get my refund",)
    assert HISTORY in told(ADAPTED, Said(text="and the status?", history=before))
    assert HISTORY not in told(ADAPTED, Said(text="I want a person", history=before))
    assert HISTORY not in told(ADAPTED, Said(text="cancel my order", history=before))


def test_history_steps_back_where_the_message_is_clear_by_itself() -> None:
    found = told(ADAPTED, Said(text="and cancel my order", history=("when do I get my refund",)))
    assert found[TEXT].confidence > 0.8
    assert found[HISTORY].confidence < 0.3


def test_words_that_point_at_a_photo_are_believed_less_beside_one() -> None:
    alone = told(ADAPTED, Said(text="is this damaged"))[TEXT]
    beside = told(ADAPTED, Said(text="is this damaged", photos=pictures(1, 1)))[TEXT]
    assert beside.confidence < alone.confidence
    plain = "my item arrived damaged"
    assert told(ADAPTED, Said(text=plain, photos=pictures(1, 1)))[TEXT].confidence == pytest.approx(
        told(ADAPTED, Said(text=plain))[TEXT].confidence
    )


def test_of_several_photos_the_surest_counts() -> None:
    like, unlike = pictures(1, 4)[3:], pictures(9, 1)
    both = told(ADAPTED, Said(photos=np.concatenate([unlike, like])))[PHOTO]
    np.testing.assert_allclose(both.scores, told(ADAPTED, Said(photos=like))[PHOTO].scores, atol=1e-5)


def test_a_picture_full_of_text_is_believed_less_for_its_looks() -> None:
    looks = pictures(1, 4)[3:]
    plain, page = (
        told(ADAPTED, Said(photos=looks, ocr=tuple(f"row number {i}" for i in range(lines))))[PHOTO]
        for lines in (3, 12)
    )
    assert plain.confidence == pytest.approx(told(ADAPTED, Said(photos=looks))[PHOTO].confidence)
    assert plain.confidence * 0.8 < page.confidence < plain.confidence


def test_a_label_on_a_thing_is_believed_less_beside_its_looks() -> None:
    label, page = ("refund",), ("Shop", "Menu", "has my money been", "refunded", "OK")

    def less(lines: tuple[str, ...]) -> float:
        beside = told(ADAPTED, Said(ocr=lines, photos=pictures(1, 1)))[OCR].confidence
        return beside / told(ADAPTED, Said(ocr=lines))[OCR].confidence

    assert less(label) < 0.7
    assert less(page) == pytest.approx(1)


def test_a_screen_is_read_through_its_buttons() -> None:
    found = told(ADAPTED, Said(ocr=("9:41", "Back", "Shop", "Menu", "has my money been", "refunded", "OK")))[OCR]
    assert found.evidence["entry"] == "refund"
    assert found.confidence > 0.3


def test_labels_of_a_photo_never_decide_alone() -> None:
    found = told(ADAPTED, Said(shown=Wordy().encode(["when do I get my refund"])))[WORDS]
    assert found.evidence["entry"] == "refund"
    assert found.confidence < 0.35


def test_vectors_of_another_space_are_not_compared() -> None:
    assert told(ADAPTED, Said(shown=np.ones((1, 7), np.float32))) == {}


def test_photos_say_nothing_where_no_entry_has_examples() -> None:
    assert told(learned(SHOP), Said(photos=pictures(1, 1))) == {}


def test_the_same_question_under_two_entries_has_half_a_chance_each() -> None:
    twins = learned(SHOP | {"again": ["cancel my order", "stop it"]})
    scores = told(twins, Said(text="cancel my order"))[TEXT].scores
    first, second = scores[twins.entries.index("cancel")], scores[twins.entries.index("again")]
    assert first == pytest.approx(second, rel=0.01)
    assert 0.3 < first <= 0.5
