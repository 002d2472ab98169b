"""The closed forms of leaving out are what refitting gives."""

from __future__ import annotations

import numpy as np
import pytest

from workers.model.heads import Fitted, Kernel, fit, solve_here, wording_share

KERNEL = Kernel(width=2.0, share=0.2)
OWNER = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
NOISE = np.array([0.1] * 8 + [0.5], dtype=np.float32)


def vectors() -> np.ndarray:
    made = np.random.default_rng(4).standard_normal((len(OWNER), 5)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def wording() -> np.ndarray:
    bits = (np.random.default_rng(5).random((len(OWNER), 12)) < 0.4).astype(np.float32)
    bits /= np.maximum(np.linalg.norm(bits, axis=1, keepdims=True), 1e-9)
    return bits @ bits.T


def fitted(keep: np.ndarray, alone: np.ndarray, groups: list[np.ndarray]) -> Fitted:
    cosine, alike = (whole[np.ix_(keep, keep)] for whole in (vectors() @ vectors().T, wording()))
    return fit(lambda a, b: (cosine[a:b], alike[a:b]), OWNER[keep], NOISE[keep], KERNEL, alone, groups)


def refitted_without(points: np.ndarray, asked: np.ndarray) -> np.ndarray:
    keep = np.setdiff1d(np.arange(len(OWNER)), points)
    gram = KERNEL(vectors() @ vectors().T, wording())
    weights = np.linalg.solve(
        gram[np.ix_(keep, keep)] + np.diag(NOISE[keep]), np.eye(3)[OWNER[keep]].astype(np.float32)
    )
    return gram[np.ix_(asked, keep)] @ weights


def test_a_point_left_out_alone() -> None:
    alone = np.arange(len(OWNER))
    scores = fitted(alone, alone, []).alone
    for point in alone:
        expected = refitted_without(np.array([point]), np.array([point]))[0]
        np.testing.assert_allclose(scores[point], expected, atol=1e-4)


def test_points_left_out_with_their_entry() -> None:
    groups = [np.array([0, 1, 2]), np.array([5, 6, 7, 8])]
    scores = fitted(np.arange(len(OWNER)), np.zeros(0, np.int64), groups).gone
    for rows, group in ((slice(0, 3), groups[0]), (slice(3, 7), groups[1])):
        expected = refitted_without(group, group)
        expected[:, OWNER[group[0]]] = 0
        np.testing.assert_allclose(scores[rows], expected, atol=1e-4)


def test_solved_for_one_question_is_the_same_machine() -> None:
    everything = np.arange(len(OWNER))
    duals = fitted(everything, np.zeros(0, np.int64), []).duals
    question = vectors()[0] * 0.6 + vectors()[4] * 0.8
    question /= np.linalg.norm(question)
    cosine, alike = vectors() @ question, wording()[2]
    says = solve_here(cosine, alike, vectors() @ vectors().T, wording(), NOISE, KERNEL)
    np.testing.assert_allclose(np.bincount(OWNER, says), KERNEL(cosine[None], alike[None])[0] @ duals, atol=1e-4)


def test_the_more_phrases_the_more_wording_counts() -> None:
    assert wording_share(0.5) == wording_share(1) == pytest.approx(0.1)
    assert wording_share(1) < wording_share(8) < wording_share(1000) == pytest.approx(0.3)


def test_what_is_the_same_is_one() -> None:
    one = np.ones((1, 1), dtype=np.float32)
    assert KERNEL(one, one)[0, 0] == pytest.approx(1)
