"""How far a form of an encoder may differ from the encoder it stands in for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workers.model.heads import Floats, Integers
from workers.model.smalltalk import LEAD

_PAIRS = 1200  # items at most, whose likeness to each other is compared


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a form may lose before it is not taken, and what it must gain.

    `accuracy` is the share of items whose nearest other item is of the right entry: it may fall by so much, or by a
    single item where there are few. `drift` is how much a likeness (cosine) of two items may change, 95 % of them less:
    the smallest lead in likeness that decides anything in scoring. `gain` is the time of one item, as a share of the
    original's, that a form must come down to. `cases` is like `accuracy`, over the cases of a knowledge base.
    """

    accuracy: float = 0.01
    drift: float = LEAD
    gain: float = 0.9
    cases: float = 0.01


@dataclass(frozen=True, slots=True)
class Likeness:
    """A form beside its original, on `items` sentences or pictures.

    `cosine` is the mean between an item's two vectors, `worst` the least; `drift` the 95th percentile of how much the
    cosine of two items changed; `same` the share of items whose nearest other one stayed; `before` and `after` the
    shares of the `asked` items with a label whose nearest one has it too, None where nothing is labelled.
    """

    items: int
    cosine: float
    worst: float
    drift: float
    same: float
    asked: int = 0
    before: float | None = None
    after: float | None = None


def likeness(original: Floats, form: Floats, labels: Sequence[str], asked: Sequence[bool] | None = None) -> Likeness:
    """Compare vectors (n, dim) of the same items, L2-normalised, n from 2 on.

    `labels` are "" where nobody said what an item is; `asked` says which items look for their nearest one, all by
    default.
    """
    cosines = (original * form).sum(axis=1)
    few = np.linspace(0, len(original) - 1, min(len(original), _PAIRS)).astype(int)
    apart = np.triu_indices(len(few), 1)
    drift = np.abs(form[few] @ form[few].T - original[few] @ original[few].T)[apart]
    places = np.flatnonzero(np.ones(len(labels), bool) if asked is None else np.asarray(asked))
    nearest = [_nearest(vectors, places) for vectors in (original, form)]
    named = np.asarray(labels, dtype=object)
    several = {one for one in set(labels) - {""} if (named == one).sum() > 1}
    known = np.array([named[place] in several for place in places], dtype=np.bool_)
    hits = [float((named[near] == named[places])[known].mean()) if known.any() else None for near in nearest]
    return Likeness(
        items=len(original),
        cosine=float(cosines.mean()),
        worst=float(cosines.min()),
        drift=float(np.quantile(drift, 0.95)),
        same=float((nearest[0] == nearest[1]).mean()),
        asked=int(known.sum()),
        before=hits[0],
        after=hits[1],
    )


def _nearest(vectors: Floats, places: Integers) -> Integers:
    """Of the items at these places, (m,), the nearest other one each."""
    near = vectors[places] @ vectors.T
    near[np.arange(len(places)), places] = -2.0
    found: Integers = near.argmax(axis=1)
    return found


def loss(found: Likeness, tolerance: Tolerance) -> str:
    """Why a form loses too much; empty when it does not."""
    if found.before is not None and found.after is not None:
        most = max(tolerance.accuracy, 1 / found.asked) + 1e-9
        if found.before - found.after > most:
            return f"accuracy falls from {found.before:.1%} to {found.after:.1%}, more than {tolerance.accuracy:.0%}"
    if not found.drift <= tolerance.drift:  # also what is no number
        return f"likenesses change by {found.drift:.3f}, more than {tolerance.drift:.3f}"
    return ""
