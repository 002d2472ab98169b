"""Styled text cut into pieces that fit into a section."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from adapters.slack.markdown import Run
from adapters.slack.mrkdwn import to_mrkdwn

SECTION_LIMIT = 3000  # https://docs.slack.dev/reference/block-kit/blocks/section-block

_BORDERS = tuple(
    re.compile(pattern) for pattern in (r"\n\n+", r"\n", r"(?<=[.!?…。！？؟।])[\"'”’»)\]]*\s+|(?<=[。！？])", r"\s+")
)


def units(text: str) -> int:
    """The length of a text in UTF-16 code units, the most that Slack's servers could count."""
    return len(text) + sum(ord(character) > 0xFFFF for character in text)


def visible(text: str) -> bool:
    """Whether there is anything to see in a text; Slack refuses messages without."""
    return any(unicodedata.category(character)[0] not in "ZC" and character != "\u2800" for character in text)


def sections(runs: Sequence[Run], limit: int = SECTION_LIMIT) -> list[str]:
    """Cut into mrkdwn of at most `limit` units each, best between paragraphs, then lines, then sentences, then words.

    White space at the cuts and pieces with nothing to see are left out; nothing else is lost.
    """
    found: list[str] = []
    rest = _trimmed(runs)
    while rest:
        text = "".join(run.text for run in rest)
        end = _end(rest, text, limit)
        part, rest = _trimmed(_slice(rest, 0, end)), _trimmed(_slice(rest, end, len(text)))
        if visible("".join(run.text for run in part)):
            found.append(to_mrkdwn(part))
    return found


def _end(runs: Sequence[Run], text: str, limit: int) -> int:
    """Where the first piece ends."""

    def fits(end: int) -> bool:
        return units(to_mrkdwn(_trimmed(_slice(runs, 0, end)))) <= limit

    if len(text) <= limit and fits(len(text)):
        return len(text)
    low, high = 1, min(limit, len(text))  # `low` fits, as far as anything does
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    end = _border(text, low)
    while end > 1 and not fits(end):  # a mark at the very end can cost more than the words after it
        end = _border(text, end - 1)
    return end


def _border(text: str, room: int) -> int:
    """The best place for a cut at or before `room`, not so early that a piece would be nearly empty."""
    for pattern in _BORDERS:
        ends = [match.end() for match in pattern.finditer(text, 0, room) if match.end() > room // 3]
        if ends:
            return ends[-1]
    end = room
    while room - end < 64 and end > 1 and end < len(text) and _glued(text, end):
        end -= 1
    return end if end > 1 and not (end < len(text) and _glued(text, end)) else room


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


def _slice(runs: Sequence[Run], start: int, end: int) -> tuple[Run, ...]:
    """The runs between two character positions."""
    found: list[Run] = []
    at = 0
    for run in runs:
        text = run.text[max(start - at, 0) : max(end - at, 0)]
        if text:
            found.append(Run(text, run.style))
        at += len(run.text)
    return tuple(found)


def _trimmed(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Without the white space at both ends; the indentation of code at the start stays."""
    text = "".join(run.text for run in runs)
    start = len(text) - len(text.lstrip())
    first = next((run for run in runs if run.text.strip()), None)
    if start and first is not None and first.style.block:
        start = text.rfind("\n", 0, start) + 1
    return _slice(runs, start, max(len(text.rstrip()), start))
