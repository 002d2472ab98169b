"""What each channel of a question thinks of the entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from workers.model import pronunciation
from workers.model.adapt import Adapted, Part
from workers.model.calibration import Numbers, features
from workers.model.fusion.opinions import HISTORY, OCR, PHOTO, TEXT, VOICE, WORDS, Opinion, beforehand, tempered
from workers.model.heads import Floats
from workers.model.heard import Heard, Piece, stacked, wordy
from workers.model.lexical import Counts
from workers.model.matching import Match
from workers.model.smalltalk import CLOSE, PERSON
from workers.model.smalltalk import SAME as VERY_SAME

SHARPNESS = 16.0  # of the softmax over ranks where entries have many phrases; the likeliest on held-out questions
SAME = 0.985  # cosine from which on two phrases, or two photos, are the same
OURS = 0.9  # how likely a phrase that stands under several entries is about one of them
POINTS = 0.7  # how much less a message is believed that points at a photo
PASSAGE = 0.85  # how far one passage of a picture's text is believed beside all of it: the surest of many is flattered
SHOWN = 4.0  # sharpness over what a photo shows in words, in standard deviations
SCREEN = 8  # lines of text from which on a picture is a page or a screen
ALIKE = 0.9  # how far the looks of such a picture are believed: screens of one app look alike whatever they say
LABELLED = 5  # lines of text below which what is written in a photo may be a label on a thing
LABEL = 0.5  # how far that is believed beside what the photo looks like: five points more of Grocery Store's photos
BELIEVED = 0.3  # the most that what a photo shows in words is believed: a thousand labels know no "cracked"


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """Pieces matched with the phrases of a knowledge base; `rows` are their places by identity, `sure` (rows,)."""

    part: Part
    match: Match
    sure: Numbers
    rows: Mapping[int, int]

    def opinion(self, channel: str, piece: Piece, belief: float, entries: Sequence[str]) -> Opinion:
        """What one text says, believed with a probability of `belief`."""
        part, row = self.part, self.rows[id(piece)]
        scores = _opened(part, self.match.rank[row], self.match.near[row], float(self.sure[row]), len(entries))
        best = int(self.match.rank[row].argmax())
        point, cosine = part.matcher.nearest(piece.vector, best)
        evidence: dict[str, object] = {
            "entry": entries[int(part.members[best])],
            "phrase": part.names[point],
            "cosine": round(cosine, 3),
        }
        return Opinion(channel, tempered(scores, belief), evidence, piece.vector)


class Texts:
    """All texts of a batch of questions, matched in one go; what was heard also by how it sounds."""

    def __init__(self, adapted: Adapted, questions: Sequence[Heard]) -> None:
        self._adapted = adapted
        self._rows: dict[int, int] = {}
        pieces: list[Piece] = []
        for heard in questions:
            for piece in (heard.typed, heard.voice, heard.thread, *heard.screen, *heard.wishes):
                if piece is not None and id(piece) not in self._rows:
                    self._rows[id(piece)] = len(pieces)
                    pieces.append(piece)
        self._pieces = pieces  # kept alive, so that no other piece gets the same identity
        self._read: _Read | None = None
        self._voices: _Read | None = None
        self.talk: Match | None = None
        if not pieces:
            return
        vectors, counts = stacked(pieces)
        self.talk = adapted.talk.matcher.match(vectors, counts)
        if adapted.texts is not None:
            self._read = self._matched(adapted.texts, vectors, counts, self._rows)
        spoken = [heard.voice for heard in questions if heard.voice is not None and heard.said.english]
        voices = list({id(piece): piece for piece in spoken}.values())
        if adapted.heard is not None and voices:
            places = {id(piece): row for row, piece in enumerate(voices)}
            sounds = [pronunciation.count(piece.text) for piece in voices]
            self._voices = self._matched(adapted.heard, stacked(voices)[0], sounds, places)

    def _matched(self, part: Part, vectors: Floats, counts: Sequence[Counts], rows: Mapping[int, int]) -> _Read:
        match = part.matcher.match(vectors, counts)
        strange = (vectors @ self._adapted.outside.T).max(axis=1, initial=-1)
        sure = part.calibration.probability(features(match, part.matcher.crowd, strange))
        return _Read(part, match, sure, rows)

    def small_talk(self, piece: Piece) -> str:
        """The small talk that a text is, if any."""
        row = self._rows[id(piece)]
        near = float(self._read.match.near[row].max()) if self._read is not None else -1.0
        return self._adapted.talk.winner(self.talk.row(row), near) if self.talk is not None else ""

    def wished(self, heard: Heard, part: Piece) -> bool:
        """Whether a part of a message asks for a person while no entry says all of it, the wish with the matter."""
        if self.small_talk(part) != PERSON:
            return False
        wish = self._rows[id(part)]
        for piece in (heard.typed, heard.voice):
            if piece is None or self._read is None:
                continue
            near = self._read.match.near[self._rows[id(piece)]]
            best = int(near.argmax())
            if near[best] >= VERY_SAME and self._read.match.near[wish, best] >= CLOSE:
                return False
        return True

    def opinion(self, channel: str, piece: Piece, belief: float = 1.0) -> Opinion | None:
        """What one text says, believed with a probability of `belief`."""
        by_sound = channel == VOICE and self._voices is not None and id(piece) in self._voices.rows
        read = self._voices if by_sound else self._read
        return read.opinion(channel, piece, belief, self._adapted.entries) if read is not None else None

    def screen(self, pieces: Sequence[Piece]) -> Opinion | None:
        """What the text in a picture says: all of it, all wordy lines and the surest passages vote together."""
        if self._read is None or not pieces:
            return None
        part, match = self._read.part, self._read.match
        rows = np.array([self._rows[id(piece)] for piece in pieces])
        ranks, sure = (
            match.rank[rows],
            self._read.sure[rows] * np.r_[1.0, 1.0, np.full(max(len(rows) - 2, 0), PASSAGE)][: len(rows)],
        )
        whole, weight = ranks[:2].mean(axis=0), sure**2
        passages = ranks if len(rows) <= 2 else ranks[2:]
        voting = weight[-len(passages) :] + 1e-9
        rank = (2 * whole + voting @ passages / voting.sum()) / 3
        best = int(rank.argmax())
        agrees = ranks.argmax(axis=1) == best
        surest = int(np.where(agrees, sure, -1).argmax())
        p = float(sure[surest]) if agrees.any() else float(sure.min())
        point, cosine = part.matcher.nearest(pieces[surest].vector, best)
        evidence: dict[str, object] = {
            "entry": self._adapted.entries[int(part.members[best])],
            "line": pieces[surest].text,
            "phrase": part.names[point],
            "cosine": round(cosine, 3),
        }
        scores = _opened(part, rank, match.near[rows[surest]], p, len(self._adapted.entries))
        return Opinion(OCR, scores, evidence, pieces[min(1, len(pieces) - 1)].vector)


def opinions(adapted: Adapted, heard: Heard, texts: Texts) -> list[Opinion]:
    """The opinions of every channel that this question has."""
    said, found = heard.said, []
    if heard.typed is not None:
        # "What is this?" beside a photo is a question about the photo.
        shows = said.photos is not None or bool(heard.screen)
        found.append(texts.opinion(TEXT, heard.typed, 1 - POINTS * heard.leaning if shows else 1.0))
    if heard.voice is not None:
        found.append(texts.opinion(VOICE, heard.voice, float(np.clip(said.certainty, 0, 1)) ** 0.5))
    if heard.thread is not None:
        now = max((opinion.confidence for opinion in found if opinion is not None), default=0.0)
        found.append(texts.opinion(HISTORY, heard.thread, heard.leaning * (1 - now)))
    written = texts.screen(heard.screen)
    looks = _photo(adapted, said.photos, ALIKE if written is not None and len(said.ocr) >= SCREEN else 1.0)
    if written is not None and looks is not None and not (len(said.ocr) >= LABELLED and any(map(wordy, said.ocr))):
        written = replace(written, scores=tempered(written.scores, LABEL))
    found += [written, looks]
    found.append(_words(adapted, said.shown))
    return [opinion for opinion in found if opinion is not None]


def _opened(part: Part, rank: Floats, near: Floats, sure: float, entries: int) -> Floats:
    """Probabilities (entries,): the best has `sure`, what is in scope else is shared among the others by rank.

    Args:
        part: whose entries `rank` (m,) and `near` (m,) speak of.
        rank: what orders them.
        near: cosine of each one's nearest phrase or photo.
        sure: the probability that the best is right.
        entries: of the knowledge base.
    """
    best = int(rank.argmax())
    # Whether it is in scope at all is likelier than that the best is right, but not by more than its rivals explain.
    inside = sure * (2 - sure)
    twins = np.flatnonzero(near >= SAME)
    if len(twins) > 1 and near[best] >= SAME:
        # The same question stands under several entries: whichever else is like it, nobody can tell which is meant.
        # But it is one of them, which the calibration cannot know: no gap between entries means doubt to it.
        rank, inside = rank.copy(), max(inside, OURS)
        rank[twins] = rank[best]
        sure, best = inside / len(twins), int(twins[0])
    share = softmax(SHARPNESS * (1 - 0.3 / part.matcher.crowd) * rank.astype(np.float64))
    inside = min(sure / max(float(share[best]), 1e-9), inside)
    others = share.copy()
    others[best] = 0
    scores = np.full(entries, (1 - inside) * beforehand(entries))
    total = others.sum()
    if total > 0:
        scores[part.members] += (inside - sure) * others / total
    scores[part.members[best]] = sure
    return scores.astype(np.float32)


def _photo(adapted: Adapted, photos: Floats | None, belief: float) -> Opinion | None:
    """What the photos look like, believed with a probability of `belief`; of several the surest counts."""
    part = adapted.photos
    if part is None or photos is None or not len(photos):
        return None
    match = part.matcher.match(photos, [])
    sure = part.calibration.probability(features(match, part.matcher.crowd, np.zeros(len(photos), np.float32)))
    row = int(sure.argmax())
    best = int(match.rank[row].argmax())
    point, cosine = part.matcher.nearest(photos[row], best)
    evidence: dict[str, object] = {
        "entry": adapted.entries[int(part.members[best])],
        "photo": part.names[point],
        "cosine": round(cosine, 3),
    }
    scores = _opened(part, match.rank[row], match.near[row], float(sure[row]), len(adapted.entries))
    return Opinion(PHOTO, tempered(scores, belief), evidence, photos.mean(axis=0))


def _words(adapted: Adapted, shown: Floats | None) -> Opinion | None:
    """What the photos show, put into words, against the phrases."""
    part = adapted.texts
    if part is None or shown is None or not len(shown):
        return None
    points = part.matcher.vectors if adapted.words is None else adapted.words
    if points.shape[1] != shown.shape[1]:
        return None
    cosine = np.where(part.matcher.spoken, (shown @ points.T).max(axis=0), np.float32(-1))
    starts = np.flatnonzero(np.diff(part.matcher.owner, prepend=-1))
    near = np.maximum.reduceat(cosine, starts)
    spread = (near - near.mean()) / max(float(near.std()), 0.02)
    share = softmax(spread.astype(np.float64))
    scores = np.full(len(adapted.entries), (1 - BELIEVED) * beforehand(len(adapted.entries)))
    scores[part.members] += BELIEVED * share
    best = int(near.argmax())
    evidence: dict[str, object] = {
        "entry": adapted.entries[int(part.members[best])],
        "cosine": round(float(near[best]), 3),
    }
    return Opinion(WORDS, scores.astype(np.float32), evidence, shown.mean(axis=0))
