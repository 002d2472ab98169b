"""Which language a customer writes, and whether the knowledge base speaks it."""

from __future__ import annotations

from dataclasses import dataclass

from core.knowledge.entries import KnowledgeBase
from workers.model.ports import LanguageIdentifier

_SURE = 0.5  # enough to prefer what the words say over what the platform says
_CERTAIN = 0.8  # enough to say "I do not speak your language"
_LETTERS = 12  # below this the identifier guesses: "ok", "hi there", product names


@dataclass(frozen=True, slots=True)
class Spoken:
    """`language` is an ISO 639-1 code; `known` is False when the knowledge base surely does not speak it."""

    language: str
    known: bool


def spoken(text: str, hint: str, knowledge: KnowledgeBase, identifier: LanguageIdentifier) -> Spoken:
    """Tell the language of a message.

    Args:
        text: typed words and transcript.
        hint: what the platform says about the customer, possibly empty.
        knowledge: whose languages count as known.
        identifier: tells languages apart; unreliable on a few letters, which is why those never rule anybody out.
    """
    speaks = {_short(tag) for tag in knowledge.languages}
    own = _short(knowledge.language)
    if sum(letter.isalpha() for letter in text) < _LETTERS and text.isascii():
        return Spoken(_short(hint) if _short(hint) in speaks else own, True)
    tongue = identifier.identify(text.replace("\n", " "))
    if tongue.language in speaks and tongue.confidence >= _SURE:
        return Spoken(tongue.language, True)
    if tongue.language and tongue.language not in speaks and tongue.confidence >= _CERTAIN:
        return Spoken(tongue.language, False)
    return Spoken(_short(hint) if _short(hint) in speaks else own, True)


def _short(tag: str) -> str:
    return tag.replace("_", "-").split("-")[0].lower()
