"""What an id, a language, a date, a text and so on must look like, whichever file or page they come from.

Each function returns the reason why a value is wrong ("expected ..., got ..."), or an empty string when it is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from core.knowledge.entries import NONE

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ID = re.compile(r"[a-z0-9-]{1,128}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def shown(text: str) -> str:
    """A value as an error message quotes it: on one line, and not too long."""
    flat = " ".join(text.split())
    return f'"{flat[:60]}..."' if len(flat) > 60 else f'"{flat}"'


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` when `word` looks like a slip of one of `known`, else empty."""
    found = get_close_matches(word.lower(), list(known), n=1, cutoff=0.7)
    return f"; did you mean {found[0]}?" if found else ""


def text_problem(text: str, *, blank: bool = False) -> str:
    """A text that people read: not blank unless `blank`, and nothing a database or UTF-8 cannot hold."""
    if "\0" in text:
        return "expected text, got a NUL character in it"
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return "expected text, got half of a surrogate pair in it"
    if not blank and not text.strip():
        return "expected text, got an empty one"
    return ""


def id_problem(id: str) -> str:
    """An entry's id."""
    if id == NONE:
        return f"`{NONE}` is reserved for cases that no entry answers; choose another id"
    if not _ID.fullmatch(id):
        return f"expected an id of a-z, 0-9 and - (at most 128 characters), got {shown(id)}"
    return ""


def language_problem(tag: str) -> str:
    """A language tag."""
    if not _LANGUAGE.fullmatch(tag):
        return f"expected a language tag such as en or pt-BR, got {shown(tag)}"
    return ""


def timezone_problem(key: str) -> str:
    """An IANA time zone that this machine knows."""
    try:
        ZoneInfo(key)
    except (KeyError, ValueError, OSError):
        hint = get_close_matches(key, sorted(available_timezones()), n=1, cutoff=0.6)
        also = f"; did you mean {hint[0]}?" if hint else ""
        return f"expected a time zone such as Europe/Berlin, got {shown(key)}{also}"
    return ""


def date_problem(text: str) -> str:
    """A day of the calendar."""
    try:
        if _DATE.fullmatch(text):
            date.fromisoformat(text)
            return ""
    except ValueError:
        pass
    return f"expected a date such as 2026-12-25, got {shown(text)}"


def budget_problem(value: float) -> str:
    """The error budget."""
    return "" if 0.0 <= value <= 1.0 else f"expected a share between 0 and 1 such as 0.02, got {value}"
