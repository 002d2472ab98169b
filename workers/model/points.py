"""What a knowledge base gives to learn from: phrases customers might type, sentences of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.knowledge.entries import Entry, KnowledgeBase
from workers.model.heads import Integers
from workers.model.phrases import words_of


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
    said = words_of(entries, language)
    members = [i for i, (phrases, _) in enumerate(said) if phrases]
    texts: list[str] = []
    owner: list[int] = []
    spoken: list[bool] = []
    for number, i in enumerate(members):
        for text, is_spoken in (*((t, True) for t in said[i][0]), *((t, False) for t in said[i][1])):
            texts.append(text)
            owner.append(number)
            spoken.append(is_spoken)
    return Points(
        tuple(texts), np.array(owner, np.int64), np.array(spoken, dtype=bool), np.array(members, dtype=np.int64)
    )


def phrases_of(knowledge: KnowledgeBase) -> Points:
    """The points of everything that may be answered."""
    return points(knowledge.live, knowledge.language)
