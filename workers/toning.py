"""How strained the customer of a question seems, from the voice notes and from the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from core.asking import ToneBy
from core.errors import Broken
from workers.model import sentiment
from workers.model.ports import TextEncoder
from workers.model.sentiment import SentimentHead
from workers.model.shelf import Shelf
from workers.perceiving import Perceived

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Strain:
    """The probability that somebody is strained, with what told it."""

    probability: float
    by: ToneBy


class Toning:
    """Reads tone where it is allowed; a model that is missing or does not fit leaves that part unknown, told once."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._words: SentimentHead | None = None
        self._without = set() if shelf.hears_tone else {"voice"}

    def warm(self, *, voices: bool) -> None:
        """Load what the first question would otherwise wait for."""
        self._head()
        if voices and "voice" not in self._without:
            try:
                self._shelf.tone  # noqa: B018
            except Broken as problem:
                self._do_without("voice", problem)

    def read(self, some: Sequence[Perceived], encoder: TextEncoder) -> list[Strain | None]:
        """For each question what seems the more strained, its voices or its words; None where nobody may look.

        Nothing that goes wrong here keeps a question from its answer.
        """
        try:
            return self._read(some, encoder)
        except Exception:
            log.exception("tone.failed")
            return [None] * len(some)

    def _read(self, some: Sequence[Perceived], encoder: TextEncoder) -> list[Strain | None]:
        asked = [one for one in some if one.question.tone]
        if not asked:
            return [None] * len(some)
        words = dict(zip(map(id, asked), self._of_words([_words(one) for one in asked], encoder), strict=True))
        found: list[Strain | None] = []
        for one in some:
            told = [
                Strain(p, by)
                for p, by in ((words.get(id(one)), ToneBy.WORDS), (self._of_voices(one), ToneBy.VOICE))
                if p is not None
            ]
            found.append(max(told, key=lambda strain: strain.probability, default=None))
        return found

    def _of_words(self, texts: list[str], encoder: TextEncoder) -> list[float | None]:
        head = self._head()
        if head is None or not head.knows(encoder.digest):
            return [None] * len(texts)
        return head.strained(encoder.digest, texts, encoder.encode(texts))

    def _of_voices(self, one: Perceived) -> float | None:
        if not (one.waves and one.question.tone) or "voice" in self._without:
            return None
        try:
            told = [tone.strained for wave in one.waves if (tone := self._shelf.tone.read(wave)) is not None]
        except Broken as problem:
            self._do_without("voice", problem)
            return None
        return max(told, default=None)

    def _head(self) -> SentimentHead | None:
        if self._words is None and "words" not in self._without:
            try:
                self._words = sentiment.load()
            except Broken as problem:
                self._do_without("words", problem)
        return self._words

    def _do_without(self, part: str, problem: Broken) -> None:
        self._without.add(part)
        log.warning("tone.unknown", part=part, problem=str(problem))


def _words(one: Perceived) -> str:
    """What was typed, and what was said."""
    return "\n".join(filter(None, (one.question.text.strip(), one.transcript.text if one.transcript else "")))
