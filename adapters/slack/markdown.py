"""The Markdown subset turned into runs of styled text.

Markdown is read by markdown-it (CommonMark) with the rules off that would surprise people in a chat: HTML, indented
code, underlined headings, link definitions. What a person typed is never swallowed: a construct we do not know stays
as the characters it was written with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

LONGEST_URL = 2000  # characters; a link must fit into a section with words beside it

_LINK = re.compile(r"https?://[^/?#]|mailto:.|tel:.", re.IGNORECASE)
_DEEPEST = 40  # levels of nesting; markdown-it drops what lies deeper


@dataclass(frozen=True, slots=True)
class Style:
    """How a run looks; `link` is its target, `block` marks lines of code that stand alone."""

    bold: bool = False
    italic: bool = False
    code: bool = False
    block: bool = False
    quote: bool = False
    link: str = ""


PLAIN = Style()


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text in one style."""

    text: str
    style: Style = PLAIN


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
        writer.take(token)
    return tuple(writer.out)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
    return parser.disable(["code", "lheading", "reference", "html_block", "html_inline"])


def linkable(url: str) -> bool:
    """Whether Slack makes a link of it."""
    return len(url) <= LONGEST_URL and _LINK.match(url) is not None


def _clean(text: str) -> str:
    """Without lone surrogates, which are no Unicode, and control characters, which nobody can see."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\r\n", "\n")
    return "".join(" " if (ord(c) < 32 and c not in "\n\t") or ord(c) == 127 else c for c in whole)


@dataclass(slots=True)
class _Writer:
    out: list[Run] = field(default_factory=list)
    styles: list[Style] = field(default_factory=lambda: [PLAIN])
    numbers: list[tuple[int | None, str]] = field(default_factory=list)  # a list's next number and the mark after it
    links: list[tuple[str, int]] = field(default_factory=list)  # targets, and how many runs stood before
    breaks: int = 0  # line breaks owed before the next words
    bullet: str = ""  # a list item's mark owed before the next words

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
                self.write(token.content, replace(self.style, code=True))
            case "fence":
                self.fence(token)
            case "hr":
                self.write("———")
                self.breaks = 2
            case "strong_open" | "heading_open":
                self.styles.append(replace(self.style, bold=True))
            case "em_open":
                self.styles.append(replace(self.style, italic=True))
            case "blockquote_open":
                self.styles.append(replace(self.style, quote=True))
            case "link_open":
                self.open_link(str(token.attrGet("href") or ""))
            case "image":
                self.open_link(str(token.attrGet("src") or ""))
                self.write(token.content)
                self.close_link()
            case "link_close":
                self.close_link()
            case "strong_close" | "em_close" | "blockquote_close":
                self.styles.pop()
            case "heading_close":
                self.styles.pop()
                self.breaks = 2
            case "paragraph_close":
                self.breaks = max(self.breaks, 1 if token.hidden else 2)
            case "bullet_list_open":
                self.numbers.append((None, ""))
            case "ordered_list_open":
                self.numbers.append((int(token.attrGet("start") or 1), token.markup))
            case "bullet_list_close" | "ordered_list_close":
                self.numbers.pop()
                self.breaks = 1 if self.numbers else 2
            case "list_item_open":
                self.open_item()
            case "list_item_close":
                if self.bullet:
                    self.write("")
                self.breaks = max(self.breaks, 1)

    @property
    def style(self) -> Style:
        return self.styles[-1]

    def open_item(self) -> None:
        if self.bullet:  # an item whose first words are another list
            self.write("")
            self.breaks = 1
        number, mark = self.numbers[-1]
        self.bullet = "   " * (len(self.numbers) - 1) + ("• " if number is None else f"{number}{mark} ")
        if number is not None:
            self.numbers[-1] = (number + 1, mark)

    def fence(self, token: Token) -> None:
        code, language = token.content.removesuffix("\n"), token.info.strip()
        if language and (not code or " " in language):  # what stands behind the fence are words
            code = f"{language}\n{code}".strip("\n")
        if code:
            self.write(code, Style(block=True))
            self.breaks = 2

    def open_link(self, url: str) -> None:
        self.links.append((url, len(self.out)))
        self.styles.append(replace(self.style, link=url if linkable(url) else ""))

    def close_link(self) -> None:
        """Where there are no words, and where Slack would not follow, the target is written out."""
        url, since = self.links.pop()
        label = "".join(run.text for run in self.out[since:]).strip()
        target = url.removeprefix("mailto:").removeprefix("tel:")
        if not label:
            self.write(target)
        linked = self.styles.pop().link
        if label and not linked and label != target:
            self.write(f" ({target})")

    def write(self, text: str, style: Style | None = None) -> None:
        """Add words, after the line breaks and the list mark that are owed."""
        quiet = Style(quote=self.style.quote)
        if self.breaks and self.out:
            both = quiet.quote and self.out[-1].style.quote
            self.out.append(Run("\n" * self.breaks, quiet if both else PLAIN))
        if self.bullet:
            self.out.append(Run(self.bullet, quiet))
        self.breaks, self.bullet = 0, ""
        if text:
            self.out.append(Run(text, style or self.style))
