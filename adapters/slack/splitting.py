"""Styled text cut into pieces that fit into a section."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.cutting import border, cut, trimmed, units, visible
from adapters.markdown import Run, plain
from adapters.slack.mrkdwn import to_mrkdwn

SECTION_LIMIT = 3000  # https://docs.slack.dev/reference/block-kit/blocks/section-block


def sections(runs: Sequence[Run], limit: int = SECTION_LIMIT) -> list[str]:
    """Cut into mrkdwn of at most `limit` units each, best between paragraphs, then lines, then sentences, then words.

    White space at the cuts and pieces with nothing to see are left out; nothing else is lost.
    """
    found: list[str] = []
    rest = trimmed(runs)
    while rest:
        text = plain(rest)
        end = _end(rest, text, limit)
        part, rest = trimmed(cut(rest, 0, end)), trimmed(cut(rest, end, len(text)))
        if visible(plain(part)):
            found.append(to_mrkdwn(part))
    return found


def _end(runs: Sequence[Run], text: str, limit: int) -> int:
    """Where the first piece ends."""

    def fits(end: int) -> bool:
        return units(to_mrkdwn(trimmed(cut(runs, 0, end)))) <= limit

    if len(text) <= limit and fits(len(text)):
        return len(text)
    low, high = 1, min(limit, len(text))  # `low` fits, as far as anything does
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    end = border(text, low)
    while end > 1 and not fits(end):  # a mark at the very end can cost more than the words after it
        end = border(text, end - 1)
    return end
