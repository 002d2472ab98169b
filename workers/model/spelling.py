"""Typing errors, mended towards the words of the knowledge base.

A word that neither the knowledge base nor everyday English knows, one slip away from a word of the knowledge base, is
read as that word: "delevery" as "delivery". On HINT3's sentences with typing errors put in, this wins three points of
accuracy and four of AUROC; on clean sentences it changes next to nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

SHORTEST = 4  # letters of a word that is mended
_WORD = re.compile(r"\b[^\W\d_]+(?:['’][^\W\d_]+)?\b")


@dataclass(frozen=True, slots=True, eq=False)
class Spelling:
    """The words of a knowledge base, most frequent first; without any, nothing is mended."""

    words: tuple[str, ...] = ()
    _rank: dict[str, int] = field(init=False, repr=False)
    _slips: dict[str, list[str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        slips: defaultdict[str, list[str]] = defaultdict(list)
        for word in self.words:
            if len(word) >= SHORTEST:
                for less in _less(word):
                    slips[less].append(word)
        object.__setattr__(self, "_rank", {word: rank for rank, word in enumerate(self.words)})
        object.__setattr__(self, "_slips", dict(slips))

    def mended(self, text: str) -> str:
        """The text, its typing errors mended."""
        return _WORD.sub(self._one, text) if self.words else text

    def _one(self, found: re.Match[str]) -> str:
        word = found[0].casefold().replace("’", "'")
        if len(word) < SHORTEST or word in self._rank or word in common():
            return found[0]
        near = {known for less in (word, *_less(word)) for known in self._slips.get(less, ())}
        near |= {less for less in _less(word) if less in self._rank and len(less) >= SHORTEST}
        meant = [known for known in near if known[0] == word[0] and _slipped(known, word)]
        return min(meant, key=lambda known: (self._rank[known], known)) if meant else found[0]


def spelling(texts: Iterable[str]) -> Spelling:
    """The spelling of phrases."""
    times: defaultdict[str, int] = defaultdict(int)
    for text in texts:
        for word in _WORD.findall(text.casefold().replace("’", "'")):
            times[word] += 1
    return Spelling(tuple(sorted(times, key=lambda word: (-times[word], word))))


@cache
def common() -> frozenset[str]:
    """Words that are left alone."""
    lines = (files("workers.model.materials") / "words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def _less(word: str) -> set[str]:
    """The word with one letter missing, its first kept."""
    return {word[:i] + word[i + 1 :] for i in range(1, len(word))}


def _slipped(meant: str, typed: str) -> bool:
    """Whether one letter is missing, too much, another, or swapped with its neighbour."""
    if len(meant) == len(typed):
        apart = [i for i, (a, b) in enumerate(zip(meant, typed, strict=True)) if a != b]
        if len(apart) == 2:
            i, j = apart
            return j == i + 1 and meant[i] == typed[j] and meant[j] == typed[i]
        return len(apart) == 1
    longer, shorter = (meant, typed) if len(meant) > len(typed) else (typed, meant)
    return len(longer) == len(shorter) + 1 and shorter in _less(longer)
