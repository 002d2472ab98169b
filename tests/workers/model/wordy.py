"""A text encoder that needs no weights: the sum of its words' directions, synonyms sharing one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from core.knowledge.entries import Entry, KnowledgeBase

SAME = {"parcel": "package", "shipment": "package", "broken": "damaged", "cracked": "damaged", "refunded": "refund"}
LITTLE = frozenset("a an the is my it to i of do does can for and you in on me was with are at".split())  # noqa: SIM905


class Wordy:
    """Words that matter have directions at random; those that do not are a tenth as long."""

    dim = 64
    languages = frozenset({"en"})

    def __init__(self, digest: str = "wordy") -> None:
        self.digest = digest
        self.calls: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        return np.stack([self._one(text) for text in texts]) if texts else np.zeros((0, self.dim), np.float32)

    def _one(self, text: str) -> NDArray[np.float32]:
        total = 0.05 * _direction("", self.dim)
        for word in re.findall(r"\w+", text.casefold()):
            total = total + (0.1 if word in LITTLE else 1.0) * _direction(SAME.get(word, word), self.dim)
        return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


def _direction(word: str, dim: int) -> NDArray[np.float64]:
    vector = np.random.default_rng(crc32(word.encode())).standard_normal(dim)
    return np.asarray(vector / np.linalg.norm(vector))


def knowledge(entries: dict[str, Sequence[str]], *, budget: float = 0.02, language: str = "en") -> KnowledgeBase:
    """A knowledge base: id -> question and variants."""
    made = tuple(
        Entry(id=id, question=phrases[0], variants=tuple(phrases[1:]), answer={}) for id, phrases in entries.items()
    )
    return KnowledgeBase(title="test", language=language, entries=made, error_budget=budget)


SHOP = {
    "track": ["where is my parcel", "track my shipment", "when will my package arrive"],
    "damaged": ["my item arrived damaged", "the mug is cracked", "it came broken"],
    "refund": ["when do I get my refund", "has my money been refunded", "refund status please"],
    "hours": ["when is the shop open", "opening hours of the shop", "is the shop open on sunday"],
    "cancel": ["cancel my order", "I want to stop my order", "please cancel what I ordered"],
    "invoice": ["I need an invoice", "send me the invoice again", "invoice for my company"],
}
