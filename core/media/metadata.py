"""A file without what its owner did not mean to send."""

from __future__ import annotations

from collections.abc import Callable

from core.errors import Unreadable
from core.media import boxes, gif, jpeg, png, sound, webp
from core.values import Problem

PIXELS = 250_000_000
"""More than the largest phone camera takes (200 megapixels): what declares more is refused at the door."""

_STRIP: dict[str, Callable[[bytes], bytes]] = {
    "image/jpeg": jpeg.strip,
    "image/png": png.strip,
    "image/webp": webp.strip,
    "image/gif": gif.strip,
    "audio/mp4": boxes.strip,
    "video/mp4": boxes.strip,
    "video/quicktime": boxes.strip,
    "audio/mpeg": sound.strip,
    "audio/aac": sound.strip,
    "audio/flac": sound.strip,
    "audio/wav": sound.strip_wave,
}


def strip(raw: bytes, mime: str) -> bytes:
    """Remove metadata without touching pixels or sound; `mime` is the one that `sniff` found.

    JPEG, PNG, WebP and GIF keep colours, animation and orientation and lose everything else; MP4 and MOV keep their
    length and lose their user data; MP3, AAC, FLAC and WAVE lose their tags. Other formats come back as they are.
    Stripping twice changes nothing.

    Raises:
        Unreadable: DAMAGED, when the file breaks off before there is anything to see.
    """
    stripping = _STRIP.get(mime)
    return stripping(raw) if stripping else raw


def dimensions(raw: bytes, mime: str) -> tuple[int, int]:
    """Read width and height in pixels from the headers, as stored (before any turning).

    Raises:
        Unreadable: DAMAGED for malformed headers or an empty picture, FORMAT for formats we do not read.
    """
    reading = {
        "image/jpeg": jpeg.dimensions,
        "image/png": png.dimensions,
        "image/webp": webp.dimensions,
        "image/gif": gif.dimensions,
        "image/bmp": _bmp_dimensions,
    }.get(mime)
    if reading is None:
        raise Unreadable(Problem.FORMAT, mime)
    width, height = reading(raw)
    if width < 1 or height < 1:
        raise Unreadable(Problem.DAMAGED, f"a picture of {width} x {height} pixels")
    return width, height


def orientation(raw: bytes, mime: str) -> int:
    """How the picture must be turned to stand upright: EXIF's 1 to 8, 1 for as it is.

    Raises:
        Unreadable: DAMAGED, when the file breaks off before there is anything to see.
    """
    reading = {"image/jpeg": jpeg.orientation, "image/png": png.orientation, "image/webp": webp.orientation}.get(mime)
    return reading(raw) if reading else 1


def _bmp_dimensions(raw: bytes) -> tuple[int, int]:
    """Read a Windows bitmap's header (BITMAPCOREHEADER or BITMAPINFOHEADER); a negative height means top-down."""
    if len(raw) < 26:
        raise Unreadable(Problem.DAMAGED, "the BMP has no header")
    if int.from_bytes(raw[14:18], "little") == 12:
        return int.from_bytes(raw[18:20], "little"), int.from_bytes(raw[20:22], "little")
    width, height = (int.from_bytes(raw[at : at + 4], "little", signed=True) for at in (18, 22))
    return width, abs(height)
