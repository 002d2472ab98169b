"""The cache of encodings: each content is encoded once, whoever asks."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from core.errors import Broken
from workers.encodings import Encodings
from workers.model.encodings import encoded, key


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


def test_a_file_that_is_no_database_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "encodings.db").write_bytes(b"\0" * 8192)
    encoder, cache = Counting("m1"), Encodings(tmp_path / "encodings.db")
    for _ in range(2):
        assert encoded(encoder, ["a", "bb"], cache).tolist() == [[1, 7], [2, 7]]
    assert encoder.asked == ["a", "bb"]
    cache.close()


def test_a_full_disk_takes_no_answer(tmp_path: Path) -> None:
    encoder, cache = Counting("m1"), Encodings(tmp_path / "encodings.db")
    with sqlite3.connect(tmp_path / "encodings.db") as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON encodings BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    other.close()
    for _ in range(2):
        assert encoded(encoder, ["a"], cache).tolist() == [[1, 7]]
    assert encoder.asked == ["a", "a"]
    cache.close()


@pytest.mark.parametrize("damage", ["zeroblob(8)", "substr(told, 1, 4)", "'words'", "NULL"])
def test_a_vector_that_was_damaged_is_encoded_again(tmp_path: Path, damage: str) -> None:
    encoder, cache = Counting("m1"), Encodings(tmp_path / "encodings.db")
    encoded(encoder, ["a", "bb"], cache)
    with sqlite3.connect(tmp_path / "encodings.db") as other:
        other.execute(f"UPDATE encodings SET told = {damage}")
    other.close()
    for _ in range(2):
        assert encoded(encoder, ["a", "bb"], cache).tolist() == [[1, 7], [2, 7]]
    assert encoder.asked == ["a", "bb", "a", "bb"]
    cache.close()


def test_a_vector_of_another_length_or_without_numbers_is_unknown(tmp_path: Path) -> None:
    encoder, cache = Counting("m1"), Encodings(tmp_path / "encodings.db")
    cache.put({key("m1", "a"): np.ones(3, np.float32), key("m1", "bb"): np.array([1, np.nan], np.float32)})
    for _ in range(2):
        assert encoded(encoder, ["a", "bb"], cache).tolist() == [[1, 7], [2, 7]]
    assert encoder.asked == ["a", "bb"]
    cache.close()


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(Broken, match=r"encodings\.db .*free space there"):
        Encodings(Path("/proc/nowhere/encodings.db"))
