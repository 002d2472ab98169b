"""How an answer will look on each platform, made by the adapters' own renderers."""

from __future__ import annotations

import html
import re

from adapters.slack.render import render as slack

from adapters.telegram.render import render as telegram
from adapters.web.render import html as web
from core.values import Address, Call, Reply

_LINK = re.compile(r"&lt;(https?://[^|&\s]+)(?:\|([^&]*?))?&gt;")
_STYLES = ((r"\*([^*\n]+)\*", "b"), (r"(?<![\w])_([^_\n]+)_(?![\w])", "i"), (r"`([^`\n]+)`", "code"))


def previews(answer: str) -> list[tuple[str, list[str]]]:
    """(platform, messages as safe HTML); a long answer becomes several messages, as the platform will show it."""
    if not answer.strip():
        return []
    reply = Reply(answer)
    return [
        ("telegram", [_telegram(call) for call in telegram(Address("telegram", "1", "1"), reply)]),
        ("slack", [_slack(call) for call in slack(Address("slack", "T1", "C1"), reply)]),
        ("web", [web(answer)]),
    ]


def _telegram(call: Call) -> str:
    # What the adapter sends is HTML already, with nothing but the few tags that Telegram knows.
    return str(call.arguments.get("text", ""))


def _slack(call: Call) -> str:
    """Slack's mrkdwn, near enough: the adapter's text is escaped first, then its few marks become tags."""
    text = html.escape(html.unescape(str(call.arguments.get("text", ""))), quote=True)
    for mark, tag in _STYLES:
        text = re.sub(mark, rf"<{tag}>\1</{tag}>", text)
    return _LINK.sub(lambda found: f'<a href="{found[1]}" rel="noopener">{found[2] or found[1]}</a>', text)
