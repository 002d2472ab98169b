"""A matcher is fitted; what is rehearsed are honest left-out questions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.model.wordy import SHOP, Wordy
from workers.model.heads import Kernel
from workers.model.learning import learn
from workers.model.lexical import count, lexicon
from workers.model.matching import Matcher, Rehearsal

PHRASES = [text for texts in SHOP.values() for text in texts]
OWNER = np.repeat(np.arange(len(SHOP)), [len(texts) for texts in SHOP.values()])
VECTORS = Wordy().encode(PHRASES)
WORDY = Kernel(share=0.2)
COUNTS = [count(text) for text in PHRASES]


def fitted(chosen: np.ndarray, outcomes: int = 600, kernel: Kernel = WORDY) -> tuple[Matcher, Rehearsal]:
    owner = np.unique(OWNER[chosen], return_inverse=True)[1]
    words = lexicon([COUNTS[i] for i in chosen])
    return learn(VECTORS[chosen], owner, np.ones(len(chosen), bool), kernel, words, outcomes)


ALL = np.arange(len(PHRASES))


def test_every_phrase_finds_its_own_entry() -> None:
    matcher, _ = fitted(ALL)
    match = matcher.match(VECTORS, COUNTS)
    np.testing.assert_array_equal(match.rank.argmax(axis=1), OWNER)


def test_a_phrase_left_out_scores_as_if_it_had_never_been_there() -> None:
    _, rehearsal = fitted(ALL)
    for at in (0, 7, 13):
        point = int(rehearsal.alone_points[at])
        # The lexicon of the others lacks its words; likeness of wording aside, the machine is the same.
        plain = Kernel()
        without, _ = fitted(np.delete(ALL, point), kernel=plain)
        _, plainly = fitted(ALL, kernel=plain)
        expected = without.match(VECTORS[[point]], [COUNTS[point]])
        np.testing.assert_allclose(plainly.alone.scores[at], expected.scores[0], atol=2e-3)
        np.testing.assert_allclose(plainly.alone.near[at], expected.near[0], atol=1e-5)


def test_a_phrase_left_out_with_its_entry_scores_nothing_there() -> None:
    _, rehearsal = fitted(ALL)
    own = OWNER[rehearsal.gone_points]
    here = np.arange(len(own))
    assert np.all(rehearsal.gone.scores[here, own] == 0)
    assert np.all(rehearsal.gone.near[here, own] == -1)
    assert np.all(rehearsal.gone.near.max(axis=1) > -1)


@pytest.mark.parametrize("outcomes", [0, 1, 5])
def test_no_more_is_rehearsed_than_wanted(outcomes: int) -> None:
    _, rehearsal = fitted(ALL, outcomes)
    assert len(rehearsal.alone) == len(rehearsal.truth) == outcomes
    # Two whole entries are left out in any case.
    assert len(rehearsal.gone) <= max(outcomes, 6)


def test_one_entry_of_one_phrase_has_nothing_to_rehearse() -> None:
    matcher, rehearsal = fitted(ALL[:1])
    assert (len(rehearsal.alone), len(rehearsal.gone)) == (0, 0)
    assert matcher.match(VECTORS[:1], COUNTS[:1]).scores[0, 0] > 0.8
