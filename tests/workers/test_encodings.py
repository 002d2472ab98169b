"""The cache of encodings: each content is encoded once, whoever asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workers.encodings import Encodings


def test_only_what_is_new_is_encoded(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def of(cache: Encodings, digest: str, contents: list[bytes]) -> np.ndarray:
        def encode(places: list[int]) -> np.ndarray:
            asked.extend(contents[place] for place in places)
            return np.array([[len(contents[place]), 7] for place in places], dtype=np.float32)

        return cache.of(digest, contents, 2, encode)

    cache = Encodings(tmp_path / "encodings.db")
    first = of(cache, "m1", [b"a", b"bb", b"a"])
    assert first.tolist() == [[1, 7], [2, 7], [1, 7]]
    assert sorted(asked) == [b"a", b"bb"]
    # Another worker on the same file, with one phrase more
    other = Encodings(tmp_path / "encodings.db")
    assert of(other, "m1", [b"bb", b"ccc"]).tolist() == [[2, 7], [3, 7]]
    assert asked[2:] == [b"ccc"]
    # Another encoder shares nothing
    of(other, "m2", [b"a"])
    assert asked[3:] == [b"a"]
    assert of(other, "m2", []).shape == (0, 2)
    cache.close()
    other.close()


def test_many_contents_are_looked_up_in_pieces(tmp_path: Path) -> None:
    cache = Encodings(tmp_path / "encodings.db")
    contents = [str(number).encode() for number in range(1800)]
    made = cache.of("m", contents, 1, lambda places: np.array([[float(place)] for place in places], dtype=np.float32))
    again = cache.of("m", contents, 1, lambda places: np.full((len(places), 1), -1, dtype=np.float32))
    assert (made == again).all() and made[-1, 0] == 1799
    cache.close()
