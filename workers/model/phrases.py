"""The words of entries, as far as questions are compared with them; plain Python, which the gateway reads too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.knowledge.entries import Entry

MOST = 4_000  # points fitted together; twice as many would take eight times as long and be no more accurate
LONGEST = 400  # characters of a phrase that count
SENTENCES = 6  # of an answer
_LETTER = re.compile(r"[^\W\d_]")
_WIDE = re.compile(r"[぀-ヿ㐀-鿿가-힣]")  # scripts in which a letter says as much as half a word
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<?https?://\S+>?")
_MARKS = re.compile(r"[*_`#>~|]+")
_STOPS = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？؟])|\n+")


def words_of(entries: Sequence[Entry], language: str) -> list[tuple[list[str], list[str]]]:
    """The phrases of each entry and the sentences of its answer; no answers beyond the limit, or without a phrase."""
    phrases = [_different(entry.phrases) for entry in entries]
    answers = [_different(sentences(entry.answer_in(language, language)))[:SENTENCES] for entry in entries]
    if sum(map(len, phrases)) + sum(map(len, answers)) > MOST:
        answers = [[] for _ in entries]
    return [(said, told if said else []) for said, told in zip(phrases, answers, strict=True)]


def sentences(markdown: str) -> list[str]:
    """The sentences of a text without its markup; those too short to mean anything are left out."""
    plain = _MARKS.sub(" ", _LINK.sub(r"\1", markdown))
    parts = (" ".join(part.split()).strip(" -•") for part in _STOPS.split(plain))
    return [part for part in parts if len(_LETTER.findall(part)) >= (5 if _WIDE.search(part) else 8)]


def _different(texts: Sequence[str]) -> list[str]:
    """Texts as they count: cut, without blanks, each once."""
    cut = (" ".join(text[:LONGEST].split()) for text in texts)
    return list(dict.fromkeys(text for text in cut if text))
