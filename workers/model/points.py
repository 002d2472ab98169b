"""What a knowledge base gives to learn from: phrases customers might type, sentences of the answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.knowledge.entries import Entry, KnowledgeBase
from workers.model.heads import Integers
from workers.model.matching import MOST

LONGEST = 400  # characters of a phrase that count
SENTENCES = 6  # of an answer
_LETTER = re.compile(r"[^\W\d_]")
_WIDE = re.compile(r"[぀-ヿ㐀-鿿가-힣]")  # scripts in which a letter says as much as half a word
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<?https?://\S+>?")
_MARKS = re.compile(r"[*_`#>~|]+")
_STOPS = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？؟])|\n+")


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Texts in the order of their entries.

    `owner` (n,) numbers the entries without gaps, `members` says which entry of the list each number is; `spoken` (n,)
    is False for sentences of answers.
    """

    texts: tuple[str, ...]
    owner: Integers
    spoken: np.ndarray[tuple[int], np.dtype[np.bool_]]
    members: Integers


def points(entries: Sequence[Entry], language: str) -> Points:
    """The phrases and answers of entries; an entry that says nothing at all has none."""
    phrases = [_different(entry.phrases) for entry in entries]
    answers = [_different(sentences(entry.answer_in(language, language)))[:SENTENCES] for entry in entries]
    if sum(map(len, phrases)) + sum(map(len, answers)) > MOST:
        answers = [[] for _ in entries]
    members = [i for i, said in enumerate(phrases) if said]
    texts: list[str] = []
    owner: list[int] = []
    spoken: list[bool] = []
    for number, i in enumerate(members):
        for text, is_spoken in (*((t, True) for t in phrases[i]), *((t, False) for t in answers[i])):
            texts.append(text)
            owner.append(number)
            spoken.append(is_spoken)
    return Points(
        tuple(texts), np.array(owner, np.int64), np.array(spoken, dtype=bool), np.array(members, dtype=np.int64)
    )


def phrases_of(knowledge: KnowledgeBase) -> Points:
    """The points of everything that may be answered."""
    return points(knowledge.live, knowledge.language)


def sentences(markdown: str) -> list[str]:
    """The sentences of a text without its markup; those too short to mean anything are left out."""
    plain = _MARKS.sub(" ", _LINK.sub(r"\1", markdown))
    parts = (" ".join(part.split()).strip(" -•") for part in _STOPS.split(plain))
    return [part for part in parts if len(_LETTER.findall(part)) >= (5 if _WIDE.search(part) else 8)]


def _different(texts: Sequence[str]) -> list[str]:
    """Texts as they count: cut, without blanks, each once."""
    cut = (" ".join(text[:LONGEST].split()) for text in texts)
    return list(dict.fromkeys(text for text in cut if text))
