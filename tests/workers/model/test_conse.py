"""A picture's labels become a vector among sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.model.conse import Conse
from workers.model.ports import Vectors


class Axes:
    """Every label lies on an axis of its own; counts how often it is asked."""

    digest = "axes"
    dim = 4
    languages: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked.append(tuple(texts))
        return np.eye(4, dtype=np.float32)[: len(texts)]


def probabilities(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def test_the_vector_is_the_weighted_mean_of_the_top_labels() -> None:
    conse = Conse(Axes(), ["mug", "shoe", "box", "dog"], top=2)
    vector = conse.vector(probabilities(0.3, 0.05, 0.4, 0.25))
    np.testing.assert_allclose(vector, [0.3 / 0.5, 0, 0.4 / 0.5, 0], atol=1e-6)
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_labels_are_encoded_once() -> None:
    axes = Axes()
    conse = Conse(axes, ["mug", "shoe", "box", "dog"])
    for _ in range(3):
        conse.vector(probabilities(0.7, 0.1, 0.1, 0.1))
    assert axes.asked == [("mug", "shoe", "box", "dog")]


def test_words_for_people_are_few_and_likely() -> None:
    conse = Conse(Axes(), ["mug", "shoe", "box", "dog"])
    assert conse.words(probabilities(0.3, 0.04, 0.6, 0.06)) == (
        ("box", pytest.approx(0.6)),
        ("mug", pytest.approx(0.3)),
        ("dog", pytest.approx(0.06)),
    )


def test_the_digest_names_the_text_encoder() -> None:
    assert Conse(Axes(), [], top=3).digest == "conse-axes-3"
