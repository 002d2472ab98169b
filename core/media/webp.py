"""A WebP file as its RIFF chunks.

Source: RFC 9649 sections 2 (container) and 3 (lossless header), RFC 6386 section 9.1 (lossy header).
"""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import Unreadable
from core.media import exif
from core.values import Problem

# EXIF, XMP and unknown chunks are not among them.
NEEDED = frozenset({b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"})
MOST_CHUNKS = 100_000
EXIF_FLAG, XMP_FLAG = 0x08, 0x04


def chunks(raw: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Walk the chunks as (name, start of payload, end of payload).

    Raises:
        Unreadable: DAMAGED, when a chunk ends behind the file or behind the size that the file claims, or there are
            more than any film has.
    """
    stop = 8 + int.from_bytes(raw[4:8], "little")
    if stop > len(raw):
        raise Unreadable(Problem.DAMAGED, "the WebP breaks off")
    at = 12
    for _ in range(MOST_CHUNKS):
        if at + 8 > stop:
            return
        name, length = raw[at : at + 4], int.from_bytes(raw[at + 4 : at + 8], "little")
        start, end = at + 8, at + 8 + length
        if end > stop:
            raise Unreadable(Problem.DAMAGED, "a chunk of the WebP breaks off")
        yield name, start, end
        at = end + length % 2
    raise Unreadable(Problem.DAMAGED, "the WebP has too many chunks")


def dimensions(raw: bytes) -> tuple[int, int]:
    """Width and height of the canvas in pixels.

    Raises:
        Unreadable: DAMAGED, when the header is not one of the three kinds there are.
    """
    name, body = raw[12:16], raw[20:30]
    if name == b"VP8X" and len(body) == 10:
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if name == b"VP8 " and body[3:6] == b"\x9d\x01\x2a" and len(body) == 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if name == b"VP8L" and body[:1] == b"\x2f" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise Unreadable(Problem.DAMAGED, "the WebP has no header")


def orientation(raw: bytes) -> int:
    """The orientation of the EXIF chunk, 1 to 8."""
    for name, start, end in chunks(raw):
        if name == b"EXIF":
            return exif.orientation(raw[start:end].removeprefix(b"Exif\0\0"))  # some writers keep JPEG's prefix
    return 1


def strip(raw: bytes) -> bytes:
    """Drop EXIF, XMP, unknown chunks and whatever follows the end; an orientation stays."""
    turned = orientation(raw)
    kept: list[bytes] = []
    extended = False
    for name, start, end in chunks(raw):
        body = raw[start:end]
        if name == b"VP8X" and body:
            extended = True
            flags = body[0] & ~(EXIF_FLAG | XMP_FLAG) | (EXIF_FLAG if turned != 1 else 0)
            body = bytes((flags,)) + body[1:]
        if name in NEEDED:
            kept.append(_packed(name, body))
    if turned != 1 and extended:  # without VP8X there is no place for it, and readers would not look
        kept.append(_packed(b"EXIF", exif.block(turned)))
    content = b"WEBP" + b"".join(kept)
    return b"RIFF" + len(content).to_bytes(4, "little") + content


def _packed(name: bytes, payload: bytes) -> bytes:
    return name + len(payload).to_bytes(4, "little") + payload + b"\0" * (len(payload) % 2)
