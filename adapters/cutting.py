"""Styled text cut where a reader would pause."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from adapters.markdown import Mark, Run, plain

_BORDERS = tuple(
    re.compile(pattern) for pattern in (r"\n\n+", r"\n", r"(?<=[.!?…。！？؟।])[\"'”’»)\]]*\s+|(?<=[。！？])", r"\s+")
)
_LONGEST_SIGN = 64  # characters, beyond which an emoji of several parts is cut all the same


def units(text: str) -> int:
    """The length of a text in UTF-16 code units, as Telegram counts it and the most that Slack could count."""
    return len(text) + sum(ord(character) > 0xFFFF for character in text)


def visible(text: str) -> bool:
    """Whether there is anything to see in a text; platforms refuse messages without."""
    return any(unicodedata.category(character)[0] not in "ZC" and character != "\u2800" for character in text)


def cut(runs: Sequence[Run], start: int, end: int) -> tuple[Run, ...]:
    """The runs between two character positions."""
    found: list[Run] = []
    at = 0
    for run in runs:
        text = run.text[max(start - at, 0) : max(end - at, 0)]
        if text:
            found.append(Run(text, run.styles))
        at += len(run.text)
    return tuple(found)


def trimmed(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Without the white space at both ends; the indentation of code at the start stays."""
    text = plain(runs)
    start = len(text) - len(text.lstrip())
    first = next((run for run in runs if run.text.strip()), None)
    if start and first is not None and first.has(Mark.BLOCK):
        start = text.rfind("\n", 0, start) + 1
    return cut(runs, start, max(len(text.rstrip()), start))


def border(text: str, room: int) -> int:
    """The best place for a cut at or before `room`, not so early that a piece would be nearly empty.

    Best between paragraphs, then lines, then sentences, then words; never inside a sign of several characters.
    """
    for pattern in _BORDERS:
        ends = [match.end() for match in pattern.finditer(text, 0, room) if match.end() > room // 3]
        if ends:
            return ends[-1]
    for end in range(room, max(room - _LONGEST_SIGN, 1), -1):
        if end == len(text) or not _glued(text, end):
            return end
    return room


def _glued(text: str, at: int) -> bool:
    """Whether the characters on both sides of a position make up one sign, such as an emoji of several parts."""
    left, right = text[at - 1], text[at]
    if "\u200d" in (left, right) or unicodedata.category(right) in {"Mn", "Me", "Mc"}:
        return True
    if "\U0001f3fb" <= right <= "\U0001f3ff":  # a skin tone
        return True
    flags = 0
    while flags < at and "\U0001f1e6" <= text[at - 1 - flags] <= "\U0001f1ff":
        flags += 1
    return flags % 2 == 1 and "\U0001f1e6" <= right <= "\U0001f1ff"
