"""Which confidence is sure enough to answer at, so that an error budget holds with a guarantee.

Learn-then-Test (Angelopoulos et al. 2021, https://arxiv.org/abs/2110.01052) with the exact binomial tail of selective
prediction (Geifman & El-Yaniv 2017, https://arxiv.org/abs/1705.08500). For a threshold that was named beforehand, the
wrong ones among the labelled questions above it are binomial, so "its risk exceeds the budget" can be tested exactly.
Thresholds are tested one after the other from strict to lax, each at the whole delta, until one is not rejected: that
keeps the probability of ever certifying a bad one at delta without any assumption about confidences. What must not
depend on the labelled questions is the order, so the steps are fixed in advance. The first is strict, because
confidences promise too much as soon as questions differ from those they were calibrated on (`tests/bench/budget.py`).

Plain arithmetic: the gateway, which holds neither NumPy nor SciPy, imports this module for its pages.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DELTA = 0.05  # how likely the guarantee may fail, over the draw of the labelled questions
FIRST = 0.25  # of the budget: the doubt that the strictest threshold leaves
LOWEST = 0.25  # no threshold below, whatever the labels say
STEP = 0.25  # between one tested threshold and the next, in log-odds
ENOUGH = 2  # times what a bound needs at the least: from then on a group is worth a threshold of its own


@dataclass(frozen=True, slots=True)
class Selected:
    """A threshold for an error budget, with what it does on the labelled questions.

    `answered` of `cases` have a confidence of at least `threshold`, `wrong` of them are wrong; `bound` is the upper
    Clopper-Pearson bound of the risk at 1 - delta. When `guaranteed`, the risk at `threshold` is within the budget
    with probability 1 - delta; otherwise the threshold is `estimated`, which trusts the confidences.
    """

    budget: float
    delta: float
    threshold: float
    cases: int
    answered: int
    wrong: int
    bound: float
    guaranteed: bool

    @property
    def coverage(self) -> float:
        """The share of questions that is answered; 0 without questions."""
        return self.answered / self.cases if self.cases else 0.0

    @property
    def risk(self) -> float:
        """The share of answers that is wrong; 0 without answers."""
        return self.wrong / self.answered if self.answered else 0.0


def needed(budget: float, delta: float = DELTA) -> int:
    """How many answers without a single mistake prove a budget; with fewer, nothing can: 149 for 2 %.

    Raises:
        ValueError: budget or delta not between 0 and 1.
    """
    _between(budget=budget, delta=delta)
    return math.ceil(math.log(delta) / math.log1p(-budget))


def strictest(budget: float) -> float:
    """The threshold that is tested first; `needed` answers above it are what a proof begins with."""
    _between(budget=budget)
    return 1 - FIRST * budget


def tail(wrong: int, answered: int, risk: float) -> float:
    """The exact probability of at most `wrong` mistakes in `answered` answers when each is one with probability `risk`.

    Args:
        wrong: whole number, at least 0.
        answered: whole number; 0 answers prove nothing, so the tail is 1.
        risk: in [0, 1].
    """
    if wrong >= answered or risk <= 0:
        return 1.0
    if risk >= 1:
        return 0.0
    odds = math.log(risk) - math.log1p(-risk)
    term = answered * math.log1p(-risk)
    terms = [term]
    for k in range(wrong):
        term += math.log((answered - k) / (k + 1)) + odds
        terms.append(term)
    top = max(terms)
    return min(1.0, math.exp(top) * math.fsum(math.exp(one - top) for one in terms))


def upper(wrong: int, answered: int, delta: float = DELTA) -> float:
    """The one-sided upper Clopper-Pearson bound: the largest risk that `wrong` in `answered` does not refute."""
    if wrong >= answered:
        return 1.0
    low, high = wrong / answered, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(wrong, answered, middle) > delta else (low, middle)
    return high


def interval(wrong: int, answered: int, level: float = 0.95) -> tuple[float, float]:
    """The two-sided Clopper-Pearson interval of a risk (Clopper & Pearson 1934); (0, 1) without answers."""
    half = (1 - level) / 2
    low = 1 - upper(answered - wrong, answered, half) if wrong else 0.0
    return low, upper(wrong, answered, half)


def select(
    confidences: Sequence[float],
    wrong: Sequence[bool],
    budget: float,
    *,
    delta: float = DELTA,
    start: float | None = None,
) -> Selected:
    """The lowest threshold that labelled questions prove to keep the budget, with probability at least 1 - delta.

    The questions must be a fair sample of those to come, and nothing here may have been fitted to them: neither the
    model nor the calibration nor `start`. Equal confidences are answered together or not at all.

    Args:
        confidences: (n,) in [0, 1]; 0 for a question that is never answered, however low the threshold.
        wrong: (n,) whether the answer would be wrong; every answer to a question out of scope is.
        budget: the share of answers that may be wrong, in (0, 1).
        delta: how likely the guarantee may fail.
        start: the threshold that is tested first; `strictest(budget)` by default.

    Raises:
        ValueError: lengths differ, or a number is out of its range.
    """
    _between(budget=budget, delta=delta)
    if len(confidences) != len(wrong):
        raise ValueError(f"{len(confidences)} confidences, but {len(wrong)} outcomes")
    if not all(0 <= one <= 1 for one in confidences):
        raise ValueError("a confidence is a number between 0 and 1")
    ordered, mistakes = _counted(confidences, wrong)
    best, most = None, 0
    for threshold in _steps(strictest(budget) if start is None else start):
        below = bisect_left(ordered, threshold)
        answered = len(ordered) - below
        if tail(mistakes[below], answered, budget) > delta:
            break
        # All that were rejected hold together. Of those that answer the same labelled questions the strictest is taken:
        # nothing is said about confidences that no label is near to.
        if answered > most:
            best, most = threshold, answered
    chosen = estimated(confidences, budget) if best is None else best
    below = bisect_left(ordered, chosen)
    answered, mistaken = len(ordered) - below, mistakes[below]
    bound = upper(mistaken, answered, delta)
    return Selected(budget, delta, chosen, len(ordered), answered, mistaken, bound, best is not None)


def by_group(
    confidences: Sequence[float],
    wrong: Sequence[bool],
    groups: Sequence[str],
    budget: float,
    *,
    delta: float = DELTA,
    start: float | None = None,
) -> dict[str, Selected]:
    """A threshold for each group: its own where it has questions enough, one in common for all the others.

    With probability 1 - delta every guaranteed one keeps the budget: each gets an equal part of delta. The others are
    pooled among themselves, without the large groups, whose good answers would hide their bad ones; so the budget also
    holds over all questions together when all thresholds are guaranteed. Which groups are large is told by counts
    alone, never by outcomes.

    Args:
        confidences: as in `select`.
        wrong: as in `select`.
        groups: (n,) what each question came as, such as text, voice, photo or mixed.
        budget: as in `select`.
        delta: for all groups together.
        start: as in `select`.
    """
    sizes = Counter(groups)
    if len(groups) != len(confidences):
        raise ValueError(f"{len(confidences)} confidences, but {len(groups)} groups")
    least = ENOUGH * needed(budget, delta / max(len(sizes), 1))
    large = sorted(name for name, size in sizes.items() if size >= least)
    small = sorted(sizes.keys() - set(large))
    parts = [(name,) for name in large] + ([tuple(small)] if small else [])
    found: dict[str, Selected] = {}
    for part in parts:
        here = [i for i, group in enumerate(groups) if group in part]
        sure, mistaken = [confidences[i] for i in here], [wrong[i] for i in here]
        chosen = select(sure, mistaken, budget, delta=delta / len(parts), start=start)
        found |= dict.fromkeys(part, chosen)
    return found


def group(channels: Iterable[str]) -> str:
    """What questions of these channels count as where thresholds are chosen: text, voice, photo or mixed.

    Whatever one picture says, by its looks or the words in it, is one voice; what was said before is none of its own.
    """
    heard = set(channels)
    kinds = [name for name in ("text", "voice") if name in heard] + ["photo"] * bool(heard & {"photo", "ocr", "words"})
    return "mixed" if len(kinds) > 1 else next(iter(kinds), "text")


def estimated(confidences: Sequence[float], budget: float) -> float:
    """The lowest threshold above which the confidences themselves promise to keep the budget; no label is needed.

    It is an estimate: nobody has checked that the confidences are right. 1 when even the surest question is too much.
    """
    ordered = sorted(confidences, reverse=True)
    threshold, risk = 1.0, 0.0
    for i, sure in enumerate(ordered):
        risk += 1 - sure
        if sure < LOWEST or risk > budget * (i + 1):
            break
        if i + 1 == len(ordered) or ordered[i + 1] < sure:  # equal ones are answered together or not at all
            threshold = float(sure)
    return threshold


def _steps(start: float) -> list[float]:
    """The thresholds in the order in which they are tested."""
    _between(start=start)
    first, last = math.log(start / (1 - start)), math.log(LOWEST / (1 - LOWEST))
    count = max(int((first - last) / STEP + 1e-9), 0)
    return [start, *(1 / (1 + math.exp(-(first - STEP * i))) for i in range(1, count + 1))]


def _counted(confidences: Sequence[float], wrong: Sequence[bool]) -> tuple[list[float], list[int]]:
    """Confidences ascending, and how many are wrong from each on, with a 0 behind the last."""
    order = sorted(range(len(confidences)), key=lambda i: confidences[i])
    mistakes = [0]
    for i in reversed(order):
        mistakes.append(mistakes[-1] + bool(wrong[i]))
    return [float(confidences[i]) for i in order], mistakes[::-1]


def _between(**numbers: float) -> None:
    for name, number in numbers.items():
        if not 0 < number < 1:
            raise ValueError(f"{name} is a number between 0 and 1, not {number}")
