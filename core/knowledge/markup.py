"""What in an answer's Markdown will not look as it was meant.

The subset that every platform renders: bold, italic, code, links, lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

_SCHEMES = ("http", "https", "mailto", "tel")
_BLOCKS = {
    "heading_open": "a heading (#)",
    "blockquote_open": "a quotation (>)",
    "hr": "a ruler (---)",
    "html_block": "HTML",
}
_LEFT_OVER = (
    (re.compile(r"\*\*"), "** without its partner: bold is **text**, with no space inside the stars"),
    (re.compile(r"`"), "` without its partner: code is `text`"),
    (re.compile(r"(?<![\w*])\*(?=[^\W_])"), "* without its partner: italic is *text*; a plain star is \\*"),
    (
        re.compile(r"\]\s?\(|\]\s*\(\w+://"),
        "a link that is none: it is [text](https://...), without spaces in the address",
    ),
)


@cache
def _parser() -> MarkdownIt:
    # Escaped characters stay apart from text, so that "\*" is not taken for a star left over.
    return MarkdownIt("commonmark").disable("text_join")


def markup_problems(text: str) -> tuple[str, ...]:
    """One sentence for each kind of problem in a Markdown text; empty when there is none."""
    return tuple(dict.fromkeys(_problems(text)))


def _problems(text: str) -> Iterator[str]:
    for token in _parser().parse(text):
        if token.type in _BLOCKS:
            yield f"{_BLOCKS[token.type]} is not shown on every platform"
        if token.children:
            yield from _inline(token.children)


def _inline(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "image":
            yield "a picture in the text is not shown; list it under media instead"
        elif token.type == "html_inline":
            yield "HTML is not shown on every platform"
        elif token.type == "link_open":
            address = str(token.attrs.get("href", ""))
            if urlsplit(address).scheme not in _SCHEMES:
                yield f'a link to "{address}": expected an address that begins with https://, mailto: or tel:'
    written = "".join(
        {"text": token.content, "softbreak": "\n", "hardbreak": "\n"}.get(token.type, "\0") for token in tokens
    )
    for pattern, words in _LEFT_OVER:
        if pattern.search(written):
            yield words
