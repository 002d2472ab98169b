"""What was listened to is found again by its content, whoever made it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from core.errors import Broken
from tests.workers.model import tiny
from workers.configuration import Configuration
from workers.model.ports import ImageFeatures, Line, Picture, Transcript, Wave, WordTower
from workers.recalling import Image, Reader, Speech
from workers.train.kept import Kept, Listened


class Ears:
    """Hears how long a wave is."""

    digest = "ears-1"
    heard = 0

    def transcribe(self, waves: Sequence[Wave]) -> list[Transcript]:
        self.heard += len(waves)
        return [Transcript(f"{len(wave)} samples", 0.5, 0.25, ((0.0, 0.25, "samples"),)) for wave in waves]


class Eyes:
    """Sees how bright a picture is, reads its size."""

    digest, dim = "eyes-1", 2

    def __init__(self, *, labels: bool) -> None:
        self.seen, self.labels = 0, labels

    def encode(self, images: Sequence[Picture]) -> ImageFeatures:
        self.seen += len(images)
        vectors = np.array([[image.mean(), 1] for image in images], dtype=np.float32).reshape(-1, 2)
        return ImageFeatures(vectors, vectors[:, :1] if self.labels else None)

    def read(self, image: Picture) -> tuple[Line, ...]:
        self.seen += 1
        return (Line(str(image.shape), 0.9, ((0.0, 0.0), (1.0, 1.0))),)


PICTURES = [np.full((4, 5, 3), shade, dtype=np.uint8) for shade in (10, 200, 10)]


def test_a_recording_is_heard_once_even_by_the_next_process(tmp_path: Path) -> None:
    ears = Ears()
    waves = [np.zeros(n, dtype=np.float32) for n in (10, 20, 10)]
    kept = Kept(tmp_path / "sub" / "heard.db")
    first = Speech(ears, kept).transcribe(waves)
    kept.close()
    again = Kept(tmp_path / "sub" / "heard.db")
    assert Speech(ears, again).transcribe(waves) == first == Ears().transcribe(waves)
    assert ears.heard == 2 and len(again) == 2
    again.close()


def test_each_recording_is_kept_as_soon_as_it_is_heard(tmp_path: Path) -> None:
    class Fading(Ears):
        """Dies of the third recording."""

        def transcribe(self, waves: Sequence[Wave]) -> list[Transcript]:
            if self.heard + len(waves) > 2:
                raise MemoryError
            return super().transcribe(waves)

    waves = [np.zeros(n, dtype=np.float32) for n in (10, 20, 30)]
    kept, ears = Kept(tmp_path / "heard.db"), Ears()
    with pytest.raises(MemoryError):
        Speech(Fading(), kept).transcribe(waves)
    assert [one.text for one in Speech(ears, kept).transcribe(waves)] == ["10 samples", "20 samples", "30 samples"]
    assert ears.heard == 1
    kept.close()


def test_another_recogniser_listens_itself(tmp_path: Path) -> None:
    ears, other, kept = Ears(), Ears(), Kept(tmp_path / "heard.db")
    other.digest = "ears-2"
    for one in (ears, other):
        Speech(one, kept).transcribe([np.zeros(3, dtype=np.float32)])
    assert (ears.heard, other.heard) == (1, 1)
    kept.close()


@pytest.mark.parametrize("labels", [True, False])
def test_a_picture_is_seen_and_read_once(tmp_path: Path, labels: bool) -> None:
    eyes, kept = Eyes(labels=labels), Kept(tmp_path / "heard.db")
    image, reader = Image(eyes, kept), Reader(eyes, kept)
    wanted = Eyes(labels=labels).encode(PICTURES)
    for _ in range(2):
        found = image.encode(PICTURES)
        np.testing.assert_array_equal(found.vectors, wanted.vectors)
        assert (found.labels is None) == (wanted.labels is None)
        assert reader.read(PICTURES[0]) == Eyes(labels=labels).read(PICTURES[0])
    assert eyes.seen == 3
    assert image.encode([]).vectors.shape == (0, 2)
    kept.close()


def test_a_shape_is_part_of_what_a_picture_is(tmp_path: Path) -> None:
    eyes, kept = Eyes(labels=False), Kept(tmp_path / "heard.db")
    Image(eyes, kept).encode([np.zeros((2, 6, 3), np.uint8), np.zeros((6, 2, 3), np.uint8)])
    assert eyes.seen == 2
    kept.close()


def test_a_file_that_is_none_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "heard.db").write_bytes(b"nothing like a database" * 100)
    said: list[str] = []
    kept = Kept(tmp_path / "heard.db", said.append)
    assert len(said) == 1 and "cannot be read" in said[0] and said[0].endswith("it is listened to again")
    kept.put("key", b"told")
    assert kept.get("key") == b"told" and len(kept) == 1
    kept.close()


def test_one_that_is_damaged_meanwhile_is_listened_to_again(tmp_path: Path) -> None:
    path = tmp_path / "heard.db"
    kept = Kept(path)
    for n in range(200):
        kept.put(f"key {n}", b"told" * 100)
    kept.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))  # the header is whole, no page behind it
    said: list[str] = []
    again = Kept(path, said.append)
    assert again.get("key 7") is None and len(said) == 1 and "cannot be read" in said[0]
    ears = Ears()
    assert Speech(ears, again).transcribe([np.zeros(3, np.float32)] * 2)[1].text == "3 samples"
    assert ears.heard == 1 and len(said) == 1  # kept again
    again.close()


@pytest.mark.parametrize("told", [b"", b"\0" * 300, b"{}", b"PK\x03\x04" + b"\0" * 50])
@pytest.mark.parametrize("labels", [True, False])
def test_what_makes_no_sense_is_found_anew(tmp_path: Path, told: bytes, labels: bool) -> None:
    kept, ears, eyes = Kept(tmp_path / "heard.db"), Ears(), Eyes(labels=labels)
    wave, photo = np.zeros(3, np.float32), PICTURES[0]

    def asked() -> object:
        seen = Image(eyes, kept).encode([photo])
        lines = Reader(eyes, kept).read(photo)
        return [Speech(ears, kept).transcribe([wave]), lines, seen.vectors.tolist(), seen.labels is None]

    right = asked()
    with sqlite3.connect(tmp_path / "heard.db") as other:
        keys = [key for (key,) in other.execute("SELECT key FROM kept")]
    other.close()
    assert len(keys) == 3
    for key in keys:
        kept.put(key, told)  # as it was put, so that no checksum tells
    assert asked() == right == asked()
    assert (ears.heard, eyes.seen) == (2, 4)
    kept.close()


def test_a_vector_of_another_length_is_seen_anew(tmp_path: Path) -> None:
    class Wide(Eyes):
        """Another network under the same digest."""

        dim = 3

        def encode(self, images: Sequence[Picture]) -> ImageFeatures:
            self.seen += len(images)
            return ImageFeatures(np.ones((len(images), 3), np.float32), None)

    kept, wide = Kept(tmp_path / "heard.db"), Wide(labels=False)
    Image(Eyes(labels=False), kept).encode(PICTURES)
    for _ in range(2):
        assert Image(wide, kept).encode(PICTURES).vectors.shape == (3, 3)
    assert wide.seen == 2
    kept.close()


def test_what_was_damaged_in_a_readable_file_is_listened_to_again(tmp_path: Path) -> None:
    kept, ears, eyes = Kept(tmp_path / "heard.db"), Ears(), Eyes(labels=True)
    waves = [np.zeros(n, dtype=np.float32) for n in (10, 20)]
    right, seen = Speech(ears, kept).transcribe(waves), Image(eyes, kept).encode(PICTURES)
    kept.close()
    with sqlite3.connect(tmp_path / "heard.db") as other:
        other.execute("UPDATE kept SET told = zeroblob(length(told))")
    other.close()
    again = Kept(tmp_path / "heard.db")
    for _ in range(2):
        assert Speech(ears, again).transcribe(waves) == right
        np.testing.assert_array_equal(Image(eyes, again).encode(PICTURES).vectors, seen.vectors)
    assert (ears.heard, eyes.seen) == (4, 4)
    again.close()


def test_a_full_disk_is_told_once_and_the_training_goes_on(tmp_path: Path) -> None:
    Kept(tmp_path / "heard.db").close()
    said: list[str] = []
    kept = Kept(tmp_path / "heard.db", said.append)
    kept.put("before", b"told")
    with sqlite3.connect(tmp_path / "heard.db") as other:  # SQLite's own way to refuse: what was written must not stay
        other.execute("CREATE TRIGGER full BEFORE INSERT ON kept BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    other.close()
    ears = Ears()
    found = Speech(ears, kept).transcribe([np.zeros(n, np.float32) for n in (4, 5, 4)])
    assert [one.text for one in found] == ["4 samples", "5 samples", "4 samples"] and ears.heard == 3
    assert len(said) == 1 and "cannot be kept" in said[0] and "disk is full" in said[0]
    assert kept.get("before") == b"told"
    kept.close()


def test_a_shelf_that_stands_beside_another_shares_what_it_knows(tmp_path: Path) -> None:
    class Counting(Kept):
        """Counts what is kept."""

        puts = 0

        def put(self, key: str, told: bytes) -> None:
            self.puts += 1
            super().put(key, told)

    tiny.clip(tmp_path / "image")
    kept = Counting(tmp_path / "heard.db")
    configuration = Configuration("", tmp_path, tmp_path, tmp_path / "e.db", image_model=str(tmp_path / "image"))
    shelf = Listened.keeping(configuration, kept)
    own = shelf.beside(tmp_path / "text", {})
    assert own.image.encode(PICTURES).vectors.shape == (3, own.image.dim)
    assert isinstance(own.image, WordTower)  # still
    np.testing.assert_array_equal(own.image.encode(PICTURES).vectors, shelf.image.encode(PICTURES).vectors)
    assert kept.puts == len(kept) == 2
    kept.close()


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(Broken, match=r"heard\.db .*free space there"):
        Kept(Path("/proc/nowhere/heard.db"))
