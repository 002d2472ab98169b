"""The Markdown subset turned into runs of styled text.

Markdown is read by markdown-it (CommonMark) with the rules off that would surprise people in a chat: HTML, indented
code, underlined headings, link definitions. What a person typed is never swallowed: a construct we do not know stays
as the characters it was written with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

Style = tuple[str, str]
"""A tag of Telegram's HTML and its value: `("a", url)`, `("pre", language)`, `("b", "")`."""

_DEEPEST = 40  # levels of nesting; markdown-it drops what lies deeper
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,32}")


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text in one style; `styles` go from the outermost to the innermost."""

    text: str
    styles: tuple[Style, ...] = ()


def runs(markdown: str) -> tuple[Run, ...]:
    """Read Markdown; the runs' texts joined are what a person sees.

    Reference: https://spec.commonmark.org/0.31.2/
    """
    text = _clean(markdown)
    tokens = _parser().parse(text)
    if any(token.level >= _DEEPEST - 1 for token in tokens):
        return (Run(text),)
    writer = _Writer()
    for token in tokens:
        writer.block(token)
    return tuple(writer.out)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
    return parser.disable(["code", "lheading", "reference", "html_block", "html_inline"])


def _clean(text: str) -> str:
    """Without lone surrogates and control characters, which Telegram does not take."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\r\n", "\n")
    return "".join(" " if (ord(c) < 32 and c not in "\n\t") or ord(c) == 127 else c for c in whole)


@dataclass(slots=True)
class _List:
    number: int | None  # of the next item; None for bullets
    mark: str


@dataclass(slots=True)
class _Writer:
    out: list[Run] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)
    styles: list[Style] = field(default_factory=list)
    links: list[tuple[str, int]] = field(default_factory=list)
    lines: int = 0  # line breaks owed before the next words
    mark: str = ""  # a list item's mark owed before the next words
    quotes: int = 0
    quoted: bool = False  # whether the last words stood in a quote

    def block(self, token: Token) -> None:
        kind = token.type
        if kind == "inline":
            for child in token.children or ():
                self.inline(child)
        elif kind == "heading_open":
            self.styles.append(("b", ""))
        elif kind == "heading_close":
            self.styles.pop()
            self.lines = 2
        elif kind == "paragraph_close":
            self.lines = max(self.lines, 1 if token.hidden else 2)
        elif kind in {"bullet_list_open", "ordered_list_open"}:
            start = int(token.attrGet("start") or 1) if kind.startswith("ordered") else None
            self.lists.append(_List(start, token.markup))
        elif kind in {"bullet_list_close", "ordered_list_close"}:
            self.lists.pop()
            self.lines = 1 if self.lists else 2
        elif kind == "list_item_open":
            self._item()
        elif kind == "list_item_close":
            if self.mark:
                self.write("")
            self.lines = max(self.lines, 1)
        elif kind in {"blockquote_open", "blockquote_close"}:
            self.quotes += 1 if kind.endswith("open") else -1
        elif kind == "hr":
            self.write("———")
            self.lines = 2
        elif kind == "fence":
            self._fence(token)

    def _item(self) -> None:
        here = self.lists[-1]
        if self.mark:  # an item whose first words are another list
            self.write("")
            self.lines = 1
        indent = "   " * (len(self.lists) - 1)
        self.mark = f"{indent}• " if here.number is None else f"{indent}{here.number}{here.mark} "
        if here.number is not None:
            here.number += 1

    def _fence(self, token: Token) -> None:
        language, code = token.info.strip(), token.content.removesuffix("\n")
        if language and (not code or not _LANGUAGE.fullmatch(language)):
            code, language = f"{language}\n{code}".strip("\n"), ""
        if code:
            self.write(code, ("pre", language))
            self.lines = 2

    def inline(self, token: Token) -> None:
        kind = token.type
        if kind in {"text", "text_special"}:
            self.write(token.content)
        elif kind in {"softbreak", "hardbreak"}:
            self.write("\n")
        elif kind == "code_inline":
            self.write(token.content, ("code", ""))
        elif kind in {"strong_open", "em_open"}:
            self.styles.append(("b" if kind == "strong_open" else "i", ""))
        elif kind in {"strong_close", "em_close"}:
            self.styles.pop()
        elif kind == "link_open":
            self._open_link(str(token.attrGet("href") or ""))
        elif kind == "link_close":
            self._close_link()
        elif kind == "image":
            self._open_link(str(token.attrGet("src") or ""))
            self.write(token.content)
            self._close_link()

    def _open_link(self, url: str) -> None:
        self.links.append((url, len(self.out)))
        if _linkable(url):
            self.styles.append(("a", url))

    def _close_link(self) -> None:
        """Where Telegram would drop the target, and where there are no words, the target is written out."""
        url, since = self.links.pop()
        label = "".join(run.text for run in self.out[since:]).strip()
        target = re.sub(r"^(mailto|tel):", "", url)
        if not label:
            self.write(target)
        if _linkable(url):
            self.styles.pop()
        elif label and label != target:
            self.write(f" ({target})")

    def write(self, text: str, innermost: Style | None = None) -> None:
        """Add words, after the line breaks and the list mark that are owed."""
        if not text and not self.mark:
            return
        quote: list[Style] = [("blockquote", "")] if self.quotes else []
        if self.lines and self.out:
            self.out.append(Run("\n" * self.lines, tuple(quote) if self.quoted else ()))
        if self.mark:
            self.out.append(Run(self.mark, tuple(quote)))
        self.lines, self.mark, self.quoted = 0, "", bool(self.quotes)
        if innermost is not None and innermost[0] == "pre":
            self.out.append(Run(text, (innermost,)))  # a block of code stands alone
        elif innermost is not None and any(tag == "a" for tag, _ in self.styles):
            self.out.append(Run(text, (*quote, *self.styles)))  # a link's words cannot also be code
        elif innermost is not None:
            self.out.append(Run(text, (*quote, innermost)))  # code takes no other style
        elif text:
            self.out.append(Run(text, (*quote, *dict.fromkeys(self.styles))))


def _linkable(url: str) -> bool:
    """Whether Telegram makes a link of it: http(s) with a dotted host, or tg."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "tg":
        return bool(parts.netloc)
    return parts.scheme in {"http", "https"} and "." in (parts.hostname or "").strip(".")
