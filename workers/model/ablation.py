"""What moved a score: a question is scored again and again, each time without one piece of it.

Erasure (Li et al. 2016, https://arxiv.org/abs/1612.08220): what a piece is worth is what the answer loses without it.
All remainders go through the encoder in one call, then through the same scoring as the question itself, so that fixed
weights, a learned gate or a fine-tuned encoder are all explained by what they do. It costs as many texts as a question
has words: too much for whoever waits for an answer, little for whoever asks why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from workers.model.adapt import PHOTO_KERNEL, Adapted, Part
from workers.model.channels import Texts, opinions
from workers.model.fusion.opinions import HISTORY, OCR, PHOTO, TEXT, VOICE, Fusion
from workers.model.fusion.pool import LogPool
from workers.model.heard import LONGEST, Heard, Said, hear, leant_on
from workers.model.learning import learn
from workers.model.ports import TextEncoder
from workers.model.scoring import Scored

WORDS = 24  # of a message that are left out one by one; of a longer one clauses are, or stretches of equal length
STRETCHES = 12  # of a longer message, or of the lines in a picture
EXAMPLES = 4  # example photos of an entry, those nearest to what the customer showed
COMPETITORS = 3
TOGETHER = 8  # pieces that are left out at once where none alone decides
_TOKEN = re.compile(r"\S*[^\W_]\S*")
_CLAUSE = re.compile(r"(?:[^.,;:!?\n]|[.,;:!?](?=\S))+[.,;:!?\n]*")
_WIDE = re.compile(r"[぀-ヿ㐀-鿿가-힣฀-๿]{3,}")  # scripts that put no blanks between words
_PAIR = 2  # characters of such a script that are left out together

Segment = tuple[float, float, str]
Span = tuple[int, int]


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
        negative where it speaks against the entry. Where the bot would have answered without any one piece, `together`
        {pieces, without} lists the places in `pieces` of those that, left out at once, keep it from answering.
    """
    if not scored.candidates:
        return {}
    entry, told = scored.candidates[0].entry, list(cuts(said))
    asking = _Asking(adapted, adapted.entries.index(entry), encoder, fusion if fusion is not None else LogPool(), sure)
    found = [*zip(told, asking.sures([remainder(said, [piece]) for piece in told]), strict=True)]
    found += asking.fewer_examples(said)
    found.sort(key=lambda piece: -abs(scored.confidence - piece[1]))
    drawn: dict[str, object] = {
        "entry": entry,
        "confidence": round(scored.confidence, 6),
        "answer_at": round(scored.answer_at, 6),
        "clarify_at": round(scored.clarify_at, 6),
        "competitors": [{"entry": one.entry, "score": one.score} for one in scored.candidates[1 : COMPETITORS + 1]],
        "pieces": [
            piece | {"without": round(without, 4), "moved": round(scored.confidence - without, 4)}
            for piece, without in found
        ],
    }
    if scored.confidence >= scored.answer_at > 0 and all(without >= scored.answer_at for _, without in found):
        backing = [i for i, (piece, without) in enumerate(found) if without < scored.confidence and "at" in piece]
        sizes = range(2, min(len(backing), TOGETHER) + 1)
        left = asking.sures([remainder(said, [found[i][0] for i in backing[:size]]) for size in sizes])
        for size, without in zip(sizes, left, strict=True):
            if without < scored.answer_at:
                drawn["together"] = {"pieces": backing[:size], "without": round(without, 4)}
                break
    return drawn


@dataclass(frozen=True, slots=True, eq=False)
class _Asking:
    """How sure of one entry, the one at `place`, questions make us."""

    adapted: Adapted
    place: int
    encoder: TextEncoder
    pool: Fusion
    sure: Callable[[float], float]

    def sures(self, rests: Sequence[Said]) -> list[float]:
        """The confidence in the entry for each of some questions, 0 without anything; encoded in one call."""
        questions = hear(rests, self.encoder, self.adapted.spelling)
        texts = Texts(self.adapted, questions)
        return [self._sure(self.adapted, heard, texts) for heard in questions]

    def fewer_examples(self, said: Said) -> list[tuple[dict[str, object], float]]:
        """The confidence without each of the entry's example photos that are nearest to the customer's."""
        part = self.adapted.photos
        if part is None or said.photos is None or not len(said.photos):
            return []
        own = np.flatnonzero(part.members[part.matcher.owner] == self.place)
        near = (part.matcher.vectors[own] @ said.photos.T).max(axis=1, initial=-1)
        (heard,) = hear([said], self.encoder, self.adapted.spelling)
        texts = Texts(self.adapted, [heard])
        return [
            (
                {"channel": PHOTO, "example": part.names[point]},
                self._sure(replace(self.adapted, photos=_without(part, int(point))), heard, texts),
            )
            for point in own[np.argsort(-near)][:EXAMPLES]
        ]

    def _sure(self, adapted: Adapted, heard: Heard, texts: Texts) -> float:
        told = opinions(adapted, heard, texts)
        return self.sure(float(self.pool.fuse(told, len(adapted.entries))[self.place])) if told else 0.0


def cuts(said: Said) -> Iterator[dict[str, object]]:
    """The pieces of a question, in words for JSON; `remainder` leaves them out.

    Each has its `channel` and `at`, where it begins and ends in the typed text, in the transcript, among the lines of
    all photos, among the photos or the earlier messages. What is read or heard has `words` or a `line`, what is heard
    has its `seconds`, a photo its number from 1.
    """
    for start, end in stretches(text := said.text[:LONGEST]):
        yield {"channel": TEXT, "words": _bare(text[start:end]), "at": [start, end]}
    for start, end in stretches(text := said.transcript[:LONGEST]):
        heard: dict[str, object] = {"channel": VOICE, "words": _bare(text[start:end]), "at": [start, end]}
        seconds = when(said.segments, start, end)
        yield heard | ({"seconds": [round(second, 1) for second in seconds]} if seconds else {})
    for first, last in _runs(len(said.ocr), STRETCHES):
        yield {"channel": OCR, "line": " / ".join(said.ocr[first:last]), "at": [first, last]}
    if said.photos is not None and len(said.photos) > 1:
        for i in range(len(said.photos)):
            yield {"channel": PHOTO, "photo": i + 1, "at": [i, i + 1]}
    for i in leant_on(said.history):
        yield {"channel": HISTORY, "line": said.history[i][:LONGEST], "at": [i, i + 1]}


def remainder(said: Said, pieces: Iterable[Mapping[str, Any]]) -> Said:
    """A question without some of its pieces."""
    gone: dict[str, set[int]] = {}
    for piece in pieces:
        gone.setdefault(piece["channel"], set()).update(range(*piece["at"]))

    def kept(channel: str, n: int) -> list[int]:
        return [i for i in range(n) if i not in gone.get(channel, ())]

    photos = kept(PHOTO, 0 if said.photos is None else len(said.photos))
    return replace(
        said,
        text="".join(said.text[i] for i in kept(TEXT, len(said.text))),
        transcript="".join(said.transcript[i] for i in kept(VOICE, len(said.transcript))),
        ocr=tuple(said.ocr[i] for i in kept(OCR, len(said.ocr))),
        photos=None if said.photos is None else said.photos[photos],
        shown=said.shown[photos] if said.shown is not None and PHOTO in gone else said.shown,
        history=tuple(said.history[i] for i in kept(HISTORY, len(said.history))),
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


def _without(part: Part, point: int) -> Part | None:
    """The photos without one, fitted anew; the calibration stays."""
    keep = np.arange(len(part.names)) != point
    members, owner = np.unique(part.members[part.matcher.owner[keep]], return_inverse=True)
    if not len(members):
        return None
    vectors = part.matcher.vectors[keep]
    matcher, _ = learn(vectors, owner, np.ones(len(owner), dtype=bool), PHOTO_KERNEL, None, outcomes=0)
    return Part(matcher, part.calibration, members, tuple(np.array(part.names, dtype=object)[keep]))
