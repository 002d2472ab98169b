"""Replies to lines of the chat; pure."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt

from core.values import Address, Call, Reply


@cache
def _markdown() -> MarkdownIt:
    # No raw HTML: what an answer contains is text, whoever wrote it.
    return MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True}).disable(["image"])


def clean(text: str) -> str:
    """Without what no database or UTF-8 can hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def html(text: str) -> str:
    """The Markdown subset as safe HTML."""
    return str(_markdown().render(clean(text)))


def render(address: Address, reply: Reply) -> tuple[Call, ...]:
    """One call a reply: the browser shows text, pictures and buttons as one line."""
    line = {
        "from": reply.author.role.value,
        "name": reply.author.name,
        "text": clean(reply.text),
        "html": html(reply.text),
        "choices": [{"key": choice.key, "label": clean(choice.label)} for choice in reply.choices],
        "pictures": list(reply.pictures),
    }
    method = "replace" if reply.edits else "show"
    return (Call(method, {"session": address.chat, "line": line, "edits": reply.edits}),)
