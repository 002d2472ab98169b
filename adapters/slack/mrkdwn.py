"""Styled text written in Slack's mrkdwn.

Syntax: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from adapters.markdown import Mark, Run, plain

THIN = "\u200b"  # takes no room; parts a mark from a letter beside it, where Slack would not see the mark

_ADDRESS = re.compile(
    r"https?://[^\s<>|\"`*]{1,2000}|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,5}\.\w{2,63}",
    re.IGNORECASE,
)
_PUNCTUATION = ".,;:!?'’)]}…"
_PAIR = re.compile(r"(?<!\w)([*_~`])(?=\S)(?=.{0,200}?\S\1(?!\w))")  # characters that would be taken for marks
_URL_ESCAPES = str.maketrans({"<": "%3C", ">": "%3E", "|": "%7C", " ": "%20", "\n": "", "&": "&amp;"})

LONGEST_URL = 2000  # characters; a link must fit into a section with words beside it
_LINK = re.compile(r"https?://[^/?#]|mailto:.|tel:.", re.IGNORECASE)


def escape(text: str) -> str:
    """The three characters that Slack reads as its own: https://docs.slack.dev/messaging/formatting-message-text#escaping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def linkable(url: str) -> bool:
    """Whether Slack makes a link of it."""
    return len(url) <= LONGEST_URL and _LINK.match(url) is not None


def to_mrkdwn(runs: Sequence[Run]) -> str:
    """Write runs as mrkdwn; a style never reaches over the end of a line, where Slack would not see it."""
    out: list[str] = []
    for block, lines in groupby(_lines(runs), key=lambda line: any(run.has(Mark.BLOCK) for run in line)):
        if block:
            # Three backticks in code would end it.
            code = "\n".join(plain(line) for line in lines).replace("```", f"``{THIN}`")
            out.append(f"```\n{escape(code)}\n```")
        else:
            out.extend(_line(line) for line in lines)
    return "\n".join(out)


def _lines(runs: Sequence[Run]) -> Iterator[list[Run]]:
    line: list[Run] = []
    for run in runs:
        whole = run.has(Mark.QUOTE) or run.has(Mark.BLOCK)  # what goes on over an empty line
        for number, text in enumerate(run.text.split("\n")):
            if number:
                yield line
                line = []
            if text or whole:
                line.append(Run(text, run.styles))
    yield line


def _line(line: Sequence[Run]) -> str:
    written = ""
    for styles, same in groupby(line, key=lambda run: run.styles):
        run = Run(plain(list(same)), styles)
        styled = _styled(run)
        marked = _marks(run) and run.text.strip()
        touches = written and styled and _sticks(written[-1]) and _sticks(styled[0])
        written += (THIN if touches and (marked or written[-1] in "*_`") else "") + styled
    if any(run.has(Mark.QUOTE) for run in line):
        return f"> {written}".rstrip()
    return THIN + written if written.startswith("&gt;") else written


def _sticks(character: str) -> bool:
    return character.isalnum() or character in "*_`~"


def _marks(run: Run) -> str:
    if run.has(Mark.CODE):
        return "`"
    return ("*" if run.has(Mark.BOLD) else "") + ("_" if run.has(Mark.ITALIC) else "")


def _styled(run: Run) -> str:
    """Words with the marks around them; white space stays outside."""
    words = run.text.strip()
    if not words:
        return run.text
    before, _, after = run.text.partition(words)
    marks = _marks(run)
    if "`" in marks and "`" in words:
        marks = ""  # mrkdwn has no way to write a backtick in code
    if run.link:
        inner = f"<{run.link.translate(_URL_ESCAPES)}|{escape(words)}>"
    elif "`" in marks:
        inner = escape(words)
    else:
        inner = "".join(_linked(words))
    return f"{before}{marks}{inner}{marks[::-1]}{after}"


def _linked(text: str) -> Iterator[str]:
    """Text whose addresses are links.

    Slack would find them by itself, but with them also names of channels and people, who would be notified.
    """
    at = 0
    for match in _ADDRESS.finditer(text):
        address = match[0].rstrip(_PUNCTUATION)
        if address + ")" == match[0][: len(address) + 1] and "(" in address:
            address += ")"
        if address.endswith("://"):
            continue
        yield _harmless(text[at : match.start()])
        target = address.translate(_URL_ESCAPES)
        yield f"<mailto:{target}|{target}>" if "://" not in address else f"<{target}>"
        at = match.start() + len(address)
    yield _harmless(text[at:])


def _harmless(text: str) -> str:
    return escape(_PAIR.sub(rf"\1{THIN}", text))
