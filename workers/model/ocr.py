"""Pictures to the text written in them.

RapidOCR (https://github.com/RapidAI/RapidOCR) runs PP-OCRv6 with onnxruntime; its package carries the networks. What
it costs is bounded: a picture is scaled down first, its text is looked for in a smaller copy still, what is found is
read largest first until a budget is spent. A picture without text costs the search only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.model.ports import Line, Picture

SIDE = 1280  # pixels; the longest side of what is read. Text of 10 pixels in it is read without error
_SEARCH_SIDE = 736  # pixels; the longest side of what is searched
_SURE = 0.6  # below this a line is more often noise than text
_BUDGET = 1000.0  # line widths in units of line heights, together: some 45 full lines, 2 seconds on a slow core

_LONG = 2.6  # times as long as wide: longer than any telephone's screen, so it is cut into parts
_MOST_TILES = 6

Box = NDArray[np.float32]
"""(4, 2): corners x, y, clockwise from top left."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a picture, in pixels; neighbours overlap, `first` to `last` along the long side is not cut off."""

    top: int
    bottom: int
    left: int
    right: int
    first: float
    last: float

    def owns(self, box: Box) -> bool:
        """Whether the middle of a box, in the picture's pixels, is far enough from where it was cut."""
        along = 0 if self.right - self.left > self.bottom - self.top else 1
        return self.first <= float(box[:, along].mean()) < self.last


class RapidReader:
    """Reads Chinese, English, Japanese, some 45 languages in Latin script."""

    def __init__(self, threads: int = 1) -> None:
        import cv2
        from rapidocr import RapidOCR
        from rapidocr.utils.process_img import get_rotate_crop_image

        cv2.setNumThreads(threads)
        self._cut: Any = get_rotate_crop_image
        self._ocr: Any = RapidOCR(
            params={
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Global.log_level": "error",
                "Det.limit_type": "max",
                "Det.limit_side_len": _SEARCH_SIDE,
                # One line at a time is never padded to the width of a longer one.
                "Rec.rec_batch_num": 1,
                "Rec.rec_img_shape": [3, 48, 32],
            }
        )
        self.digest = f"rapidocr-{version('rapidocr')}-1"

    def read(self, image: Picture) -> tuple[Line, ...]:
        """The lines in reading order; none when nothing is written there."""
        tiles = _tiles(*image.shape[:2])
        lines: list[Line] = []
        for tile in tiles:
            known = tuple(lines)
            lines += [x for x in self._read(image, tile, _BUDGET / len(tiles)) if not any(_same(x, y) for y in known)]
        order = reading_order([np.array(line.box, dtype=np.float32) for line in lines])
        return tuple(lines[i] for i in order)

    def _read(self, image: Picture, tile: Tile, budget: float) -> list[Line]:
        small, scale = _scaled(image[tile.top : tile.bottom, tile.left : tile.right])
        pixels = np.ascontiguousarray(small[:, :, ::-1])  # RapidOCR thinks in BGR
        found = self._ocr(pixels, use_det=True, use_cls=False, use_rec=False).boxes
        if found is None or not len(found):
            return []
        boxes = _affordable(np.asarray(found, dtype=np.float32), budget)
        upright, _ = self._ocr.cls_and_rotate([self._cut(pixels, box.copy()) for box in boxes])
        read = self._ocr.recognize_txt(upright)
        places = [box / scale + np.array([tile.left, tile.top], dtype=np.float32) for box in boxes]
        return [
            Line(text.strip(), float(sure), tuple((float(x), float(y)) for x, y in place))
            for text, sure, place in zip(read.txts, read.scores, places, strict=True)
            if text.strip() and sure >= _SURE and tile.owns(place)
        ]


def _tiles(height: int, width: int) -> list[Tile]:
    """Cut a long picture, such as a screenshot of a whole conversation, into parts that stay legible when scaled."""
    long, short = max(height, width), max(1, min(height, width))
    count = 1 if long <= _LONG * short else min(_MOST_TILES, math.ceil(long / (2 * short)))
    step, overlap = long / count, short // 8
    tiles = []
    for i in range(count):
        start, end = max(0, int(i * step) - overlap), min(long, int((i + 1) * step) + overlap)
        slack = overlap / 2  # what lies there is found in both neighbours
        own = (i * step - slack if i else -math.inf, (i + 1) * step + slack if i + 1 < count else math.inf)
        tiles.append(Tile(start, end, 0, width, *own) if height >= width else Tile(0, height, start, end, *own))
    return tiles


def _same(one: Line, other: Line) -> bool:
    """Whether the middle of one line lies in the box of the other: the same line, seen twice."""
    x, y = np.mean(one.box, axis=0)
    (left, top), (right, bottom) = np.min(other.box, axis=0), np.max(other.box, axis=0)
    return bool(left <= x <= right and top <= y <= bottom)


def _scaled(image: Picture) -> tuple[Picture, float]:
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1.0:
        return image, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # The gap lets Pillow take out whole pixels first: a third of the time of filtering them all.
    small = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC, reducing_gap=1.01)
    return np.asarray(small), scale


def _affordable(boxes: NDArray[np.float32], budget: float) -> list[Box]:
    """The tallest text first, until the budget is spent: it is what people are shown the picture for."""
    across = np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1)
    down = np.linalg.norm(boxes[:, 3] - boxes[:, 0], axis=1)
    long, short = np.maximum(across, down), np.maximum(np.minimum(across, down), 1.0)
    order = np.argsort(-short, kind="stable")
    within = np.cumsum((long / short)[order]) <= budget
    within[0] = True
    return [boxes[i] for i in order[within]]


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of boxes row by row, left to right; boxes share a row when their middles are within half a height."""
    middles = [float(box[:, 1].mean()) for box in boxes]
    heights = [float(np.ptp(box[:, 1])) for box in boxes]
    rows: list[list[int]] = []
    for i in sorted(range(len(boxes)), key=middles.__getitem__):
        if rows:
            first = rows[-1][0]
            if middles[i] - middles[first] < 0.5 * min(heights[i], heights[first]):
                rows[-1].append(i)
                continue
        rows.append([i])
    return [i for row in rows for i in sorted(row, key=lambda i: float(boxes[i][:, 0].min()))]
