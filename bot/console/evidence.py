"""Why the bot thought what it thought, channel by channel, as rows for a page."""

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
_TAKEN = ("entry", "confidence", "phrase", "line", "photo")


@dataclass(frozen=True, slots=True)
class Row:
    """What one channel found: its nearest `entry`, and the `phrase` or example `photo` (a blob) it was nearest to.

    `confidence` is how far the channel trusts itself, None when it does not say; `line` is what it read of a longer
    text; `more` holds anything else, worded.
    """

    channel: str
    entry: str = ""
    confidence: float | None = None
    phrase: str = ""
    line: str = ""
    photo: str = ""
    more: tuple[str, ...] = ()


def rows(evidence: Mapping[str, Any] | None) -> tuple[Row, ...]:
    """The rows of a prediction's evidence, whatever a model puts into it."""
    return tuple(_row(name, value) for name, value in (evidence or {}).items())


def _row(name: str, value: object) -> Row:
    channel = _NAMES.get(name, name.replace("_", " "))
    if not isinstance(value, Mapping):
        sha = str(value) if valid_sha(str(value)) else ""
        return Row(channel, photo=sha, more=() if sha else (_worded(value),))
    confidence = value.get("confidence")
    photo = str(value.get("photo", ""))
    return Row(
        channel,
        entry=str(value.get("entry", "")),
        confidence=float(confidence) if isinstance(confidence, int | float) else None,
        phrase=str(value.get("phrase", "")),
        line=str(value.get("line", "")),
        photo=photo if valid_sha(photo) else "",
        more=tuple(f"{key.replace('_', ' ')} {_worded(one)}" for key, one in value.items() if key not in _TAKEN),
    )


def _worded(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_worded(one) for one in value)
    return str(value)
