"""Bytes of a picture to an array of pixels, within hard limits.

What the bytes are decides, never a name or a declared type. A picture that would unfold to more than the limits allow
is refused before a single pixel is decoded; one that takes too long is given up while it is being read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from core.errors import Broken, Unreadable
from core.media import PIXELS, dimensions, jpeg, orientation, sniff, strip
from core.values import AttachmentKind, Problem


@dataclass(frozen=True, slots=True)
class Limits:
    """What one picture may cost.

    `size` in bytes of the file; `pixels` as declared; `memory` in bytes while it is being decoded; `seconds` of wall
    time; `scans` is how often a JPEG may go over its pixels (cameras once, the web about ten times).
    """

    size: int = 25 * 2**20
    pixels: int = PIXELS
    memory: int = 350_000_000
    seconds: float = 5.0
    scans: int = 100


# The classes are called instead of Image.open, which would also try other formats, follow a JPEG into the further
# pictures that phones append, and apply a limit of its own that knows nothing of `draft`.
_OPEN: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "image/jpeg": JpegImageFile,
    "image/png": PngImageFile,
    "image/webp": WebPImageFile,
    "image/gif": GifImageFile,
    "image/bmp": BmpImageFile,
}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BYTES_A_PIXEL = 4  # Pillow's own, for everything in colour
_WEBP_BYTES_A_PIXEL = 16  # libwebp's two canvases, their copy in Python, Pillow's own
_BAND = 64  # rows of the result that are worked out at a time


class _Timed(BytesIO):
    """A file that refuses to be read after its deadline: decoders come back for more every 64 KB."""

    def __init__(self, raw: bytes, seconds: float) -> None:
        super().__init__(raw)
        self._deadline = monotonic() + seconds

    def read(self, size: int | None = -1, /) -> bytes:
        if monotonic() > self._deadline:
            raise Unreadable(Problem.TOO_LARGE, "the picture takes too long to decode")
        return super().read(size)


def decode(raw: bytes, *, side: int = 1280, limits: Limits = Limits()) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, WebP, GIF or BMP to upright RGB pixels, the first frame of an animation.

    Args:
        raw: the whole file.
        side: the longer side of the result is at most this many pixels; smaller pictures keep their size.
        limits: what it may cost.

    Returns:
        (height, width, 3); transparency lies over white, 16 bits a channel become 8, CMYK becomes RGB.

    Raises:
        Unreadable: EMPTY, TOO_LARGE (bytes, pixels, memory or time), FORMAT (HEIC, TIFF, unknown), DOCUMENT (HTML,
            PDF, text), VIDEO, DAMAGED (broken off or malformed).
    """
    if len(raw) > limits.size:
        raise Unreadable(Problem.TOO_LARGE, f"{len(raw)} bytes")
    found = sniff(raw)
    if found.kind is AttachmentKind.VOICE:
        raise Unreadable(Problem.VIDEO if found.mime.startswith("video/") else Problem.FORMAT, found.mime)
    if found.problem:
        raise Unreadable(found.problem, found.mime)
    width, height = dimensions(raw, found.mime)
    if width * height > limits.pixels:
        raise Unreadable(Problem.TOO_LARGE, f"{width} x {height} pixels")
    turn = _UPRIGHT.get(orientation(raw, found.mime))
    raw = strip(raw, found.mime)  # a few milliseconds, and Pillow never sees a hostile EXIF, XMP or text block
    try:
        with _OPEN[found.mime](_Timed(raw, limits.seconds)) as image:
            longest = max(width, height)
            goal = max(1, round(width * side / longest)), max(1, round(height * side / longest))
            if isinstance(image, JpegImageFile) and longest > side:
                image.draft(None, goal)  # libjpeg unfolds only every second, fourth or eighth pixel
            _must_fit(raw, found.mime, width * height, image, limits)
            small = _reduced(image, max(1, int(max(image.size) / (1.5 * side))))
            if longest > side and small.size != goal:
                small = small.resize(goal, Image.Resampling.BICUBIC)
            return np.array(small.transpose(turn) if turn is not None else small, dtype=np.uint8)
    except Unreadable:
        raise
    except MemoryError as problem:
        raise Unreadable(Problem.TOO_LARGE, f"{width} x {height} pixels") from problem
    except Exception as problem:  # Pillow raises whatever its parsers stumble over, from OSError to struct.error
        raise Unreadable(Problem.DAMAGED, f"{found.mime}: {problem}") from problem


def _must_fit(raw: bytes, mime: str, declared: int, image: ImageFile.ImageFile, limits: Limits) -> None:
    """Refuse what decoding would need too much memory or too many passes for; `image` is opened, not loaded."""
    pixels = image.width * image.height
    memory = pixels * (_WEBP_BYTES_A_PIXEL if mime == "image/webp" else _BYTES_A_PIXEL)
    if mime == "image/jpeg":
        frame = jpeg.frame(raw)
        if frame.scans > limits.scans:
            raise Unreadable(Problem.TOO_LARGE, f"{frame.scans} scans")
        if frame.progressive or frame.scans > 1:  # libjpeg keeps every coefficient, in two bytes, at full size
            memory += 2 * frame.components * declared
    if memory > limits.memory:
        raise Unreadable(Problem.TOO_LARGE, f"{declared} pixels, {memory} bytes")


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Average `factor` x `factor` pixels into one RGB pixel, band by band: no second copy at full size is made."""
    if factor == 1:
        return _flat(image)
    image.load()
    small = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top in range(0, image.height, _BAND * factor):
        band = image.crop((0, top, image.width, min(top + _BAND * factor, image.height)))
        small.paste(_flat(band).reduce(factor), (0, top // factor))
    return small


def _flat(image: Image.Image) -> Image.Image:
    """As RGB, without transparency."""
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion clips at 255 instead of scaling
        grey = np.asarray(image).astype(np.int32)
        return Image.fromarray((grey >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        paper = Image.new("RGB", clear.size, "white")
        paper.paste(clear, mask=clear)
        return paper
    return image.convert("RGB")


def selftest() -> None:
    """Encode and decode a small picture in every format, so that a codec missing in Pillow is found at start.

    Raises:
        Broken: the message says what to do.
    """
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
        out = BytesIO()
        try:
            Image.new("RGB", (16, 16), "white").save(out, form)
            decode(out.getvalue())
        except (Unreadable, OSError, KeyError) as problem:
            raise Broken(f"Pillow cannot read {form} ({problem}); pip install --force-reinstall pillow") from problem
