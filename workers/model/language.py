"""Which language a text is written in.

Joulin et al. 2016, https://arxiv.org/abs/1607.01759; the 176 languages of https://fasttext.cc.
"""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import Broken
from workers.model.ports import Tongue
from workers.model.weights import lock

# Not words of any language: addresses, mentions, order numbers, everything with a digit in it.
_NOISE = re.compile(r"https?://\S+|\S+@\S+|@\w+|\w*\d\w*")
_LABEL = "__label__"
_LONGEST = 1000  # characters that are looked at: what is no word is searched for in time that grows with their square


class FastText:
    """The identifier of the fastText authors; 0.01 ms a message, a guess below a confidence of about a half."""

    def __init__(self, folder: Path) -> None:
        import fasttext

        self.digest = f"lid-{lock.job('language').digest[:12]}"
        try:
            self._model = fasttext.load_model(str(folder / "lid.176.ftz"))
        except (ValueError, RuntimeError) as problem:
            raise Broken(f"cannot load {folder / 'lid.176.ftz'}: {problem}; run `polydesk models prepare`") from problem
        self._prior = self._model.predict("", k=1)  # what it says when it knows no word at all

    def identify(self, text: str) -> Tongue:
        """The likeliest language; `Tongue("", 0.0)` for a text without a word the model has seen a part of."""
        words = " ".join(_NOISE.sub(" ", text[:_LONGEST]).split())
        if words.isupper():
            words = words.lower()  # the model has hardly seen capitals: "WHERE IS MY ORDER" would be Japanese
        if not any(character.isalpha() for character in words):
            return Tongue("", 0.0)
        found = self._model.predict(words, k=1)
        if found == self._prior:
            return Tongue("", 0.0)
        (label,), (confidence,) = found
        return Tongue(label.removeprefix(_LABEL), min(1.0, float(confidence)))
