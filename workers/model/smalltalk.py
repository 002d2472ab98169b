"""Greetings, thanks, goodbyes, "I want a person": small talk that is understood without an entry for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import yaml

from workers.model.encodings import EncodingCache, encoded
from workers.model.heads import Floats, Integers, Kernel
from workers.model.learning import learn
from workers.model.lexical import Lexicon, count, lexicon
from workers.model.matching import Match, Matcher
from workers.model.ports import TextEncoder

PERSON = "person"  # the policy hands over when it hears this one
SURE = 0.45  # score from which on it is small talk rather than a question
CLOSE = 0.45  # cosine below which nothing is small talk
LEAD = 0.02  # cosine by which it must be nearer than every entry
SAME = 0.85  # cosine from which on an entry says the very same: then it wins over the wish for a person
ALIKE = 0.7  # cosine from which on an entry wins over that wish where it is as near, but for `LEEWAY`
LEEWAY = 0.05
ELSE = "else"


@cache
def phrases() -> dict[str, dict[str, list[str]]]:
    """Name -> language -> phrases, as they ship; the last name is `ELSE`: what only sounds like small talk."""
    stored: dict[str, dict[str, list[str]]] = yaml.safe_load(_read("smalltalk.yaml"))
    return stored


@cache
def outside() -> dict[str, list[str]]:
    """Sentences that no shop can answer, by language."""
    stored: dict[str, list[str]] = yaml.safe_load(_read("outside.yaml"))
    english = stored.pop("clinc150")
    stored["en"] = [*english, *stored["en"]]
    return stored


def _read(name: str) -> str:
    return (files("workers.model.materials") / name).read_text(encoding="utf-8")


@cache
def signs() -> dict[str, str]:
    """Small talk without a letter, an emoji as a rule -> its name."""
    return {
        text: name
        for name, languages in phrases().items()
        for texts in languages.values()
        for text in texts
        if not any(letter.isalnum() for letter in text)
    }


@dataclass(frozen=True, slots=True, eq=False)
class SmallTalk:
    """A matcher over the phrases; the last of its entries are sentences that are no small talk, `names` lacks it."""

    matcher: Matcher
    names: tuple[str, ...]

    def winner(self, match: Match, near: float) -> str:
        """The small talk in one question, or nothing.

        Args:
            match: of the question, arrays (1, names + 1).
            near: cosine of the nearest phrase of the knowledge base, which wins when it is as near.
        """
        best = int(match.rank[0].argmax())
        if best == len(self.names) or match.scores[0, best] < SURE or match.near[0, best] < CLOSE:
            return ""
        name, here = self.names[best], float(match.near[0, best])
        if name == PERSON:
            # A matter that is mentioned beside the wish is often nearer than the wish: that alone does not win.
            return "" if near >= SAME or (near >= ALIKE and near >= here - LEEWAY) else name
        return name if here >= near + LEAD else ""


def small_talk(encoder: TextEncoder, cache: EncodingCache) -> SmallTalk:
    """Fit to the phrases of all languages: who writes "danke" to an English bot is thanked too."""
    texts, owner, words = _wording()
    vectors: Floats = encoded(encoder, texts, cache)
    matcher, _ = learn(vectors, owner, np.ones(len(texts), dtype=bool), Kernel(share=0.3), words, outcomes=0)
    return SmallTalk(matcher, tuple(phrases())[:-1])


@cache
def _wording() -> tuple[list[str], Integers, Lexicon]:
    """All phrases in the order of their names, whose they are, their lexicon: the same for every encoder."""
    names = list(phrases())
    grouped = [[t for texts in phrases()[name].values() for t in texts if t not in signs()] for name in names]
    grouped[names.index(ELSE)] += [text for texts in outside().values() for text in texts]
    texts = [text for group in grouped for text in group]
    owner = np.repeat(np.arange(len(grouped)), [len(group) for group in grouped])
    return texts, owner, lexicon([count(text) for text in texts])
