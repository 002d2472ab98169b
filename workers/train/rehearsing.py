"""What a strategy's confidences are worth, rehearsed on questions composed of phrases that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from workers.model.calibration import NEAR, OUTSIDE
from workers.model.fusion.strategy import Strategy
from workers.model.recalibration import Numbers, Recalibration, recalibrate
from workers.model.selective import select
from workers.train.strategies import Points, composed, held_back

QUESTIONS = 2000
FEWEST = 20  # phrases that questions are composed of; fewer tell nothing
CAUTION = 0.5  # of the budget: composed questions resemble the phrases more than customers' questions do


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """Confidences (n,) as they come from the network, in [0, 1], with whether the best entry was right (n,)."""

    sure: Numbers
    right: NDArray[np.bool_]

    @property
    def correction(self) -> Recalibration:
        """Fitted to every second question; the others tell the threshold."""
        return recalibrate(self.sure[::2], self.right[::2]).correction

    def answer_at(self, correction: Recalibration, budget: float) -> float:
        """The threshold on corrected confidences; 0 where nothing could be rehearsed.

        An estimate: many questions are composed of one phrase, so that they prove nothing together.
        """
        if not len(self.sure):
            return 0.0
        sure = [float(one) for one in correction(self.sure[1::2])]
        return select(sure, [not one for one in self.right[1::2]], CAUTION * budget).threshold


def rehearsed(net: Strategy, points: Points, seed: int = 0) -> Rehearsal:
    """Ask a network that `strategies.fit` made of the same points with the same seed; nothing where phrases are few."""
    dice = np.random.default_rng(seed)
    phrases = np.flatnonzero(held_back(points, dice))
    if len(phrases) < FEWEST:
        return Rehearsal(np.zeros(0), np.zeros(0, dtype=bool))
    questions, truth = composed(points, phrases, dice, QUESTIONS)
    with torch.inference_mode():
        scores = net(*questions.tensors()).exp().numpy()[:, :-1].astype(np.float64)
    # Of some the right entry is taken away: such a question is just out of scope, where mistakes come from.
    gone = np.flatnonzero((dice.random(QUESTIONS) < OUTSIDE * NEAR) & (truth < points.entries))
    left = np.maximum(1 - scores[gone, truth[gone]], 1e-9)
    scores[gone, truth[gone]] = 0
    scores[gone] /= left[:, None]
    truth[gone] = points.entries
    return Rehearsal(np.clip(scores.max(axis=1), 0, 1), scores.argmax(axis=1) == truth)
