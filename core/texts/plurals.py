"""Counted things in English sentences for people who run Polydesk."""

from __future__ import annotations


def plural(many: int, word: str) -> str:
    """`1 question`, `2 questions`, `3 entries`."""
    words = f"{word[:-1]}ies" if word.endswith("y") and word[-2] not in "aeiou" else f"{word}s"
    return f"{many} {word if many == 1 else words}"
