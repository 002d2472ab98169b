"""Opinions are pooled: agreement strengthens, silence changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from workers.model.fusion.opinions import HISTORY, OCR, PHOTO, TEXT, VOICE, Opinion, beforehand, tempered
from workers.model.fusion.pool import LogPool

N = 20
POOL = LogPool()


def opinion(channel: str, **sure: float) -> Opinion:
    """`a=0.9` means that the first entry has .9; the others share a little of the rest."""
    scores = np.full(N, (1 - sum(sure.values())) * beforehand(N), dtype=np.float32)
    for letter, value in sure.items():
        scores[ord(letter) - ord("a")] = value
    return Opinion(channel, scores)


def test_one_opinion_is_taken_as_it_is() -> None:
    only = opinion(TEXT, a=0.7, b=0.1)
    np.testing.assert_array_equal(POOL.fuse([only], N), only.scores)


def test_no_opinion_knows_nothing() -> None:
    assert POOL.fuse([], N).tolist() == pytest.approx([beforehand(N)] * N)


def test_two_that_agree_are_surer_than_either() -> None:
    pooled = POOL.fuse([opinion(TEXT, a=0.6), opinion(PHOTO, a=0.6)], N)
    assert pooled[0] > 0.85
    assert pooled.sum() <= 1 + 1e-6


def test_a_photo_of_something_else_does_not_spoil_a_clear_question() -> None:
    pooled = POOL.fuse([opinion(TEXT, a=0.95), opinion(PHOTO, b=0.03)], N)
    assert pooled.argmax() == 0
    assert pooled[0] > 0.9


def test_a_question_without_meaning_does_not_spoil_a_clear_photo() -> None:
    pooled = POOL.fuse([opinion(TEXT, c=0.08), opinion(PHOTO, a=0.95)], N)
    assert pooled.argmax() == 0
    assert pooled[0] > 0.85


def test_two_that_contradict_each_other_are_both_doubted() -> None:
    pooled = POOL.fuse([opinion(TEXT, a=0.9), opinion(PHOTO, b=0.9)], N)
    assert set(np.argsort(-pooled)[:2].tolist()) == {0, 1}
    assert pooled.max() < 0.85


def test_words_about_something_else_bound_what_a_sure_photo_may_answer() -> None:
    # "it's not here though" beside a photo of a parcel's page: neither the page nor the words alone.
    pooled = POOL.fuse([opinion(TEXT, b=0.2), opinion(PHOTO, a=0.99), opinion(OCR, a=0.8)], N)
    assert np.argsort(-pooled)[:2].tolist() == [0, 1]
    assert 0.8 < pooled[0] < 0.9
    assert pooled[1] > 0.1
    assert pooled.sum() <= 1 + 1e-6


def test_the_surer_the_contradiction_the_less_sure_the_answer() -> None:
    sure = [float(POOL.fuse([opinion(TEXT, b=b), opinion(PHOTO, a=0.97)], N).max()) for b in (0.02, 0.1, 0.3, 0.6)]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] > 0.94
    assert sure[-1] < 0.7


def test_words_that_find_the_same_as_the_photo_contest_nothing() -> None:
    alone = POOL.fuse([opinion(PHOTO, a=0.9), opinion(TEXT, a=0.3)], N)
    also = POOL.fuse([opinion(PHOTO, a=0.9), opinion(TEXT, a=0.3, b=0.2)], N)
    assert alone[0] > 0.95
    assert also[0] > 0.9


def test_two_that_were_both_said_or_both_shown_are_pooled_only() -> None:
    shown = [opinion(PHOTO, a=0.97), opinion(OCR, b=0.3)]
    assert POOL.fuse(shown, N)[0] > POOL.fuse([shown[0], opinion(TEXT, b=0.3)], N)[0]


def test_a_picture_without_a_word_is_about_itself_whatever_was_said_before() -> None:
    alone = POOL.fuse([opinion(PHOTO, a=0.98)], N)
    after = POOL.fuse([opinion(HISTORY, b=0.5), opinion(PHOTO, a=0.98)], N)
    assert after[0] > 0.9 > 0.1 > alone[0] - after[0]


def test_a_second_channel_tips_the_balance() -> None:
    text = opinion(TEXT, a=0.4, b=0.38)
    assert POOL.fuse([text, opinion(PHOTO, b=0.5)], N).argmax() == 1


def test_the_order_of_opinions_does_not_matter() -> None:
    some = [opinion(TEXT, a=0.5), opinion(PHOTO, b=0.6), opinion(VOICE, a=0.3)]
    np.testing.assert_allclose(POOL.fuse(some, N), POOL.fuse(some[::-1], N), atol=1e-6)


def test_an_opinion_believed_by_half() -> None:
    half = tempered(opinion(TEXT, a=0.8).scores, 0.5)
    assert half[0] == pytest.approx(0.4 + beforehand(N) / 2)
    assert tempered(half, 0).tolist() == pytest.approx([beforehand(N)] * N)


@pytest.mark.parametrize("entries", [1, 2, 40, 10_000])
def test_beforehand_leaves_room_for_questions_out_of_scope(entries: int) -> None:
    assert 0 < entries * beforehand(entries) <= 0.5
