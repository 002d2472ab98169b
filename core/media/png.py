"""A PNG file as its chunks.

Source: W3C PNG, third edition, sections 5 (chunk layout) and 11 (chunk specifications), eXIf included.
"""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

from core.errors import Unreadable
from core.media import exif
from core.values import Problem

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 100_000
# Everything that pixels, colours and animation need. Not the others: texts, times, EXIF, private chunks (iDOT holds
# offsets that would be wrong afterwards, caBX a provenance record with names).
NEEDED = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD hIST pHYs sPLT acTL fcTL fdAT".split()
)


def chunks(raw: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Walk the chunks as (name, start, end), length field and checksum included, up to IEND.

    A file that breaks off within its pixels yields what is left of the last chunk.

    Raises:
        Unreadable: DAMAGED, when it breaks off before any pixels, or has more chunks than any writer makes.
    """
    at, in_pixels = len(SIGNATURE), False
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(raw):
            break
        length, name = int.from_bytes(raw[at : at + 4]), raw[at + 4 : at + 8]
        if not name.isalpha():
            break
        in_pixels = in_pixels or name == b"IDAT"
        end = at + 12 + length
        if end > len(raw) and not in_pixels:
            break
        yield name, at, min(end, len(raw))
        if name == b"IEND":
            return
        at = end
    else:
        raise Unreadable(Problem.DAMAGED, "the PNG has too many chunks")
    if not in_pixels:
        raise Unreadable(Problem.DAMAGED, "the PNG breaks off before its pixels")


def dimensions(raw: bytes) -> tuple[int, int]:
    """Width and height in pixels.

    Raises:
        Unreadable: DAMAGED, when the file does not begin with its header.
    """
    if raw[12:16] != b"IHDR" or len(raw) < 33:
        raise Unreadable(Problem.DAMAGED, "the PNG has no header")
    return int.from_bytes(raw[16:20]), int.from_bytes(raw[20:24])


def orientation(raw: bytes) -> int:
    """The orientation of the eXIf chunk, 1 to 8."""
    for name, start, end in chunks(raw):
        if name == b"eXIf":
            return _orientation(raw[start + 8 : end - 4])
    return 1


def strip(raw: bytes) -> bytes:
    """Drop texts, times, EXIF, private chunks and whatever follows the end; an orientation stays."""
    turned = orientation(raw)
    kept = [SIGNATURE]
    for name, start, end in chunks(raw):
        if name in NEEDED or name[:1].isupper():  # an unknown critical chunk is not ours to drop
            kept.append(raw[start:end])
        if name == b"IHDR" and turned != 1:
            kept.append(_packed(b"eXIf", exif.block(turned)))
            turned = 1
    return b"".join(kept)


def _orientation(block: bytes) -> int:
    return exif.orientation(block.removeprefix(b"Exif\0\0"))  # some writers keep JPEG's prefix


def _packed(name: bytes, payload: bytes) -> bytes:
    return len(payload).to_bytes(4) + name + payload + crc32(name + payload).to_bytes(4)
