"""Fitting a matcher to points, with a rehearsal of the questions it will get."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.model.heads import Floats, Integers, Kernel, fit
from workers.model.lexical import Lexicon
from workers.model.matching import CELLS, Matcher, Rehearsal
from workers.model.phrases import MOST

OUTCOMES = 600  # left-out points of each kind that are scored
_BLOCK = 200


def learn(
    vectors: Floats,
    owner: Integers,
    spoken: np.ndarray[tuple[int], np.dtype[np.bool_]],
    kernel: Kernel,
    lexicon: Lexicon | None,
    outcomes: int = OUTCOMES,
) -> tuple[Matcher, Rehearsal]:
    """Fit.

    Args:
        vectors: (n, dim), L2-normalised.
        owner: (n,) the entry of each point, ascending, without gaps.
        spoken: (n,) whether customers would say or show the like; each entry has at least one such point.
        kernel: how likeness counts.
        lexicon: the points' wording, None for photos.
        outcomes: how many points are rehearsed, of each kind, at most.
    """
    n, entries = len(owner), int(owner[-1]) + 1
    bare = Matcher(vectors, owner, spoken, kernel, lexicon, None)
    said = np.bincount(owner[spoken], minlength=entries)
    alone = _spread(np.flatnonzero(spoken & (said[owner] > 1)), outcomes)
    groups = _groups(owner, outcomes)
    gone = np.concatenate([group[spoken[group]] for group in groups]) if groups else np.zeros(0, np.int64)

    if n > MOST or n * entries > CELLS:
        return bare, Rehearsal(
            bare.left_out(alone, whole=False), owner[alone], alone, bare.left_out(gone, whole=True), gone
        )

    def rows(start: int, stop: int) -> tuple[Floats, Floats]:
        cosine = vectors[start:stop] @ vectors.T
        return cosine, lexicon.among(start, stop) if lexicon else np.zeros_like(cosine)

    fitted = fit(rows, owner, bare.noise, kernel, alone, groups)
    keep = np.concatenate([spoken[group] for group in groups]) if groups else np.zeros(0, bool)
    matcher = Matcher(vectors, owner, spoken, kernel, lexicon, fitted.duals)
    return matcher, Rehearsal(
        matcher.left_out(alone, whole=False, scores=fitted.alone),
        owner[alone],
        alone,
        matcher.left_out(gone, whole=True, scores=fitted.gone[keep]),
        gone,
    )


def _spread(numbers: Integers, most: int) -> Integers:
    """At most `most` of some numbers, evenly spread."""
    if len(numbers) <= most:
        return numbers
    return numbers[np.linspace(0, len(numbers) - 1, most).astype(np.int64)]


def _groups(owner: Integers, most: int) -> Sequence[Integers]:
    """The points of evenly spread entries: about `most` points in all, but those of two entries in any case."""
    entries = int(owner[-1]) + 1
    if entries < 2:
        return []
    groups: list[Integers] = []
    total = 0
    for entry in _spread(np.arange(entries), max(int(most * entries / len(owner)), 2)):
        start, stop = np.searchsorted(owner, [entry, entry + 1])
        if total + stop - start > most and len(groups) > 1:
            break
        groups.append(np.arange(start, stop))
        total += int(stop - start)
    return groups
