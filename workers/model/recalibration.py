"""Confidences corrected by what labelled questions showed.

Temperature scaling with an offset (Guo et al. 2017, https://arxiv.org/abs/1706.04599; Platt 1999) or isotonic
regression (Zadrozny & Elkan 2002), between whose blocks confidences rise steadily (Oron & Flournoy 2017,
https://arxiv.org/abs/1701.05964), so that questions of one block are not all equally sure. Which one, or none, is told
by logarithmic loss on questions that were held out. A guarantee (`workers.model.selective`) needs labelled questions
of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

from workers.model.metrics import expected_error, logarithmic_loss

Numbers = NDArray[np.float64]

FOLDS = 5
FEWEST = 50  # labelled questions; fewer teach noise
SHARP, SHIFT = 1.0, 2.0  # how far slope (its logarithm) and offset may lightly go: standard deviations
SHORT = 1e-6  # of certainty: nothing is impossible


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Plain numbers: a temperature and an offset in log-odds, or knots that confidences are interpolated between.

    `at` and `to` are ascending and as long as each other; when there are any, temperature and offset stand still.
    """

    temperature: float = 1.0
    offset: float = 0.0
    at: tuple[float, ...] = ()
    to: tuple[float, ...] = ()

    def __call__(self, confidences: ArrayLike) -> Numbers:
        """Corrected confidences, of the same shape; the order never changes."""
        sure = np.asarray(confidences, dtype=np.float64)
        if self.at:
            return np.asarray(np.interp(sure, self.at, self.to))
        if (self.temperature, self.offset) == (1.0, 0.0):
            return sure
        return np.asarray(expit(_logit(sure) / self.temperature + self.offset))

    def plain(self) -> dict[str, Any]:
        """For JSON; `of` reads it."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Recalibration:
        """What `plain` gave.

        Raises:
            ValueError: it is none.
        """
        try:
            at, to = (tuple(map(float, plain[name])) for name in ("at", "to"))
            made = cls(float(plain["temperature"]), float(plain["offset"]), at, to)
        except (KeyError, TypeError) as problem:
            raise ValueError(f"not a recalibration: {problem}") from problem
        rising = len(at) == len(to) and list(at) == sorted(at) and list(to) == sorted(to)
        if not rising or made.temperature <= 0:
            raise ValueError("not a recalibration: expected knots that rise, and a temperature above 0")
        return made


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """The correction that was chosen, with what each kind came to on held-out questions.

    `loss` and `ece` map `none`, `temperature` and `isotonic` to figures; empty when there were too few questions.
    """

    chosen: str
    correction: Recalibration
    loss: dict[str, float]
    ece: dict[str, float]


def recalibrate(confidences: ArrayLike, right: ArrayLike, *, seed: int = 0) -> Recalibrated:
    """Choose and fit a correction.

    A kind replaces a simpler one when its held-out loss is lower by more than the standard error of the difference.

    Args:
        confidences: (n,) in [0, 1].
        right: (n,) whether the best entry was right.
        seed: of the split into folds.
    """
    sure, truth = np.asarray(confidences, dtype=np.float64), np.asarray(right, dtype=bool)
    if len(sure) < FEWEST:
        return Recalibrated("none", Recalibration(), {}, {})
    fold = np.random.default_rng(seed).permutation(len(sure)) % FOLDS
    held = {name: np.empty(len(sure)) for name in _KINDS}
    for number in range(FOLDS):
        here, rest = fold == number, fold != number
        for name, fit in _KINDS.items():
            held[name][here] = fit(sure[rest], truth[rest])(sure[here])
    losses = {name: logarithmic_loss(found, truth) for name, found in held.items()}
    chosen = "none"
    for name in ("temperature", "isotonic"):
        gained = losses[chosen] - losses[name]
        if gained.mean() > gained.std() / np.sqrt(len(sure)):
            chosen = name
    return Recalibrated(
        chosen,
        _KINDS[chosen](sure, truth),
        {name: float(loss.mean()) for name, loss in losses.items()},
        {name: expected_error(found, truth) for name, found in held.items()},
    )


def as_it_is(sure: Numbers, right: NDArray[np.bool_]) -> Recalibration:
    """No correction."""
    return Recalibration()


def temperature(sure: Numbers, right: NDArray[np.bool_]) -> Recalibration:
    """Temperature and offset by maximum a posteriori: they stay where they are unless the questions say otherwise."""
    z, y = _logit(sure), right.astype(np.float64)

    def loss(at: Numbers) -> tuple[float, Numbers]:
        slope, offset = np.exp(at[0]), at[1]
        moved = slope * z + offset
        wrong = expit(moved) - y
        value = float(np.sum(np.logaddexp(0, moved) - y * moved))
        drift = np.array([at[0] / SHARP**2, at[1] / SHIFT**2])
        return value + float(drift @ at) / 2, np.array([wrong @ z * slope, wrong.sum()]) + drift

    slope, offset = minimize(loss, np.zeros(2), jac=True).x
    return Recalibration(float(np.exp(-slope)), float(offset))


def isotonic(sure: Numbers, right: NDArray[np.bool_]) -> Recalibration:
    """A knot in the middle of every block; extreme blocks keep a doubt of one question."""
    at, place, size = np.unique(sure, return_inverse=True, return_counts=True)
    share = np.bincount(place, weights=right) / size
    found = isotonic_regression(share, weights=size)
    edges = found.blocks
    many = np.add.reduceat(size, edges[:-1]).astype(np.float64)
    middle = np.add.reduceat(at * size, edges[:-1]) / many
    doubt = 1 / (many + 2)
    level = np.maximum.accumulate(np.clip(found.x[edges[:-1]], doubt, 1 - doubt))
    # Beyond the outermost knots confidences go on rising: the surest question stays the surest.
    knots = np.concatenate([[0.0], middle, [1.0]])
    values = np.concatenate([[level[0] / 2], level, [(1 + level[-1]) / 2]])
    return Recalibration(at=tuple(map(float, knots)), to=tuple(map(float, values)))


_KINDS = {"none": as_it_is, "temperature": temperature, "isotonic": isotonic}


def _logit(sure: Numbers) -> Numbers:
    return np.asarray(logit(np.clip(sure, SHORT, 1 - SHORT)))
