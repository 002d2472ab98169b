"""Styled text cut into messages of Telegram's size, written in Telegram's HTML."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from html import escape

from adapters.telegram.markdown import Run, Style

TEXT_LIMIT = 4096  # UTF-16 units after parsing: https://core.telegram.org/bots/api#sendmessage
CAPTION_LIMIT = 1024  # https://core.telegram.org/bots/api#sendphoto
ENTITY_LIMIT = 100  # what comes after silently loses its style

_BORDERS = tuple(
    re.compile(pattern) for pattern in (r"\n\n+", r"\n", r"(?<=[.!?…。！？؟।])[\"'”’»)\]]*\s+|(?<=[。！？])", r"\s+")
)


def units(text: str) -> int:
    """The length of a text as Telegram counts it: in UTF-16 code units."""
    return len(text) + sum(ord(character) > 0xFFFF for character in text)


def visible(text: str) -> bool:
    """Whether there is anything to see in a text; Telegram refuses messages without."""
    return any(unicodedata.category(character)[0] not in "ZC" and character != "\u2800" for character in text)


def plain(runs: Sequence[Run]) -> str:
    """What a person sees."""
    return "".join(run.text for run in runs)


def split(runs: Sequence[Run], limit: int = TEXT_LIMIT) -> list[tuple[Run, ...]]:
    """Cut into parts of at most `limit` units and 100 entities, best between paragraphs, then sentences, then words.

    White space at the cuts and parts with nothing to see are left out; nothing else is lost.
    """
    parts: list[tuple[Run, ...]] = []
    rest = _trimmed(runs)
    while rest:
        text = plain(rest)
        room = _room(rest, text, limit)
        end = room if room == len(text) else _border(text, room)
        part, rest = _trimmed(_slice(rest, 0, end)), _trimmed(_slice(rest, end, len(text)))
        if visible(plain(part)):
            parts.append(part)
    return parts


def to_html(runs: Sequence[Run]) -> str:
    """Telegram's HTML: https://core.telegram.org/bots/api#html-style; every tag opened is closed, innermost first."""
    out: list[str] = []
    open_: list[Style] = []
    for run in runs:
        shared = 0
        while shared < min(len(open_), len(run.styles)) and open_[shared] == run.styles[shared]:
            shared += 1
        out.extend(_closing(style) for style in reversed(open_[shared:]))
        out.extend(_opening(style) for style in run.styles[shared:])
        open_ = list(run.styles)
        out.append(escape(run.text, quote=False))
    out.extend(_closing(style) for style in reversed(open_))
    return "".join(out)


def _opening(style: Style) -> str:
    tag, value = style
    if tag == "a":
        return f'<a href="{escape(value)}">'
    if tag == "pre" and value:
        return f'<pre><code class="language-{escape(value)}">'
    return f"<{tag}>"


def _closing(style: Style) -> str:
    tag, value = style
    return "</code></pre>" if tag == "pre" and value else f"</{tag}>"


def _slice(runs: Sequence[Run], start: int, end: int) -> tuple[Run, ...]:
    """The runs between two character positions."""
    found: list[Run] = []
    at = 0
    for run in runs:
        text = run.text[max(start - at, 0) : max(end - at, 0)]
        if text:
            found.append(Run(text, run.styles))
        at += len(run.text)
    return tuple(found)


def _trimmed(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Without the white space at both ends; the indentation of code at the start stays."""
    text = plain(runs)
    start = len(text) - len(text.lstrip())
    if start and any(tag == "pre" for tag, _ in next(_styles_at(runs, start), ())):
        start = text.rfind("\n", 0, start) + 1
    return _slice(runs, start, max(len(text.rstrip()), start))


def _styles_at(runs: Sequence[Run], position: int) -> Iterator[tuple[Style, ...]]:
    at = 0
    for run in runs:
        at += len(run.text)
        if at > position:
            yield run.styles


def _room(runs: Sequence[Run], text: str, limit: int) -> int:
    """How many characters fit into one message."""
    entities = used = at = 0
    before: tuple[Style, ...] = ()
    for run in runs:
        shared = sum(1 for one, other in zip(before, run.styles, strict=False) if one == other)
        entities += len(run.styles) - shared
        if entities > ENTITY_LIMIT:
            return at
        for character in run.text:
            used += 2 if ord(character) > 0xFFFF else 1
            if used > limit:
                return at
            at += 1
        before = run.styles
    return len(text)


def _border(text: str, room: int) -> int:
    """The best place for a cut at or before `room`, not so early that a message would be nearly empty."""
    for pattern in _BORDERS:
        ends = [match.end() for match in pattern.finditer(text, 0, room) if match.end() > room // 3]
        if ends:
            return ends[-1]
    end = room
    for _ in range(64):
        if end <= 1 or not _glued(text, end):
            return max(end, 1)
        end -= 1
    return room


def _glued(text: str, at: int) -> bool:
    """Whether the characters on both sides of a position make up one sign, such as an emoji of several parts."""
    left, right = text[at - 1], text[at]
    if right == "\u200d" or left == "\u200d" or unicodedata.category(right) in {"Mn", "Me", "Mc"}:
        return True
    if "\U0001f3fb" <= right <= "\U0001f3ff":
        return True
    flags = 0
    while flags < at and "\U0001f1e6" <= text[at - 1 - flags] <= "\U0001f1ff":
        flags += 1
    return flags % 2 == 1 and "\U0001f1e6" <= right <= "\U0001f1ff"
