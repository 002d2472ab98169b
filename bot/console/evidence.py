"""Why the bot thought what it thought, channel by channel or piece by piece, in words for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.store.blobs import valid_sha

SHORT = {"ocr": "OCR", "words": "concepts"}
_NAMES = {
    "text": "typed words",
    "voice": "voice note",
    "ocr": "words in the photo",
    "photo": "photo",
    "words": "what the photo shows",
    "history": "earlier messages",
}
_TAKEN = ("entry", "confidence", "phrase", "line", "photo", "without")
CARD = "card"  # the key of the pieces; all others are channels
_SLIGHT = 0.02  # of confidence: what moved it by less is not told
_SHARE = 0.2  # nor what moved it by less than this share of what moved it most
_TOLD = 4  # pieces on either side


@dataclass(frozen=True, slots=True)
class Row:
    """What one channel found: its nearest `entry`, and the `phrase` or example `photo` (a blob) it was nearest to.

    `confidence` is how far the channel trusts itself, None when it does not say; `line` is what it read of a longer
    text; `without` how sure of its best entry the bot would have been without this channel; `more` holds anything else,
    worded.
    """

    channel: str
    entry: str = ""
    confidence: float | None = None
    phrase: str = ""
    line: str = ""
    photo: str = ""
    without: float | None = None
    more: tuple[str, ...] = ()


def rows(evidence: Mapping[str, Any] | None) -> tuple[Row, ...]:
    """The rows of a prediction's evidence, whatever a model puts into it."""
    return tuple(_row(name, value) for name, value in (evidence or {}).items() if name != CARD)


@dataclass(frozen=True, slots=True)
class Piece:
    """What was left out, in words, with the confidence `without` it; `photo` is an example photo (a blob)."""

    words: str
    without: float
    photo: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What decided: `backing` and `against` are pieces that spoke for and against `entry`, the weightiest first.

    `sure` is the confidence in that entry; from `answer_at` on it is said, from `clarify_at` on asked about.
    `together` are pieces, none of which decided alone, and `left` the confidence without all of them. `competitors` are
    (entry, score), best first.
    """

    entry: str
    sure: float
    answer_at: float
    clarify_at: float
    backing: tuple[Piece, ...] = ()
    against: tuple[Piece, ...] = ()
    together: tuple[Piece, ...] = ()
    left: float = 0.0
    competitors: tuple[tuple[str, float], ...] = ()

    @property
    def enough(self) -> bool:
        """Whether it was sure enough to answer."""
        return self.sure >= self.answer_at


def card(evidence: Mapping[str, Any] | None) -> Card | None:
    """The card of a prediction's evidence; None where none was asked for, or where it cannot be read."""
    plain = (evidence or {}).get(CARD)
    try:
        return _card(plain) if plain else None
    except (KeyError, IndexError, TypeError, ValueError):  # another version's
        return None


def _card(plain: Mapping[str, Any]) -> Card:
    pieces = sorted(plain["pieces"], key=lambda one: -abs(float(one["moved"])))
    least = max(_SLIGHT, _SHARE * max((abs(float(one["moved"])) for one in pieces), default=0.0))

    def piece(one: Mapping[str, Any]) -> Piece:
        return Piece(_named(one), float(one["without"]), _example(one))

    def told(sign: int) -> tuple[Piece, ...]:
        return tuple([piece(one) for one in pieces if sign * float(one["moved"]) >= least][:_TOLD])

    together = plain.get("together") or {"pieces": (), "without": 0.0}
    return Card(
        entry=str(plain["entry"]),
        sure=float(plain["confidence"]),
        answer_at=float(plain["answer_at"]),
        clarify_at=float(plain["clarify_at"]),
        backing=told(1),
        against=told(-1),
        together=tuple(piece(plain["pieces"][i]) for i in together["pieces"]),
        left=float(together["without"]),
        competitors=tuple((str(one["entry"]), float(one["score"])) for one in plain["competitors"]),
    )


def _named(piece: Mapping[str, Any]) -> str:
    """A piece as a person would point at it."""
    if piece.get("seconds"):
        start, end = (float(second) for second in piece["seconds"])
        return f"“{piece['words']}”, said at about {start:.1f} to {end:.1f} s"
    if "words" in piece:
        return f"“{piece['words']}”" + (", heard" if piece["channel"] == "voice" else "")
    if "line" in piece:
        return f"“{piece['line']}”, " + ("read in the photo" if piece["channel"] == "ocr" else "said earlier")
    if "example" in piece:
        return "this example photo" if _example(piece) else f"the example photo {piece['example']}"
    return f"photo {piece['photo']}"


def _example(piece: Mapping[str, Any]) -> str:
    sha = str(piece.get("example", ""))
    return sha if valid_sha(sha) else ""


def _row(name: str, value: object) -> Row:
    channel = _NAMES.get(name, name.replace("_", " "))
    if not isinstance(value, Mapping):
        sha = str(value) if valid_sha(str(value)) else ""
        return Row(channel, photo=sha, more=() if sha else (_worded(value),))
    confidence = value.get("confidence")
    photo, without = str(value.get("photo", "")), value.get("without")
    return Row(
        channel,
        entry=str(value.get("entry", "")),
        confidence=float(confidence) if isinstance(confidence, int | float) else None,
        phrase=str(value.get("phrase", "")),
        line=str(value.get("line", "")),
        photo=photo if valid_sha(photo) else "",
        without=float(without) if isinstance(without, int | float) else None,
        more=tuple(f"{key.replace('_', ' ')} {_worded(one)}" for key, one in value.items() if key not in _TAKEN),
    )


def _worded(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_worded(one) for one in value)
    return str(value)
