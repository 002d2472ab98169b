"""What was recognised in the last photos and voice notes is known when they come again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from workers.model.ports import ImageFeatures, Line, Picture, Transcript, Vectors, Wave, WordTower
from workers.recalling import Recalled


class Recogniser:
    """Senses that tell the mean of what they are shown, and write down how much they were asked."""

    digest, dim = "d", 1

    def __init__(self, labels: bool = True) -> None:
        self.asked: list[int] = []
        self._labels = labels

    @property
    def image(self) -> Recogniser:
        return self

    reader = speech = image

    def encode(self, images: Sequence[Picture]) -> ImageFeatures:
        self.asked.append(len(images))
        vectors = np.array([[image.mean()] for image in images], dtype=np.float32).reshape(len(images), 1)
        return ImageFeatures(vectors, vectors * 2 if self._labels else None)

    def read(self, image: Picture) -> tuple[Line, ...]:
        self.asked.append(1)
        return (Line(str(image.mean()), 1.0, ((0, 0),) * 4),)

    def transcribe(self, waves: Sequence[Wave]) -> list[Transcript]:
        self.asked.append(len(waves))
        return [Transcript(str(wave.mean()), 1.0, len(wave) / 16_000) for wave in waves]


def photo(value: int) -> Picture:
    return np.full((4, 6, 3), value, np.uint8)


@pytest.mark.parametrize("labels", [True, False])
def test_only_what_is_new_is_looked_at_in_one_call(labels: bool) -> None:
    there = Recogniser(labels)
    senses = Recalled(there)
    senses.image.encode([photo(1)])
    seen = senses.image.encode([photo(2), photo(1), photo(3), photo(2)])
    assert there.asked == [1, 2]
    assert seen.vectors[:, 0].tolist() == [2, 1, 3, 2]
    assert (seen.labels is None) == (not labels)
    assert seen.labels is None or seen.labels[:, 0].tolist() == [4, 2, 6, 4]
    assert senses.image.encode([]).vectors.shape == (0, 1)


def test_lines_and_words_are_known_too() -> None:
    there = Recogniser()
    senses = Recalled(there)
    for _ in range(2):
        assert senses.reader.read(photo(7))[0].text == "7.0"
        waves = [np.full(16_000, value, np.float32) for value in (0.5, 0.25)]
        assert [one.text for one in senses.speech.transcribe(waves)] == ["0.5", "0.25"]
    assert there.asked == [1, 2]


def test_one_shape_is_not_another() -> None:
    there = Recogniser()
    senses = Recalled(there)
    senses.reader.read(np.zeros((4, 6, 3), np.uint8))
    senses.reader.read(np.zeros((6, 4, 3), np.uint8))
    assert there.asked == [1, 1]


def test_the_one_that_was_not_needed_for_longest_goes_first() -> None:
    there = Recogniser()
    senses = Recalled(there, most=2)
    for value in (1, 2, 1, 3, 1):
        senses.reader.read(photo(value))
    assert len(there.asked) == 3
    senses.reader.read(photo(2))
    assert len(there.asked) == 4


def test_other_senses_share_what_was_recognised_with_the_same_model() -> None:
    first, second = Recogniser(), Recogniser()
    senses = Recalled(first)
    senses.image.encode([photo(1)])
    senses.over(second).image.encode([photo(1), photo(2)])
    assert (first.asked, second.asked) == ([1], [1])
    # With another model nothing is known
    second.digest = "e"
    senses.over(second).image.encode([photo(1)])
    assert second.asked == [1, 1]


def test_an_encoder_that_knows_words_still_does() -> None:
    class Clip(Recogniser):
        """Puts words into the space of its pictures."""

        def encode_words(self, texts: Sequence[str]) -> Vectors:
            return np.array([[len(text)] for text in texts], dtype=np.float32)

    image = Recalled(Clip()).image
    assert isinstance(image, WordTower) and image.encode_words(["mug"]).tolist() == [[3]]
    assert not isinstance(Recalled(Recogniser()).image, WordTower)
