"""How pages word things: Markdown, moments, durations, reasons."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from adapters.web.render import html as _web
from bot.console.evidence import SHORT, card, rows
from core.conversation import Conversation, Owner
from core.fetching import LARGEST
from core.knowledge.lint import Finding
from core.texts.plurals import plural

_REASONS = {
    "asked": "asked for a person",
    "unsure": "the bot had no answer",
    "unreadable": "sent what the bot cannot read",
    "language": "writes a language the bot does not speak",
    "entry": "the answer asks for a person",
    "brain": "the bot could not answer in time",
    "unsent": "the platform refused the bot's answer",
    "wrong": "the bot's answer was not it",
    "stale": "the question waited too long",
}
_PROBLEMS = {
    "sticker": "a sticker",
    "location": "a location",
    "contact": "a contact card",
    "video": "a video",
    "document": "a document",
    "unknown": "something the bot does not know",
    "too_large": "too large",
    "too_long": "too long",
    "empty": "an empty file",
    "damaged": "a damaged file",
    "format": "a format that cannot be read",
    "silent": "nobody speaks in it",
    "not_delivered": "it never arrived",
    "no_permission": "the platform does not let us open files",
}
# Where findings list entries, or begin with one: an id may look like a word or number that stands elsewhere.
_NAMED = re.compile(r"(?:^|(?<=, )|(?<= and )|(?<=: )|(?<= under ))([a-z0-9-]+)(?=$|, | and |:)")
_READABLE = {"photo": "JPEG, PNG, WebP or GIF", "voice": "a recording such as OGG, MP3, M4A, WAV or WebM"}


def markdown(text: str) -> Markup:
    """The Markdown subset as safe HTML, as the web chat shows it; raw HTML stays text."""
    return Markup(_web(text))


def since(at: int, plain: bool = False) -> str:
    """How long ago a moment (UTC milliseconds) was, shortly; `plain` says seconds instead of "just now"."""
    seconds = max(0, int(time.time() - at / 1000))
    if seconds < 60:
        return "just now" if seconds < 10 and not plain else f"{seconds} s"
    if seconds < 5400:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def clock(at: int) -> str:
    """A moment in the server's time, shortly; the pages put the reader's own in its place."""
    moment = datetime.fromtimestamp(at / 1000, UTC).astimezone()
    today = datetime.now(UTC).astimezone().date()
    return f"{moment:%H:%M}" if moment.date() == today else f"{moment:%d %b %H:%M}"


def iso(at: int) -> str:
    """A moment for machines."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")


def reason(conversation: Conversation) -> str:
    """Why a conversation came to the desk."""
    if not conversation.reason and conversation.owner is Owner.DESK:
        return "the agent did not answer"
    return _REASONS.get(conversation.reason, conversation.reason)


def strain(by: str) -> str:
    """Why somebody is listed earlier."""
    return "listed earlier: strained voice" if by == "voice" else "listed earlier: strained words"


def problem(name: str) -> str:
    """Why a file could not be read."""
    return _PROBLEMS.get(name, name.replace("_", " "))


def readable(kind: str) -> str:
    """What to send instead of a file that cannot be read; `kind` is `photo` or `voice`."""
    return f"send {_READABLE.get(kind, 'a photo or a recording')} of at most {LARGEST // 1024 // 1024} MB"


def sentence(text: str) -> str:
    """An error's words as a sentence; a file's name at their beginning stays as it is."""
    first = text.split(" ", 1)[0]
    begun = text[:1].upper() + text[1:] if first.isalpha() else text
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def finding(found: Finding) -> Markup:
    """A finding's words; the entries that they name lead to their pages."""
    link = Markup('<a href="/console/knowledge/entry/{0}">{0}</a>')
    parts = enumerate(_NAMED.split(found.message))  # every second one may be an id
    return Markup("").join(
        link.format(part) if place % 2 and part in found.entries else escape(part) for place, part in parts
    )


def percent(share: float) -> str:
    """A share between 0 and 1, for people."""
    return f"{100 * share:.0f} %"


def legible(lines: Sequence[str]) -> list[str]:
    """What was read in a photo, without the single signs that a pattern was taken for."""
    return [line for line in lines if sum(letter.isalnum() for letter in line) > 1]


def customer(conversation: Conversation) -> str:
    """What to call a customer."""
    return conversation.author.name or f"Customer {conversation.author.id[-4:]}"


FILTERS: dict[str, Callable[..., Any]] = {
    "markdown": markdown,
    "since": since,
    "clock": clock,
    "iso": iso,
    "reason": reason,
    "strain": strain,
    "problem": problem,
    "percent": percent,
    "plural": plural,
    "sentence": sentence,
    "finding": finding,
    "rows": rows,
    "card": card,
    "channel": lambda name: SHORT.get(name, name.replace("_", " ")),
    "customer": customer,
    "legible": legible,
}
