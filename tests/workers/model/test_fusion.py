"""Opinions are pooled: agreement strengthens, silence changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from workers.model.fusion import PHOTO, TEXT, VOICE, LogPool, Opinion, beforehand, tempered

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
