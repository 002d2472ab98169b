"""A JPEG file as its segments.

Source: ITU-T T.81 annex B (markers), JFIF 1.02, ICC.1 annex B.4, Exif 2.32 section 4.7. What stands between segments
is skipped as libjpeg skips it, so a slightly damaged file still loses its GPS position.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import Unreadable
from core.media import exif
from core.values import Problem

SOI, EOI, SOS, COM = 0xD8, 0xD9, 0xDA, 0xFE
APP0, APP1, APP2, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
ALONE = frozenset({0x01, *range(0xD0, SOS)})  # markers without a length
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
MOST_SEGMENTS = 10_000

_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # neither a stuffed byte nor a restart


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker and its payload; for a scan `end` lies behind the compressed pixels that follow the payload."""

    marker: int
    start: int
    payload: int
    end: int


@dataclass(frozen=True, slots=True)
class Frame:
    """What decoding will cost: the size in pixels, the components, whether and in how many scans it is refined."""

    width: int
    height: int
    components: int
    progressive: bool
    scans: int


def segments(raw: bytes) -> Iterator[Segment]:
    """Walk the segments up to the end of the picture, whatever follows it.

    Raises:
        Unreadable: DAMAGED, when the headers break off before the first scan, or there are more than a camera writes.
    """
    at, in_pixels = 0, False
    for _ in range(MOST_SEGMENTS):
        found = _MARKER.search(raw, at)
        if found is None:
            break
        start, marker = found.start(), raw[found.start() + 1]
        payload = start + 2
        if marker in ALONE:
            yield Segment(marker, start, payload, payload)
            if marker == EOI:
                return
            at = payload
            continue
        length = int.from_bytes(raw[payload : payload + 2])
        end = payload + length
        if length < 2 or end > len(raw):
            break
        if marker == SOS:
            in_pixels = True
            following = _MARKER_IN_SCAN.search(raw, end)
            end = following.start() if following else len(raw)
        yield Segment(marker, start, payload + 2, end)
        at = end
    else:
        raise Unreadable(Problem.DAMAGED, "the JPEG has too many segments")
    if not in_pixels:
        raise Unreadable(Problem.DAMAGED, "the JPEG breaks off in its headers")


def frame(raw: bytes) -> Frame:
    """Read the frame header and count the scans; needs one pass over the file, no decoding.

    Raises:
        Unreadable: DAMAGED, when there is no frame header.
    """
    head: tuple[int, int, int, bool] | None = None
    scans = 0
    for segment in segments(raw):
        if segment.marker in FRAMES and head is None:
            head = _head(raw, segment)
        scans += segment.marker == SOS
    if head is None:
        raise Unreadable(Problem.DAMAGED, "the JPEG has no frame header")
    return Frame(*head, scans)


def dimensions(raw: bytes) -> tuple[int, int]:
    """Width and height in pixels, as stored (before any turning).

    Raises:
        Unreadable: DAMAGED, when there is no frame header.
    """
    for segment in segments(raw):
        if segment.marker in FRAMES:
            return _head(raw, segment)[:2]
    raise Unreadable(Problem.DAMAGED, "the JPEG has no frame header")


def orientation(raw: bytes) -> int:
    """The EXIF orientation, 1 to 8; only the first EXIF block counts."""
    for segment in segments(raw):
        if _is_exif(raw, segment):
            return exif.orientation(raw[segment.payload + 6 : segment.end])
        if segment.marker == SOS:
            break
    return 1


def strip(raw: bytes) -> bytes:
    """Drop EXIF, XMP, IPTC, comments, thumbnails, further pictures and whatever follows the picture.

    What pixels and colours need stays: JFIF, Adobe, ICC, and an EXIF block with nothing but the orientation.
    """
    turned = 1
    seen_exif = False
    kept: list[bytes] = []
    front = 1  # where our EXIF block goes: behind SOI, and behind JFIF if that comes first
    for segment in segments(raw):
        if _is_exif(raw, segment) and not seen_exif:
            seen_exif = True
            turned = exif.orientation(raw[segment.payload + 6 : segment.end])
        if APP0 <= segment.marker <= APP15 or segment.marker == COM:
            piece = _needed(raw, segment)
            if piece and segment.marker == APP0 and len(kept) == 1:
                front = 2
        else:
            piece = raw[segment.start : segment.end]
        if piece:
            kept.append(piece)
    if turned != 1:
        kept.insert(front, _packed(APP1, b"Exif\0\0" + exif.block(turned)))
    return b"".join(kept)


def _needed(raw: bytes, segment: Segment) -> bytes:
    """What remains of an application segment: all, the head without the thumbnail, or nothing."""
    payload = raw[segment.payload : segment.end]
    if segment.marker == APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 14:
        return _packed(APP0, payload[:12] + b"\0\0")
    if (segment.marker == APP2 and payload.startswith(b"ICC_PROFILE\0")) or (
        segment.marker == APP14 and payload.startswith(b"Adobe")
    ):
        return raw[segment.start : segment.end]
    return b""


def _head(raw: bytes, segment: Segment) -> tuple[int, int, int, bool]:
    fields = raw[segment.payload : segment.end]
    if len(fields) < 6:
        raise Unreadable(Problem.DAMAGED, "the JPEG's frame header is too short")
    height, width = int.from_bytes(fields[1:3]), int.from_bytes(fields[3:5])
    return width, height, fields[5], segment.marker in PROGRESSIVE


def _is_exif(raw: bytes, segment: Segment) -> bool:
    return segment.marker == APP1 and raw[segment.payload : segment.payload + 5] == b"Exif\0"


def _packed(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2) + payload
