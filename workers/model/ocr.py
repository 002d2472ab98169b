"""Pictures to the text written in them.

RapidOCR (https://github.com/RapidAI/RapidOCR) runs PP-OCRv6 with onnxruntime; its package carries the networks. What
it costs is bounded: a picture is scaled down first, its text is looked for in a smaller copy still, what is found is
read largest first until a budget is spent. A picture without text costs the search only.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.model.ports import Line, Picture

SIDE = 1280  # pixels; the longest side of what is read. Text of 10 pixels in it is read without error
_SEARCH_SIDE = 736  # pixels; the longest side of what is searched
_SURE = 0.6  # below this a line is more often noise than text
_BUDGET = 700.0  # line widths in units of line heights, together; some 25 full lines, 2 seconds on a slow core

Box = NDArray[np.float32]
"""(4, 2): corners x, y, clockwise from top left."""


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
        small, scale = _scaled(image)
        pixels = np.ascontiguousarray(small[:, :, ::-1])  # RapidOCR thinks in BGR
        found = self._ocr(pixels, use_det=True, use_cls=False, use_rec=False).boxes
        if found is None or not len(found):
            return ()
        boxes = _affordable(np.asarray(found, dtype=np.float32))
        crops = [self._cut(pixels, box.copy()) for box in boxes]
        upright, _ = self._ocr.cls_and_rotate(crops)
        read = self._ocr.recognize_txt(upright)
        lines = [
            Line(text.strip(), float(sure), tuple((float(x), float(y)) for x, y in box / scale))
            for text, sure, box in zip(read.txts, read.scores, boxes, strict=True)
            if text.strip() and sure >= _SURE
        ]
        order = reading_order([np.array(line.box, dtype=np.float32) for line in lines])
        return tuple(lines[i] for i in order)


def _scaled(image: Picture) -> tuple[Picture, float]:
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1.0:
        return image, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # The gap lets Pillow take out whole pixels first: a third of the time of filtering them all.
    small = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC, reducing_gap=1.01)
    return np.asarray(small), scale


def _affordable(boxes: NDArray[np.float32]) -> list[Box]:
    """The tallest text first, until the budget is spent: it is what people are shown the picture for."""
    across = np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1)
    down = np.linalg.norm(boxes[:, 3] - boxes[:, 0], axis=1)
    long, short = np.maximum(across, down), np.maximum(np.minimum(across, down), 1.0)
    order = np.argsort(-short, kind="stable")
    within = np.cumsum((long / short)[order]) <= _BUDGET
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
