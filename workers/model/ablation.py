"""What moved a score: a question is scored again and again, each time without one piece of it.

Erasure (Li et al. 2016, https://arxiv.org/abs/1612.08220): what a piece is worth is what the answer loses without it.
All remainders go through the encoder in one call, then through the same scoring as the question itself, so that fixed
weights, a learned gate or a fine-tuned encoder are all explained by what they do. It costs as many texts as a question
has words: too much for whoever waits for an answer, little for whoever asks why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from workers.model.adapt import PHOTO_KERNEL, Adapted, Part
from workers.model.channels import Texts, opinions
from workers.model.fusion.opinions import HISTORY, OCR, PHOTO, TEXT, VOICE, Fusion
from workers.model.fusion.pool import LogPool
from workers.model.heard import LONGEST, Said, hear
from workers.model.learning import learn
from workers.model.ports import TextEncoder
from workers.model.scoring import Scored

WORDS = 24  # of a message that are left out one by one; of a longer one clauses are, or stretches of equal length
STRETCHES = 12  # of a longer message, or of the lines in a picture
EXAMPLES = 4  # example photos of an entry, those nearest to what the customer showed
COMPETITORS = 3
_TOKEN = re.compile(r"\S*[^\W_]\S*")
_CLAUSE = re.compile(r"(?:[^.,;:!?\n]|[.,;:!?](?=\S))+[.,;:!?\n]*")
_WIDE = re.compile(r"[぀-ヿ㐀-鿿가-힣฀-๿]{3,}")  # scripts that put no blanks between words
_PAIR = 2  # characters of such a script that are left out together

Segment = tuple[float, float, str]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A piece of a question, in words for JSON, with what remains without it."""

    told: dict[str, object]
    rest: Said


@dataclass(frozen=True, slots=True)
class Weighed:
    """A piece with the confidence in the card's entry `without` it."""

    told: dict[str, object] = field(hash=False)
    without: float


def card(
    adapted: Adapted,
    said: Said,
    scored: Scored,
    encoder: TextEncoder,
    *,
    fusion: Fusion | None = None,
    sure: Callable[[float], float] = float,
) -> dict[str, object]:
    """The evidence card of a question, as plain JSON; empty when no entry was found.

    Args:
        adapted: the knowledge base it was scored against.
        said: the question.
        scored: what came of it, confidence and thresholds as they were told.
        encoder: the one it was encoded with.
        fusion: the one it was scored with; fixed weights by default.
        sure: what was made of a fused score to get the confidence.

    Returns:
        `entry`, the best one, which everything else is about; its `confidence`; the thresholds `answer_at` and
        `clarify_at`; `competitors` [{entry, score}], the next ones; `pieces` [{channel, ..., without, moved}], what
        moved the confidence most first: `without` is the confidence without this piece, `moved` what it adds to it,
        negative where it speaks against the entry.
    """
    if not scored.candidates:
        return {}
    entry = scored.candidates[0].entry
    weighed = weigh(adapted, said, entry, encoder, fusion=fusion)
    pieces = [(one.told, sure(one.without) if one.without > 0 else 0.0) for one in weighed]
    pieces.sort(key=lambda piece: -abs(scored.confidence - piece[1]))
    return {
        "entry": entry,
        "confidence": round(scored.confidence, 6),
        "answer_at": round(scored.answer_at, 6),
        "clarify_at": round(scored.clarify_at, 6),
        "competitors": [{"entry": one.entry, "score": one.score} for one in scored.candidates[1 : COMPETITORS + 1]],
        "pieces": [
            told | {"without": round(without, 4), "moved": round(scored.confidence - without, 4)}
            for told, without in pieces
        ],
    }


def weigh(
    adapted: Adapted, said: Said, entry: str, encoder: TextEncoder, *, fusion: Fusion | None = None
) -> list[Weighed]:
    """The fused score of an entry without each piece of a question, in the order of the pieces; 0 without anything."""
    place = adapted.entries.index(entry)
    pool = fusion if fusion is not None else LogPool()
    found = list(cuts(said))
    questions = hear([*(cut.rest for cut in found), said], encoder, adapted.spelling)
    texts = Texts(adapted, questions)

    def score(number: int, base: Adapted) -> float:
        told = opinions(base, questions[number], texts)
        return float(pool.fuse(told, len(base.entries))[place]) if told else 0.0

    weighed = [Weighed(cut.told, score(i, adapted)) for i, cut in enumerate(found)]
    for name, less in _fewer_examples(adapted, said, place):
        weighed.append(Weighed({"channel": PHOTO, "example": name}, score(len(found), less)))
    return weighed


def cuts(said: Said) -> Iterator[Cut]:
    """The pieces of a question: words, seconds of a recording with their words, lines, photos, earlier messages."""
    text = said.text[:LONGEST]
    for start, end in stretches(text):
        told: dict[str, object] = {"channel": TEXT, "words": _bare(text[start:end]), "at": [start, end]}
        yield Cut(told, replace(said, text=text[:start] + text[end:]))
    heard = said.transcript[:LONGEST]
    for start, end in stretches(heard):
        told = {"channel": VOICE, "words": _bare(heard[start:end]), "at": [start, end]}
        if (seconds := when(said.segments, start, end)) is not None:
            told["seconds"] = [round(seconds[0], 1), round(seconds[1], 1)]
        yield Cut(told, replace(said, transcript=heard[:start] + heard[end:]))
    for first, last in _runs(len(said.ocr), STRETCHES):
        line = " / ".join(said.ocr[first:last])
        yield Cut({"channel": OCR, "line": line}, replace(said, ocr=(*said.ocr[:first], *said.ocr[last:])))
    if said.photos is not None and len(said.photos) > 1:
        for i in range(len(said.photos)):
            fewer = replace(
                said,
                photos=np.delete(said.photos, i, axis=0),
                shown=None if said.shown is None else np.delete(said.shown, i, axis=0),
            )
            yield Cut({"channel": PHOTO, "photo": i + 1}, fewer)
    for i, line in enumerate(said.history):
        yield Cut(
            {"channel": HISTORY, "line": line[:LONGEST]},
            replace(said, history=(*said.history[:i], *said.history[i + 1 :])),
        )


def stretches(text: str) -> list[Span]:
    """What to leave out of a text, as places in it: words, or clauses or runs of words where there are many."""
    words = [span for found in _TOKEN.finditer(text) for span in _halved(text, *found.span())]
    if len(words) <= WORDS:
        return words
    clauses = [found.span() for found in _CLAUSE.finditer(text) if _TOKEN.search(found[0])]
    if WORDS // 4 <= len(clauses) <= STRETCHES:
        return [(start + len(text[start:end]) - len(text[start:end].lstrip()), end) for start, end in clauses]
    return [(words[first][0], words[last - 1][1]) for first, last in _runs(len(words), STRETCHES)]


def when(segments: Sequence[Segment], start: int, end: int) -> tuple[float, float] | None:
    """About which seconds some words of a transcript were said in; None when the recogniser did not tell times.

    Within a segment, which may be a whole sentence, speech is taken to be even.

    Args:
        segments: (start, end, text) in seconds; the transcript is their texts, joined by blanks.
        start: of the words, a place in the transcript.
        end: likewise.
    """
    at, found = 0, []
    for begins, ends, text in segments:
        first, last = max(start - at, 0), min(end - at, len(text))
        if first < last:
            length = ends - begins
            found.append((begins + length * first / len(text), begins + length * last / len(text)))
        at += len(text) + 1
    return (found[0][0], found[-1][1]) if found else None


def _halved(text: str, start: int, end: int) -> list[Span]:
    """A word as it is, unless its script joins many words into one."""
    if not _WIDE.search(text, start, end):
        return [(start, end)]
    return [(at, min(at + _PAIR, end)) for at in range(start, end, _PAIR)]


def _runs(n: int, most: int) -> list[Span]:
    """Numbers 0 to n in at most `most` runs of about the same length."""
    edges = np.linspace(0, n, min(n, most) + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def _bare(words: str) -> str:
    return words.strip().strip('.,;:!?()"“”…').strip()


def _fewer_examples(adapted: Adapted, said: Said, place: int) -> Iterator[tuple[str, Adapted]]:
    """The knowledge base without each of the entry's example photos that are nearest to the customer's."""
    part = adapted.photos
    if part is None or said.photos is None or not len(said.photos):
        return
    own = np.flatnonzero(part.members[part.matcher.owner] == place)
    near = (part.matcher.vectors[own] @ said.photos.T).max(axis=1, initial=-1)
    for point in own[np.argsort(-near)][:EXAMPLES]:
        yield part.names[point], replace(adapted, photos=_without(part, int(point)))


def _without(part: Part, point: int) -> Part | None:
    """The photos without one, fitted anew; the calibration stays."""
    keep = np.arange(len(part.names)) != point
    members, owner = np.unique(part.members[part.matcher.owner[keep]], return_inverse=True)
    if not len(members):
        return None
    vectors = part.matcher.vectors[keep]
    matcher, _ = learn(vectors, owner, np.ones(len(owner), dtype=bool), PHOTO_KERNEL, None, outcomes=0)
    return Part(matcher, part.calibration, members, tuple(np.array(part.names, dtype=object)[keep]))
