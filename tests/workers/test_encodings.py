"""The cache of encodings: each content is encoded once, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workers.encodings import Encodings
from workers.model.encodings import encoded


class Counting:
    """An encoder that writes down what it was asked."""

    dim = 2
    languages = frozenset({"en"})

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[len(text), 7] for text in texts], dtype=np.float32)


def test_only_what_is_new_is_encoded(tmp_path: Path) -> None:
    encoder = Counting("m1")
    cache = Encodings(tmp_path / "encodings.db")
    assert encoded(encoder, ["a", "bb", "a"], cache).tolist() == [[1, 7], [2, 7], [1, 7]]
    assert sorted(encoder.asked) == ["a", "bb"]
    # Another worker on the same file, with one phrase more
    other = Encodings(tmp_path / "encodings.db")
    assert encoded(encoder, ["bb", "ccc"], other).tolist() == [[2, 7], [3, 7]]
    assert encoder.asked[2:] == ["ccc"]
    # Another encoder shares nothing
    second = Counting("m2")
    encoded(second, ["a"], other)
    assert second.asked == ["a"]
    cache.close()
    other.close()


def test_many_keys_are_looked_up_in_pieces(tmp_path: Path) -> None:
    cache = Encodings(tmp_path / "encodings.db")
    cache.put({str(number): np.array([number], dtype=np.float32) for number in range(1800)})
    found = cache.get([str(number) for number in range(0, 2000, 1)])
    assert len(found) == 1800 and found["1799"].tolist() == [1799]
    cache.close()
