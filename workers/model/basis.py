"""What a proof of thresholds rests on, as digests."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from core.errors import Unreadable
from core.knowledge.entries import KnowledgeBase
from core.media import sniff, strip
from workers.model.phrases import words_of

SCORING = 2  # of how questions are scored; another number where the same question gets another confidence since


def basis(knowledge: KnowledgeBase) -> str:
    """SHA-256 in hexadecimal digits of all that decides how a question is scored; the same before and after publishing.

    These are, in their order, the ids of the live entries, their phrases as far as they count, and their example
    photos; the first sentences of their answers too, since questions are compared with them; and the languages, which
    choose the sentences that are known to be out of scope. `SCORING` stands for the code that scores; encoders and
    recognisers are told apart by their own digests (`Trained`). Everything else may be edited: titles, intents, tags,
    pictures sent along, other languages' answers, messages, hours, cases. The error budget has no part in scores
    (`Trained.proven` compares it by itself).
    """
    live = knowledge.live
    plain = {
        "scoring": SCORING,
        "language": knowledge.language,
        "languages": sorted(knowledge.languages),
        "entries": [
            [entry.id, words, [_content(photo) for photo in entry.photos]]
            for entry, words in zip(live, words_of(live, knowledge.language), strict=True)
        ],
    }
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _content(photo: str) -> str:
    """What names a photo by its content, as a blob is named; of a file, what publishing would keep of it."""
    file = Path(photo)
    if not file.is_absolute():
        return photo
    try:
        raw = file.read_bytes()
    except OSError:
        return ""  # nothing is learned from it
    with suppress(Unreadable):
        raw = strip(raw, sniff(raw).mime)
    return hashlib.sha256(raw).hexdigest()
