"""The Markdown subset turned into runs of styled text.

Markdown is read by markdown-it (CommonMark) with the rules off that would surprise people in a chat: HTML, indented
code, underlined headings, link definitions. What a person typed is never swallowed: a construct we do not know stays
as the characters it was written with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

_DEEPEST = 40  # levels of nesting; markdown-it drops what lies deeper
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,32}")


class Mark(Enum):
    """How a stretch of text can look."""

    BOLD = auto()
    ITALIC = auto()
    CODE = auto()
    BLOCK = auto()
    QUOTE = auto()
    LINK = auto()


class Style(NamedTuple):
    """A mark; the value is a link's target, or the language of a block of code."""

    mark: Mark
    value: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text in one style; `styles` go from the outermost to the innermost.

    A block of code has no other mark, code none but a quote around it, and a link is never inside another.
    """

    text: str
    styles: tuple[Style, ...] = ()

    def has(self, mark: Mark) -> bool:
        """Whether it looks so."""
        return any(style.mark is mark for style in self.styles)

    @property
    def link(self) -> str:
        """The target of the link that the text is, or nothing."""
        return next((style.value for style in self.styles if style.mark is Mark.LINK), "")


def plain(runs: Sequence[Run]) -> str:
    """What a person reads."""
    return "".join(run.text for run in runs)


def runs(markdown: str, linkable: Callable[[str], bool]) -> tuple[Run, ...]:
    """Read Markdown; the runs' texts joined are what a person sees.

    `linkable` says of a target whether the platform makes a link of it; another one is written out.

    Reference: https://spec.commonmark.org/0.31.2/
    """
    text = _clean(markdown)
    tokens = _parser().parse(text)
    if any(token.level >= _DEEPEST - 1 for token in tokens):
        return (Run(text),)
    writer = _Writer(linkable)
    for token in tokens:
        writer.take(token)
    return tuple(writer.out)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
    return parser.disable(["code", "lheading", "reference", "html_block", "html_inline"])


def _clean(text: str) -> str:
    """Without lone surrogates, which are no Unicode, and control characters, which nobody can see."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\r\n", "\n")
    return "".join(" " if (ord(c) < 32 and c not in "\n\t") or ord(c) == 127 else c for c in whole)


@dataclass(slots=True)
class _List:
    number: int | None  # of the next item; None for bullets
    mark: str


@dataclass(slots=True)
class _Writer:
    linkable: Callable[[str], bool]
    out: list[Run] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)
    styles: list[Style] = field(default_factory=list)
    links: list[tuple[str, int]] = field(default_factory=list)  # targets, and how many runs stood before
    breaks: int = 0  # line breaks owed before the next words
    bullet: str = ""  # a list item's mark owed before the next words
    quotes: int = 0
    quoted: bool = False  # whether the last words stood in a quote

    def take(self, token: Token) -> None:
        match token.type:
            case "inline":
                for inner in token.children or ():
                    self.take(inner)
            case "text" | "text_special":
                self.write(token.content)
            case "softbreak" | "hardbreak":
                self.write("\n")
            case "code_inline":
                self.write(token.content, Style(Mark.CODE))
            case "fence":
                self.fence(token)
            case "hr":
                self.write("———")
                self.breaks = 2
            case "strong_open" | "heading_open":
                self.styles.append(Style(Mark.BOLD))
            case "em_open":
                self.styles.append(Style(Mark.ITALIC))
            case "blockquote_open":
                self.quotes += 1
            case "blockquote_close":
                self.quotes -= 1
            case "link_open":
                self.open_link(str(token.attrGet("href") or ""))
            case "image":
                self.open_link(str(token.attrGet("src") or ""))
                self.write(token.content)
                self.close_link()
            case "link_close":
                self.close_link()
            case "strong_close" | "em_close":
                self.styles.pop()
            case "heading_close":
                self.styles.pop()
                self.breaks = 2
            case "paragraph_close":
                self.breaks = max(self.breaks, 1 if token.hidden else 2)
            case "bullet_list_open":
                self.lists.append(_List(None, ""))
            case "ordered_list_open":
                self.lists.append(_List(int(token.attrGet("start") or 1), token.markup))
            case "bullet_list_close" | "ordered_list_close":
                self.lists.pop()
                self.breaks = 1 if self.lists else 2
            case "list_item_open":
                self.open_item()
            case "list_item_close":
                if self.bullet:
                    self.write("")
                self.breaks = max(self.breaks, 1)

    def open_item(self) -> None:
        if self.bullet:  # an item whose first words are another list
            self.write("")
            self.breaks = 1
        here = self.lists[-1]
        self.bullet = "   " * (len(self.lists) - 1) + ("• " if here.number is None else f"{here.number}{here.mark} ")
        if here.number is not None:
            here.number += 1

    def fence(self, token: Token) -> None:
        language, code = token.info.strip(), token.content.removesuffix("\n")
        if language and (not code or not _LANGUAGE.fullmatch(language)):  # what stands behind the fence are words
            code, language = f"{language}\n{code}".strip("\n"), ""
        if code:
            self.write(code, Style(Mark.BLOCK, language))
            self.breaks = 2

    def open_link(self, url: str) -> None:
        self.links.append((url, len(self.out)))
        if self.linkable(url):
            self.styles.append(Style(Mark.LINK, url))

    def close_link(self) -> None:
        """Where there are no words, and where the platform would not follow, the target is written out."""
        url, since = self.links.pop()
        label = plain(self.out[since:]).strip()
        target = url.removeprefix("mailto:").removeprefix("tel:")
        if not label:
            self.write(target)
        if self.linkable(url):
            self.styles.pop()
        elif label and label != target:
            self.write(f" ({target})")

    def write(self, text: str, code: Style | None = None) -> None:
        """Add words, after the line breaks and the list mark that are owed."""
        if not text and not self.bullet:
            return
        quote = (Style(Mark.QUOTE),) if self.quotes else ()
        if self.breaks and self.out:
            self.out.append(Run("\n" * self.breaks, quote if self.quoted else ()))
        if self.bullet:
            self.out.append(Run(self.bullet, quote))
        self.breaks, self.bullet, self.quoted = 0, "", bool(self.quotes)
        if text:
            self.out.append(Run(text, self._styles_of(quote, code)))

    def _styles_of(self, quote: tuple[Style, ...], code: Style | None) -> tuple[Style, ...]:
        if code is not None and code.mark is Mark.BLOCK:
            return (code,)
        links = [style for style in self.styles if style.mark is Mark.LINK]
        if code is not None and not links:  # a link's words cannot also be code
            return (*quote, code)
        return (*quote, *dict.fromkeys(style for style in self.styles if style not in links[1:]))
