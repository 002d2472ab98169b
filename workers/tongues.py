"""Which language somebody writes, and whether it is understood."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from core.knowledge.entries import KnowledgeBase
from core.knowledge.lint import Finding
from core.knowledge.rules import shown
from workers.model.ports import LanguageIdentifier

_SURE = 0.5  # enough to prefer what the words say over what the platform says
_CERTAIN = 0.8  # enough to say "I do not speak your language"
_STRANGE = 0.95  # enough to say of a phrase of ours that it is in another language: 3 in 20,000 English ones reach it
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
    if _short_for_it(text):
        return Spoken(_short(hint) if _short(hint) in speaks else own, True)
    tongue = identifier.identify(text.replace("\n", " "))
    if tongue.language in speaks and tongue.confidence >= _SURE:
        return Spoken(tongue.language, True)
    if tongue.language and tongue.language not in speaks and tongue.confidence >= _CERTAIN:
        return Spoken(tongue.language, False)
    return Spoken(_short(hint) if _short(hint) in speaks else own, True)


def foreign(knowledge: KnowledgeBase, encoder: frozenset[str], identifier: LanguageIdentifier) -> tuple[Finding, ...]:
    """What of a knowledge base its text encoder was not trained for; nothing where nobody knows what that was.

    Args:
        knowledge: whose enabled entries are looked at.
        encoder: the languages of its text encoder, ISO 639-1.
        identifier: tells languages apart; phrases of few letters are not judged by it.
    """
    if not encoder:
        return ()
    remedy = f"it knows {', '.join(sorted(encoder))}; name another in POLYDESK_TEXT_MODEL"
    if _short(knowledge.language) not in encoder:
        told = (
            f"the text encoder was not trained for {knowledge.language}, the language of this knowledge base: {remedy}"
        )
        return (Finding("unknown-language", told),)
    strange: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for entry in knowledge.live:
        for phrase in entry.phrases:
            if _short_for_it(phrase):
                continue
            tongue = identifier.identify(phrase.replace("\n", " "))
            if tongue.language and tongue.language not in encoder and tongue.confidence >= _STRANGE:
                strange[tongue.language].append((entry.id, phrase))
    return tuple(
        Finding(
            "foreign-phrase",
            f"{shown(some[0][1])} of {some[0][0]}{_more(len(some) - 1)} looks like {language}, "
            f"which the text encoder was not trained for: {remedy}",
            tuple(dict.fromkeys(id for id, _ in some)),
        )
        for language, some in sorted(strange.items())
    )


def _short_for_it(text: str) -> bool:
    """Whether the identifier would only guess; other scripts than Latin tell a language by fewer letters."""
    return text.isascii() and sum(letter.isalpha() for letter in text) < _LETTERS


def _more(phrases: int) -> str:
    return "" if not phrases else f" (and {phrases} more like it)"


def _short(tag: str) -> str:
    return tag.replace("_", "-").split("-")[0].lower()
