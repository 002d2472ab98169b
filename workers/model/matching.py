"""Which entries a vector is like: the points of a knowledge base, phrases or photos, with a machine over them.

Up to `phrases.MOST` points one machine is fitted over all of them. Beyond that nothing is fitted: the nearest `NEARBY`
points are found exactly, a machine of their own is solved for each question, and only its scale differs from the large
one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from workers.model.heads import Floats, Integers, Kernel, solve_here
from workers.model.lexical import Counts, Lexicon

CELLS = 4_000_000  # points times entries; 16 MB of duals
NEARBY = 128
NOISE = 0.1  # variance of the label of a phrase or photo
_CELLS = 4_000_000  # cosines that are looked at in one go: 16 MB
ASIDE = 0.5  # variance of the label of a sentence of an answer: not what customers write, but about the same matter


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """What questions have in common with entries; every array is (q, entries).

    `scores` are about 1 for the right entry and about 0 for all else; `near` is the cosine of the entry's nearest
    phrase or photo, -1 where it has none; `wording` is the likeness to the most alike phrase; `rank` is what orders.
    """

    scores: Floats
    near: Floats
    wording: Floats
    rank: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def row(self, i: int) -> Match:
        """One question, arrays of shape (1, entries)."""
        here = slice(i, i + 1)
        return Match(self.scores[here], self.near[here], self.wording[here], self.rank[here])


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """What points would have scored as questions.

    `alone` (a) are points left out one by one, each of an entry that has others, with `truth` (a,) their entries;
    `gone` (b) are points left out with all of their entry: questions that should not be answered. `alone_points` and
    `gone_points` say which points they are.
    """

    alone: Match
    truth: Integers
    alone_points: Integers
    gone: Match
    gone_points: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Matcher:
    """Points and what was learned from them.

    `vectors` (n, dim) are L2-normalised, `owner` (n,) is the entry of each in ascending order, every entry having at
    least one; `spoken` (n,) is False for sentences of answers; `duals` (n, entries) is None beyond the limits
    above. `entries` counts them, `crowd` is how many phrases or photos one has on average, `noise` (n,) the variance of
    each label.
    """

    vectors: Floats
    owner: Integers
    spoken: np.ndarray[tuple[int], np.dtype[np.bool_]]
    kernel: Kernel
    lexicon: Lexicon | None
    duals: Floats | None
    entries: int = field(init=False)
    crowd: float = field(init=False)
    noise: Floats = field(init=False, repr=False)
    _starts: Integers = field(init=False, repr=False)
    _all_spoken: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts = np.flatnonzero(np.diff(self.owner, prepend=-1))
        object.__setattr__(self, "_starts", starts)
        object.__setattr__(self, "_all_spoken", bool(self.spoken.all()))
        object.__setattr__(self, "noise", np.where(self.spoken, np.float32(NOISE), np.float32(ASIDE)))
        object.__setattr__(self, "entries", len(starts))
        object.__setattr__(self, "crowd", max(float(self.spoken.sum()) / len(starts), 1.0))

    def match(self, vectors: Floats, counted: Sequence[Counts]) -> Match:
        """Match questions: vectors (q, dim) and, for texts, their features (q); photos have none."""
        cosine = vectors @ self.vectors.T
        if self.duals is None:
            rows = [self.lexicon.vectors([counts]) for counts in counted] if self.lexicon else []
            return self._join([self._nearby(cosine[i], rows[i] if rows else None) for i in range(len(cosine))])
        wording = self.lexicon.likeness(counted) if self.lexicon else np.zeros_like(cosine)
        return self._match(self.kernel(cosine, wording) @ self.duals, cosine, wording)

    def nearest(self, vector: Floats, entry: int) -> tuple[int, float]:
        """The point of this entry that is nearest to a vector (dim,), with its cosine."""
        start, stop = np.searchsorted(self.owner, [entry, entry + 1])
        cosine = np.where(self.spoken[start:stop], self.vectors[start:stop] @ vector, -1)
        best = int(cosine.argmax())
        return int(start) + best, float(cosine[best])

    def left_out(self, points: Integers, *, whole: bool, scores: Floats | None = None) -> Match:
        """What these points match once they are left out, alone or as a `whole` entry.

        `scores` (len(points), entries) are given where a fitted machine knows them in closed form.
        """
        parts = [self.none()]
        block = max(1, _CELLS // len(self.owner))
        for at in range(0, len(points), block):
            some = points[at : at + block]
            cosine = self.vectors[some] @ self.vectors.T
            out = [np.flatnonzero(self.owner == self.owner[p]) if whole else np.array([p]) for p in some]
            if scores is None:
                words = [self.lexicon.rows[p] if self.lexicon else None for p in some]
                parts += [self._nearby(cosine[i], words[i], out[i]) for i in range(len(some))]
                continue
            wording = self.lexicon.rows[some] @ self.lexicon.postings if self.lexicon else None
            alike = np.zeros_like(cosine) if wording is None else np.asarray(wording.toarray(), dtype=np.float32)
            for i, without in enumerate(out):
                cosine[i, without], alike[i, without] = -1, 0
            parts.append(self._match(scores[at : at + block], cosine, alike))
        return self._join(parts)

    def none(self) -> Match:
        """No question at all."""
        empty = np.zeros((0, self.entries), dtype=np.float32)
        return Match(empty, empty, empty, empty)

    def _match(self, scores: Floats, cosine: Floats, wording: Floats) -> Match:
        alike = np.maximum.reduceat(self._said(wording, 0), self._starts, axis=1)
        return self._ranked(scores, self._nearest(cosine), alike)

    def _nearest(self, cosine: Floats) -> Floats:
        return np.asarray(np.maximum.reduceat(self._said(cosine, -1), self._starts, axis=-1))

    def _said(self, values: Floats, otherwise: float) -> Floats:
        """The values of spoken points; sentences of answers are never near."""
        return values if self._all_spoken else np.where(self.spoken, values, np.float32(otherwise))

    def _ranked(self, scores: Floats, near: Floats, alike: Floats) -> Match:
        return Match(scores, near, alike, (scores + near / np.float32(self.crowd)).astype(np.float32))

    def _nearby(self, cosine: Floats, wording: csr_matrix | None, without: Integers | None = None) -> Match:
        """One question against its nearest points; `cosine` is (n,), `wording` its sparse row."""
        if without is not None:
            cosine = cosine.copy()
            cosine[without] = -1
        few = min(NEARBY, len(cosine))
        here = np.sort(np.argpartition(cosine, len(cosine) - few)[-few:])
        alike, gram_alike = np.zeros(few, np.float32), np.zeros((few, few), np.float32)
        if self.lexicon is not None and wording is not None:
            rows = self.lexicon.rows[here]
            alike = np.asarray((rows @ wording.T).toarray(), dtype=np.float32)[:, 0]
            if without is not None:
                alike[np.isin(here, without)] = 0
            gram_alike = np.asarray((rows @ rows.T).toarray(), dtype=np.float32)
        points = self.vectors[here]
        says = solve_here(cosine[here], alike, points @ points.T, gram_alike, self.noise[here], self.kernel)
        scores = np.bincount(self.owner[here], says, minlength=self.entries).astype(np.float32)
        most_alike = np.zeros(self.entries, dtype=np.float32)
        np.maximum.at(most_alike, self.owner[here], np.where(self.spoken[here], alike, np.float32(0)))
        return self._ranked(scores[None], self._nearest(cosine)[None], most_alike[None])

    @staticmethod
    def _join(matches: Sequence[Match]) -> Match:
        return Match(*(np.concatenate([getattr(m, name) for m in matches]) for name in Match.__dataclass_fields__))
