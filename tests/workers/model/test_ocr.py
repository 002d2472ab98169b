"""Text in pictures is read, in order, at a bounded cost."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from workers.model.ocr import RapidReader, _affordable, _scaled, reading_order
from workers.model.ports import Picture, TextReader

SCREEN = [
    "Payment failed",
    "Error code E-4012: card declined",
    "Order #48213 was not completed",
    "Please try another payment method",
]


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return RapidReader()


def screenshot(lines: list[str], size: tuple[int, int] = (1080, 900), height: int = 40, dark: bool = False) -> Picture:
    back, front = ((18, 20, 24), (235, 235, 235)) if dark else ((255, 255, 255), (25, 25, 25))
    image = Image.new("RGB", size, back)
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((size[0] // 20, height * (1 + 2 * i)), line, fill=front, font=ImageFont.load_default(height))
    return np.asarray(image)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("size", "height"), [((1080, 900), 40), ((540, 960), 22), ((2160, 4096), 90)])
def test_a_screenshot_is_read_line_by_line(reader: TextReader, size: tuple[int, int], height: int, dark: bool) -> None:
    lines = reader.read(screenshot(SCREEN, size, height, dark))
    assert [line.text for line in lines] == SCREEN
    assert all(line.confidence > 0.9 for line in lines)
    # boxes are in the pixels of the picture that was given
    left, top = lines[0].box[0]
    assert left == pytest.approx(size[0] / 20, abs=height / 2)
    assert top == pytest.approx(height, abs=height / 2)
    assert all(0 <= x <= size[0] and 0 <= y <= size[1] for line in lines for x, y in line.box)


@pytest.mark.parametrize("shape", [(600, 800, 3), (1, 1, 3), (3, 2000, 3), (2000, 3, 3)])
def test_nothing_is_written_there(reader: TextReader, shape: tuple[int, int, int]) -> None:
    assert reader.read(np.full(shape, 200, dtype=np.uint8)) == ()


def test_a_photo_is_not_text(reader: TextReader) -> None:
    from sklearn.datasets import load_sample_image

    assert reader.read(np.asarray(load_sample_image("flower.jpg"), dtype=np.uint8)) == ()


def test_a_long_screenshot_stays_legible(reader: TextReader) -> None:
    # Given a whole conversation in one picture, five times as long as wide
    said = [f"{SCREEN[i % 4]} {i}" for i in range(30)]
    picture = screenshot([part for line in said for part in (line, "")], (500, 2500), height=20)
    # Then every line is read, each once, also where the parts overlap; in a wide picture likewise
    assert [line.text.replace(" ", "") for line in reader.read(picture)] == [line.replace(" ", "") for line in said]
    wide = np.concatenate([picture[600 * i : 600 * i + 600] for i in range(4)], axis=1)
    assert len({line.text for line in reader.read(wide)}) == 30


def test_noise_is_read_through(reader: TextReader) -> None:
    noise = np.random.default_rng(0).normal(0, 25, (900, 1080, 3))
    picture = np.clip(screenshot(SCREEN) + noise, 0, 255).astype(np.uint8)
    assert [line.text for line in reader.read(picture)] == SCREEN


def box(
    left: float, top: float, width: float = 100, height: float = 20
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float32)


def test_lines_are_ordered_row_by_row() -> None:
    # a price at the right, a little higher than the article at the left; then the next row
    boxes = [box(300, 98), box(10, 140), box(10, 100), box(300, 139)]
    assert reading_order(boxes) == [2, 0, 1, 3]
    assert reading_order([]) == []


def test_the_largest_text_is_read_first_when_there_is_too_much() -> None:
    small = [box(0, 30 * i, width=1000, height=10) for i in range(20)]
    large = box(0, 900, width=1000, height=50)
    chosen = _affordable(np.stack([*small, large]), 700)
    assert len(chosen) == 7  # 20 + 6 x 100 line heights
    np.testing.assert_array_equal(chosen[0], large)


def test_one_line_is_read_however_long() -> None:
    assert len(_affordable(np.stack([box(0, 0, width=10_000, height=10)]), 700)) == 1


def test_large_pictures_are_scaled_down_first() -> None:
    small, scale = _scaled(np.zeros((3000, 4000, 3), dtype=np.uint8))
    assert small.shape == (960, 1280, 3)
    assert scale == pytest.approx(0.32)
    same, scale = _scaled(np.zeros((300, 400, 3), dtype=np.uint8))
    assert same.shape == (300, 400, 3)
    assert scale == 1.0
