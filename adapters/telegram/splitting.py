"""Styled text cut into messages of Telegram's size, written in Telegram's HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import urlsplit

from adapters.cutting import border, cut, trimmed, visible
from adapters.markdown import Mark, Run, Style, plain

TEXT_LIMIT = 4096  # UTF-16 units after parsing: https://core.telegram.org/bots/api#sendmessage
CAPTION_LIMIT = 1024  # https://core.telegram.org/bots/api#sendphoto
ENTITY_LIMIT = 100  # what comes after silently loses its style

_TAGS = {
    Mark.BOLD: "b",
    Mark.ITALIC: "i",
    Mark.CODE: "code",
    Mark.BLOCK: "pre",
    Mark.QUOTE: "blockquote",
    Mark.LINK: "a",
}


def split(runs: Sequence[Run], limit: int = TEXT_LIMIT) -> list[tuple[Run, ...]]:
    """Cut into parts of at most `limit` units and 100 entities, best between paragraphs, then sentences, then words.

    White space at the cuts and parts with nothing to see are left out; nothing else is lost.
    """
    parts: list[tuple[Run, ...]] = []
    rest = trimmed(runs)
    while rest:
        text = plain(rest)
        room = _room(rest, text, limit)
        end = room if room == len(text) else border(text, room)
        part, rest = trimmed(cut(rest, 0, end)), trimmed(cut(rest, end, len(text)))
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


def linkable(url: str) -> bool:
    """Whether Telegram makes a link of it: http(s) with a dotted host, or tg."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "tg":
        return bool(parts.netloc)
    return parts.scheme in {"http", "https"} and "." in (parts.hostname or "").strip(".")


def _opening(style: Style) -> str:
    if style.mark is Mark.LINK:
        return f'<a href="{escape(style.value)}">'
    if style.mark is Mark.BLOCK and style.value:
        return f'<pre><code class="language-{escape(style.value)}">'
    return f"<{_TAGS[style.mark]}>"


def _closing(style: Style) -> str:
    return "</code></pre>" if style.mark is Mark.BLOCK and style.value else f"</{_TAGS[style.mark]}>"


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
