"""An MP4, M4A, MOV or HEIC file as its boxes.

Source: ISO/IEC 14496-12 sections 4.2 (boxes), 8.4.3 (handler), 8.10 (user data and copyright, where phones put the
GPS position).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

MOST_BOXES = 10_000
EACH_SAMPLE = 0xF00  # the flags of a track run that lists something for each sample
TALKATIVE = {b"udta", b"meta", b"uuid"}
_TABLE = re.compile(rb"stsz|trun")
_COMPRESSED = re.compile(rb"cmov.{4}dcom", re.S)


def boxes(raw: bytes, at: int = 0, stop: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Walk the boxes of a level as (name, start of payload, end); stops quietly at the first one that is malformed."""
    stop = len(raw) if stop is None else stop
    for _ in range(MOST_BOXES):
        size, name = int.from_bytes(raw[at : at + 4]), raw[at + 4 : at + 8]
        start = at + 8
        if size == 1:
            size, start = int.from_bytes(raw[at + 8 : at + 16]), at + 16
        elif size == 0:
            size = stop - at
        if len(name) < 4 or at + size > stop or at + size < start:
            return
        yield name, start, at + size
        at += size


def tracks(raw: bytes) -> set[bytes]:
    """The kinds of the tracks, `soun` and `vide` among them; empty when the index cannot be read."""
    kinds = set()
    for name, start, end in boxes(raw):
        if name != b"moov":
            continue
        for track, track_start, track_end in boxes(raw, start, end):
            if track != b"trak":
                continue
            for media, media_start, media_end in boxes(raw, track_start, track_end):
                if media != b"mdia":
                    continue
                kinds |= {raw[at + 8 : at + 12] for box, at, _ in boxes(raw, media_start, media_end) if box == b"hdlr"}
    return kinds


def promised(raw: bytes) -> int:
    """How many samples the tables claim without listing them: a few bytes can promise billions.

    The tables are searched for everywhere, since readers find them in places where no writer puts them. What a
    compressed index (QuickTime's `cmov`) promises cannot be told, so it counts as endless.
    """
    if _COMPRESSED.search(raw):
        return sys.maxsize
    total = 0
    for found in _TABLE.finditer(raw):
        at = found.end() + (8 if raw[found.start() - 4 : found.start()] == b"\0\0\0\1" else 0)
        flags, first, second = (int.from_bytes(raw[start : start + 4]) for start in (at, at + 4, at + 8))
        if found[0] == b"stsz":
            size = int.from_bytes(raw[found.start() - 4 : found.start()])
            plausible = size in (0, 1) or 20 <= size <= len(raw)  # else it is sound that happens to spell the name
            total += second if first and plausible else 0
        elif not flags & EACH_SAMPLE:
            total += first
    return total


def strip(raw: bytes) -> bytes:
    """Blank user data (place, device, titles) in place, so that no offset into the file changes."""
    blanked = bytearray(raw)
    for start, end in _talkative(raw, 0, len(raw)):
        blanked[start - 4 : start] = b"free"
        blanked[start:end] = bytes(end - start)
    return bytes(blanked)


def _talkative(raw: bytes, at: int, stop: int) -> Iterator[tuple[int, int]]:
    for name, start, end in boxes(raw, at, stop):
        if name in TALKATIVE and raw[start - 4 : start] == name:  # not one with a 64-bit size: none is that long
            yield start, end
        elif name in (b"moov", b"trak"):
            yield from _talkative(raw, start, end)
