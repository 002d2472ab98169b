"""The plain words of a Slack message, as its author saw them.

Syntax: https://docs.slack.dev/messaging/formatting-message-text#how-to-retrieve-messages
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.fields import items, string

_MARK = re.compile(r"<([^<>\n]+)>")
_EMOJI = re.compile(r":([a-z0-9_+'-]+(?:::skin-tone-[2-6])?):")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DEEPEST = 8  # levels of a rich text that are looked at


def plain(text: str, emoji: Mapping[str, str] | None = None) -> str:
    """Undo Slack's escapes: links, mentions and channels become what people read, `emoji` names their signs."""
    spelled = _MARK.sub(_spelled, text)
    if emoji:
        spelled = _EMOJI.sub(lambda name: emoji.get(name[1], name[0]), spelled)
    return spelled.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def mentions(text: str, user: str) -> bool:
    """Whether the text names this user."""
    return _mention(user).search(text) is not None


def without_mention(text: str, user: str) -> str:
    """The text without "@user" and without the hole it leaves: "hey @us, where?" becomes "hey, where?"."""
    joined = ""
    for number, piece in enumerate(_mention(user).split(text)):
        if number == 0:
            joined = piece.lstrip().rstrip(" \t")
        elif not joined:
            joined = piece.lstrip(" \t\n,:;–—-")
        elif joined.endswith("\n"):
            joined += piece.lstrip(" \t")
        else:
            right = piece.lstrip(" \t")
            joined = joined.rstrip(" \t") + ("" if not right or right[0] in ",.!?;:\n" else " ") + right
    return joined.strip()


def emoji_of(blocks: object) -> dict[str, str]:
    """The signs behind `:names:`, as far as the rich text in the message tells them."""
    found: dict[str, str] = {}
    for element in _elements(blocks, 0):
        if string(element, "type") == "emoji" and (codes := string(element, "unicode")):
            tone = element.get("skin_tone")
            name = string(element, "name") + (f"::skin-tone-{tone}" if isinstance(tone, int) else "")
            try:
                found[name] = "".join(chr(int(code, 16)) for code in codes.split("-"))
            except (ValueError, OverflowError):
                continue
    return found


def _elements(source: object, depth: int) -> Iterator[dict[str, Any]]:
    if depth < _DEEPEST:
        for element in items({"": source}, ""):
            yield element
            yield from _elements(element.get("elements"), depth + 1)


def _mention(user: str) -> re.Pattern[str]:
    return re.compile(rf"<@{re.escape(user)}(?:\|[^<>\n]*)?>")


def _spelled(mark: re.Match[str]) -> str:
    inner, _, label = mark[1].partition("|")
    if not inner:
        return mark[0]
    if inner[0] in "@#":
        return inner[0] + (label or inner[1:])
    if inner[0] == "!":
        return label or "@" + inner[1:].partition("^")[0]
    if not (scheme := _SCHEME.match(inner)):
        return mark[0]
    target = inner[scheme.end() :] if scheme[0].lower() in {"mailto:", "tel:"} else inner
    # Slack labels an address typed without its scheme; what is no part of the address was written over it by hand.
    return label if label and label in inner else f"{label} ({target})" if label else target
