"""A GIF file as its blocks.

Source: CompuServe GIF89a specification, sections 15 to 27.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.errors import Unreadable
from core.values import Problem

EXTENSION, PICTURE, TRAILER = 0x21, 0x2C, 0x3B
CONTROL, APPLICATION = 0xF9, 0xFF
LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")  # the application blocks that change what is seen
HEAD = 13
MOST_BLOCKS = 100_000
MOST_SUB_BLOCKS = 1_000_000
_BEGIN = re.compile(rb"[\x21\x2c\x3b]")


def blocks(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """Walk the blocks behind the header as (kind, start, end): PICTURE, an extension's label, or TRAILER.

    What stands between blocks is skipped. A file that breaks off within a picture yields what is left of it.

    Raises:
        Unreadable: DAMAGED, when it breaks off before the first picture's pixels, or has more blocks than any film.
    """
    at, in_pixels = _colours(raw, HEAD, 10), False
    for _ in range(MOST_BLOCKS):
        found = _BEGIN.search(raw, at)
        if found is None:
            break
        at = found.start()
        start, kind = at, raw[at]
        if kind == TRAILER:
            yield TRAILER, start, start + 1
            return
        if kind == EXTENSION and at + 2 <= len(raw):
            kind, at = raw[at + 1], at + 2
        elif kind == PICTURE and at + 10 < len(raw):
            at = _colours(raw, at + 10, at + 9) + 1  # the byte behind the colours is LZW's code size
            in_pixels = in_pixels or at < len(raw)
        else:
            break
        end = _end_of_sub_blocks(raw, at)
        if end > len(raw) and not in_pixels:
            break
        yield kind, start, min(end, len(raw))
        at = end
    else:
        raise Unreadable(Problem.DAMAGED, "the GIF has too many blocks")
    if not in_pixels:
        raise Unreadable(Problem.DAMAGED, "the GIF breaks off before its pixels")


def dimensions(raw: bytes) -> tuple[int, int]:
    """Width and height in pixels: the screen, or as far as the first picture reaches beyond it.

    Raises:
        Unreadable: DAMAGED, when there is no picture.
    """
    if len(raw) < HEAD:
        raise Unreadable(Problem.DAMAGED, "the GIF has no header")
    width, height = int.from_bytes(raw[6:8], "little"), int.from_bytes(raw[8:10], "little")
    for kind, start, _ in blocks(raw):
        if kind == PICTURE and raw[start] == PICTURE:
            left, top, across, down = (
                int.from_bytes(raw[start + field : start + field + 2], "little") for field in (1, 3, 5, 7)
            )
            return max(width, left + across), max(height, top + down)
    raise Unreadable(Problem.DAMAGED, "the GIF has no picture")


def strip(raw: bytes) -> bytes:
    """Drop comments, texts, XMP, unknown extensions and whatever follows the end."""
    kept = [raw[: _colours(raw, HEAD, 10)]]
    for kind, start, end in blocks(raw):
        is_extension = raw[start] == EXTENSION
        if not is_extension or kind == CONTROL or (kind == APPLICATION and raw[start + 3 : start + 14] in LOOPS):
            kept.append(raw[start:end])
    return b"".join(kept)


def _colours(raw: bytes, at: int, flags: int) -> int:
    """Where a colour table that begins at `at`, announced in the byte at `flags`, ends."""
    flag = raw[flags] if flags < len(raw) else 0
    return at + (3 << (flag & 7) + 1 if flag & 0x80 else 0)


def _end_of_sub_blocks(raw: bytes, at: int) -> int:
    """The position behind the sub-blocks that begin at `at`; behind the file when they do not end."""
    for _ in range(MOST_SUB_BLOCKS):
        if at >= len(raw):
            break
        length = raw[at]
        at += 1 + length
        if length == 0:
            return at
    return len(raw) + 1
