"""Many opinions on one question become one by fixed weights.

Opinions are pooled logarithmically (a product of experts, Hinton 2002; Genest & Zidek 1986 on pooling): each channel
multiplies the odds of an entry by how much likelier it finds it than anybody would beforehand. A channel that has
nothing to say leaves the odds alone, so that a photo of something else cannot spoil a clear question. A product trusts
its experts to err independently, which what was said and what was shown do not: a photo of a parcel's page with "it's
not here though" is about another matter than either alone, so that each bounds what the other may be sure of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workers.model.fusion.opinions import HISTORY, OCR, PHOTO, TEXT, VOICE, WORDS, Opinion, beforehand
from workers.model.heads import Floats

# How far a channel is believed beside the leading one; settled on the combinations of `tests/bench/fusion.py`.
WEIGHTS = {TEXT: 0.8, VOICE: 0.8, OCR: 0.7, PHOTO: 0.65, WORDS: 0.5, HISTORY: 0.7}
Numbers = NDArray[np.float64]
_SAID, _SHOWN = frozenset({TEXT, VOICE, HISTORY}), frozenset({PHOTO, OCR, WORDS})
_SMALL = 1e-3
_NOISE = 0.03  # the probability at which some entry is the best of any sentence


@dataclass(frozen=True, slots=True)
class LogPool:
    """Logarithmic pooling with fixed weights.

    The leading opinion, the surest after weighing, counts in full, the others by their weight; none may lower the odds
    of an entry that another one backs by more than `veto`, however sure it is of its own.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    veto: float = 0.1

    def fuse(self, opinions: Sequence[Opinion], entries: int) -> Floats:
        """Probabilities (entries,)."""
        start = beforehand(entries)
        if not opinions:
            return np.full(entries, start, dtype=np.float32)
        if len(opinions) == 1:
            return opinions[0].scores
        lead = max(opinions, key=lambda opinion: self.weights.get(opinion.channel, 0.5) * opinion.confidence)
        lifts = [opinion.scores / start for opinion in opinions]
        backed = np.max(lifts, axis=0) > 1
        pooled = np.zeros(entries + 1)
        pooled[:-1], pooled[-1] = np.log(start), np.log(1 - entries * start)
        for opinion, lift in zip(opinions, lifts, strict=True):
            weight = 1.0 if opinion is lead else self.weights.get(opinion.channel, 0.5)
            none = max(1.0 - float(opinion.scores.sum()), 0.0) / (1 - entries * start)
            pooled[:-1] += weight * np.log(np.maximum(lift, np.where(backed, self.veto, _SMALL)))
            pooled[-1] += weight * np.log(max(none, _SMALL))
        pooled = np.exp(pooled - pooled.max())
        return np.asarray(_contested(pooled[:-1] / pooled.sum(), opinions), dtype=np.float32)


def _contested(pooled: Numbers, opinions: Sequence[Opinion]) -> Numbers:
    """Probabilities (entries,) in which what was said and what was shown share an answer that only one of them backs.

    With probability `a` from its backer and `b` from the other side for another entry, the best has at most
    `a / (a + b)`; what is lost goes to that other entry. Words beside a picture ask something of it, so that theirs
    count even when they are few; a picture may be of anything, so that its own counts squared.
    """
    if all(opinion.channel not in (TEXT, VOICE) for opinion in opinions):
        return pooled  # a picture without a word is about itself, whatever was said before it
    sides = [[o.scores for o in opinions if o.channel in names] for names in (_SAID, _SHOWN)]
    if not all(sides):
        return pooled
    best = int(pooled.argmax())
    said, shown = (np.max(side, axis=0).astype(np.float64) for side in sides)
    words_lead = said[best] > shown[best]
    backer, against = (said, shown**2) if words_lead else (shown, said)
    rival = int(against.argmax())
    limit = max(0.5, float(backer[best] / (backer[best] + max(against[rival] - against[best] - _NOISE, 0.0))))
    if rival != best and pooled[best] > limit:
        pooled[rival] += pooled[best] - limit
        pooled[best] = limit
    return pooled
