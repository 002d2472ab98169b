"""The Markdown subset of answers and messages, as safe HTML for the console."""

from __future__ import annotations

from adapters.web.render import html as _web

__all__ = ["html"]


def html(text: str) -> str:
    """What the web chat would show; raw HTML stays text."""
    return _web(text)
