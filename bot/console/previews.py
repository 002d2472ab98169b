"""How an answer will look on each platform, made by the adapters' own renderers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from adapters.slack.render import render as slack
from adapters.telegram.render import render as telegram
from adapters.web.render import html as web
from core.values import Address, Call, Choice, Reply

_LINK = re.compile(r"<([^<>|\s]+)(?:\|([^<>]*))?>")
_TARGET = re.compile(r'<a href="[^"]*">')
_STYLES = ((r"\*([^*\n]+)\*", "b"), (r"(?<!\w)_([^_\n]+)_(?!\w)", "i"), (r"`([^`\n]+)`", "code"))
_BUTTON = Choice("x", "That's not it")


@dataclass(frozen=True, slots=True)
class Preview:
    """What one platform will show: its messages as safe HTML, in order."""

    platform: str
    messages: tuple[Markup, ...]


def previews(answer: str, pictures: Sequence[str] = ()) -> tuple[Preview, ...]:
    """An answer on every platform; a long one becomes several messages, as it will there.

    Pictures are left to the page; here they only decide which words become a caption.
    """
    if not answer.strip():
        return ()
    reply = Reply(answer, (_BUTTON,), tuple(pictures))
    return (
        Preview("telegram", tuple(_telegram(telegram(Address("telegram", "1", "1"), reply)))),
        Preview("slack", tuple(_slack(slack(Address("slack", "T1", "C1"), reply)))),
        Preview("web", (Markup(web(answer)),)),
    )


def _telegram(calls: Sequence[Call]) -> list[Markup]:
    """What is sent is HTML already where it says so, with nothing but the few tags that Telegram knows."""
    told = []
    for call in calls:
        media = call.arguments.get("media")
        said = media[0] if isinstance(media, list) and media else call.arguments
        text = str(said.get("text") or said.get("caption") or "")
        if text:
            # Links need not lead anywhere here.
            told.append(Markup(_TARGET.sub("<a>", text)) if said.get("parse_mode") == "HTML" else escape(text))
    return told


def _slack(calls: Sequence[Call]) -> list[Markup]:
    """Slack's mrkdwn, near enough: what the adapter escaped stays so, then its few marks become tags."""
    told = []
    for call in calls:
        blocks = call.arguments.get("blocks")
        texts = [block["text"]["text"] for block in blocks if "text" in block] if isinstance(blocks, list) else []
        if texts:
            told.append(Markup("\n").join(_mrkdwn(text) for text in texts))
    return told


def _mrkdwn(text: str) -> Markup:
    """Marks become tags; `&`, `<` and `>` of what people wrote are escaped by the adapter, just as HTML wants them."""
    parts = text.split("```")
    told = [
        f"<pre>{_safe(part).strip()}</pre>" if number % 2 else _styled(_LINK.sub(_linked, part))
        for number, part in enumerate(parts)
    ]
    return Markup("".join(told))


def _linked(found: re.Match[str]) -> str:
    return f"\0{_safe(found[2] or found[1])}\1"


def _styled(text: str) -> str:
    written = _safe(text)
    for mark, tag in _STYLES:
        written = re.sub(mark, rf"<{tag}>\1</{tag}>", written)
    return written.replace("\0", "<a>").replace("\1", "</a>")


def _safe(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;")
