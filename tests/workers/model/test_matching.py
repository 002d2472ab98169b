"""Points are matched exactly up to a size, by their neighbours beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.model.wordy import SHOP, Wordy
from workers.model.heads import Kernel
from workers.model.learning import learn
from workers.model.lexical import count, lexicon
from workers.model.matching import CELLS, Match, Matcher

TEXTS = [phrase for phrases in SHOP.values() for phrase in phrases]
OWNER = np.repeat(np.arange(len(SHOP)), 3)
ENCODER = Wordy()
QUESTIONS = ["parcel where", "broken mug", "cancel", "poem about the sea", ""]


def learned(spoken: np.ndarray | None = None) -> Matcher:
    said = np.ones(len(TEXTS), dtype=bool) if spoken is None else spoken
    words = lexicon([count(text) for text in TEXTS])
    return learn(ENCODER.encode(TEXTS), OWNER, said, Kernel(share=0.2), words)[0]


def ask(matcher: Matcher, texts: list[str] = QUESTIONS) -> Match:
    return matcher.match(ENCODER.encode(texts), [count(text) for text in texts])


def test_the_right_entry_scores_high_and_nonsense_low() -> None:
    match = ask(learned())
    assert match.rank[:3].argmax(axis=1).tolist() == [0, 1, 4]
    assert match.scores[:3].max(axis=1).min() > 0.3 > 0.2 > match.scores[3:].max()


def test_neighbours_alone_give_the_same_scores_when_they_are_all() -> None:
    exact = learned()
    near = Matcher(exact.vectors, exact.owner, exact.spoken, exact.kernel, exact.lexicon, None)
    for name in ("scores", "near", "wording", "rank"):
        np.testing.assert_allclose(getattr(ask(near), name), getattr(ask(exact), name), atol=1e-4)


def test_a_question_scores_alike_in_any_company() -> None:
    matcher = learned()
    together = ask(matcher, QUESTIONS * 3)
    for i, text in enumerate(QUESTIONS):
        np.testing.assert_allclose(together.scores[i], ask(matcher, [text]).scores[0], atol=1e-5)


def test_sentences_of_answers_help_but_are_never_near() -> None:
    spoken = np.ones(len(TEXTS), dtype=bool)
    spoken[2] = False
    matcher = learned(spoken)
    match = ask(matcher, [TEXTS[2]])
    assert match.near[0, 0] < 0.99
    assert match.scores[0].argmax() == 0
    assert matcher.nearest(ENCODER.encode([TEXTS[2]])[0], 0)[0] != 2
    assert matcher.crowd == pytest.approx(17 / 6)


def test_the_nearest_phrase_is_told() -> None:
    point, cosine = learned().nearest(ENCODER.encode(["opening hours of the shop"])[0], 3)
    assert (TEXTS[point], round(cosine, 2)) == ("opening hours of the shop", 1.0)


def test_photos_have_no_wording() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((6, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    matcher, _ = learn(vectors, np.array([0, 0, 1, 1, 2, 2]), np.ones(6, bool), Kernel(width=2.0), None)
    match = matcher.match(vectors[[1, 4]], [])
    assert match.rank.argmax(axis=1).tolist() == [0, 2]
    assert match.wording.max() == 0


def test_rehearsal_leaves_out_only_what_leaves_others() -> None:
    texts, owner = ["one", "two", "three", "four"], np.array([0, 1, 1, 2])
    words = lexicon([count(text) for text in texts])
    _, rehearsal = learn(ENCODER.encode(texts), owner, np.ones(4, bool), Kernel(share=0.2), words)
    assert rehearsal.alone_points.tolist() == [1, 2]
    assert rehearsal.truth.tolist() == [1, 1]
    assert rehearsal.gone_points.tolist() == [0, 1, 2, 3]
    own = rehearsal.gone.scores[np.arange(4), owner]
    assert own.tolist() == [0, 0, 0, 0]
    assert (rehearsal.gone.near[np.arange(4), owner] == -1).all()


def test_a_lone_entry_can_be_learned() -> None:
    words = lexicon([count("hello")])
    matcher, rehearsal = learn(ENCODER.encode(["hello"]), np.array([0]), np.ones(1, bool), Kernel(), words)
    assert (len(rehearsal.alone), len(rehearsal.gone), matcher.entries) == (0, 0, 1)


def test_thousands_of_entries_are_matched_by_their_neighbours() -> None:
    n = int(CELLS**0.5) + 100
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((n, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    matcher, rehearsal = learn(vectors, np.arange(n), np.ones(n, bool), Kernel(), None, outcomes=20)
    assert matcher.duals is None
    assert matcher.match(vectors[[7, n - 1]], []).rank.argmax(axis=1).tolist() == [7, n - 1]
    # With one phrase an entry there is nothing to leave out alone; a phrase gone with its entry finds others.
    assert (len(rehearsal.alone), len(rehearsal.gone)) == (0, 20)
    assert rehearsal.gone.near.max() < 0.999
