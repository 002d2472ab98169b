"""The guarantee of a threshold, by simulation; and that a naive threshold has none."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Callable

import pytest

from workers.model.selective import (
    DELTA,
    Selected,
    by_group,
    estimated,
    group,
    interval,
    needed,
    select,
    tail,
    upper,
)

DRAWS = 600
Draw = tuple[list[float], list[bool]]


class World:
    """Questions whose true chance of a mistake at each confidence is known."""

    def __init__(self, confidences: Callable[[random.Random], float], mistake: Callable[[float], float]) -> None:
        self.confidences = confidences
        self.mistake = mistake
        dice = random.Random(99)
        some = sorted((confidences(dice) for _ in range(30_000)), reverse=True)
        risks = list(itertools.accumulate(map(mistake, some)))
        self._sure, self._risks = some, [risk / (i + 1) for i, risk in enumerate(risks)]

    def draw(self, dice: random.Random, questions: int) -> Draw:
        sure = [self.confidences(dice) for _ in range(questions)]
        return sure, [dice.random() < self.mistake(one) for one in sure]

    def risk(self, threshold: float) -> float:
        """The true risk of answering from `threshold` on."""
        above = bisect_right(self._sure, -threshold, key=lambda sure: -sure)
        return self._risks[above - 1] if above else 0.0


def odds(shift: float) -> Callable[[float], float]:
    """Chances of a mistake when the log-odds are wrong by `shift`; above 0 the confidences promise too much."""

    def mistake(sure: float) -> float:
        right = sure * 2.718281828**-shift
        return 1 - right / (right + 1 - sure) if sure < 1 else 0.0

    return mistake


WORLDS = {
    "calibrated": World(lambda dice: dice.betavariate(2, 0.3), odds(0)),
    "promises too much": World(lambda dice: dice.betavariate(2, 0.3), odds(1.5)),
    "promises too little": World(lambda dice: dice.betavariate(2, 0.5), odds(-1.5)),
    "always just above the budget": World(lambda dice: dice.random() ** 0.05, lambda sure: 0.0501),
    "a few levels only": World(
        lambda dice: dice.choice((0.99, 0.99, 0.97, 0.9, 0.6)), lambda sure: 0.04 if sure > 0.95 else 0.3
    ),
    "surest ones worse than others": World(
        lambda dice: dice.random() ** 0.1, lambda sure: 0.2 if sure > 0.98 else 0.01
    ),
}


def naive(confidences: list[float], wrong: list[bool], budget: float) -> float:
    """The lowest threshold at which the labelled questions happen to keep the budget."""
    mistakes, best = 0, 1.0
    for i, (sure, bad) in enumerate(sorted(zip(confidences, wrong, strict=True), reverse=True)):
        mistakes += bad
        if mistakes <= budget * (i + 1):
            best = sure
    return best


def violations(world: World, choose: Callable[[list[float], list[bool]], float | None], questions: int) -> float:
    """How often the chosen threshold breaks a budget of 5 %."""
    dice = random.Random(5)
    chosen = [choose(*world.draw(dice, questions)) for _ in range(DRAWS)]
    return sum(one is not None and world.risk(one) > 0.05 for one in chosen) / DRAWS


def proven(confidences: list[float], wrong: list[bool]) -> float | None:
    found = select(confidences, wrong, 0.05)
    return found.threshold if found.guaranteed else None


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("questions", [120, 500])
def test_the_guarantee_fails_no_more_often_than_it_may(name: str, questions: int) -> None:
    # Three standard errors of the simulation itself
    noise = 3 * (DELTA * (1 - DELTA) / DRAWS) ** 0.5
    assert violations(WORLDS[name], proven, questions) <= DELTA + noise


@pytest.mark.parametrize("name", ["calibrated", "promises too much", "always just above the budget"])
def test_a_naive_threshold_breaks_the_budget_often(name: str) -> None:
    broken = violations(WORLDS[name], lambda sure, wrong: naive(sure, wrong, 0.05), 120)
    assert broken > 4 * DELTA


def test_it_is_worth_having() -> None:
    # Given calibrated confidences and 500 labels, most of what could be answered is
    dice = random.Random(3)
    world = WORLDS["calibrated"]
    found = [select(*world.draw(dice, 500), 0.05) for _ in range(100)]
    assert sum(one.guaranteed for one in found) > 80
    possible = max(one.coverage for one in found if world.risk(one.threshold) <= 0.05)
    assert sorted(one.coverage for one in found)[50] > 0.7 * possible


def test_what_a_bound_needs() -> None:
    assert [needed(budget) for budget in (0.01, 0.02, 0.05)] == [299, 149, 59]
    sure = [0.999] * 149
    assert select(sure, [False] * 149, 0.02).guaranteed
    assert not select(sure[1:], [False] * 148, 0.02).guaranteed
    assert not select(sure, [True] + [False] * 148, 0.02).guaranteed


def test_without_proof_it_is_an_estimate() -> None:
    found = select([0.999, 0.95, 0.5], [False, False, True], 0.05)
    # .051 of doubt in the first two, .551 in all three
    assert (found.guaranteed, found.threshold, found.answered, found.wrong) == (False, 0.95, 2, 0)
    assert found.coverage == pytest.approx(2 / 3) and found.bound > 0.05
    assert select([], [], 0.02) == Selected(0.02, DELTA, 1.0, 0, 0, 0, 1.0, False)
    assert select([0.3, 0.4], [True, True], 0.02).threshold == 1.0


def test_equal_confidences_are_answered_together() -> None:
    assert estimated([0.98, 0.9, 0.9, 0.9], 0.06) == 0.98
    assert estimated([0.98, 0.95, 0.95, 0.95], 0.06) == 0.95
    found = select([0.99] * 200 + [0.9] * 200, [False] * 200 + [True] * 20 + [False] * 180, 0.05)
    assert found.guaranteed and (found.answered, found.wrong) == (200, 0)


def test_no_threshold_goes_where_no_label_is() -> None:
    found = select([0.99] * 200, [False] * 200, 0.05)
    assert found.guaranteed and 0.98 < found.threshold <= 0.99
    found = select([0.99] * 200 + [0.7], [False] * 201, 0.05)
    assert 0.6 < found.threshold <= 0.7


def test_tails_and_bounds_are_exact() -> None:
    from scipy.stats import beta, binom

    for wrong, answered, risk in itertools.product((0, 1, 7, 60), (1, 8, 61, 4000), (1e-9, 0.01, 0.5, 0.999)):
        assert tail(wrong, answered, risk) == pytest.approx(binom.cdf(wrong, answered, risk), abs=1e-9)
        if wrong < answered:
            assert upper(wrong, answered) == pytest.approx(beta.ppf(1 - DELTA, wrong + 1, answered - wrong), rel=1e-6)
    assert interval(3, 100) == pytest.approx((0.00622998, 0.08517605), abs=1e-6)
    assert interval(0, 0) == (0.0, 1.0) and interval(5, 5)[1] == 1.0
    assert interval(0, 50)[0] == 0.0 and interval(50, 50) == pytest.approx((beta.ppf(0.025, 50, 1), 1.0))


def test_each_large_group_has_its_own_threshold_and_the_small_ones_share_one() -> None:
    dice = random.Random(1)
    groups = ["text"] * 600 + ["voice"] * 600 + ["photo"] * 90 + ["mixed"] * 90
    sure = [dice.uniform(0.98, 1) for _ in groups]
    # Voice is always wrong, the others never
    wrong = [group == "voice" for group in groups]
    found = by_group(sure, wrong, groups, 0.05)
    assert found["text"].guaranteed and found["text"].cases == 600
    assert not found["voice"].guaranteed and found["voice"].wrong == found["voice"].answered
    assert found["photo"] == found["mixed"] and found["photo"].cases == 180
    assert [one.delta for one in found.values()] == pytest.approx([DELTA / 3] * 4)
    # Together they would have looked bad enough to answer nothing, or good enough to hide the voices
    assert not select(sure, wrong, 0.05).guaranteed


def test_groups_keep_the_budget_together() -> None:
    world, dice = WORLDS["always just above the budget"], random.Random(8)
    failed = 0
    for _ in range(DRAWS // 2):
        sure, wrong = world.draw(dice, 600)
        groups = [dice.choice(("text", "text", "voice", "photo")) for _ in sure]
        failed += any(one.guaranteed for one in by_group(sure, wrong, groups, 0.05).values())
    assert failed / (DRAWS // 2) <= DELTA + 3 * (DELTA * (1 - DELTA) / (DRAWS // 2)) ** 0.5


def test_what_makes_no_sense_is_refused() -> None:
    for confidences, wrong, budget in (([0.5], [], 0.02), ([1.5], [True], 0.02), ([0.5], [True], 0.0)):
        with pytest.raises(ValueError):
            select(confidences, wrong, budget)
    with pytest.raises(ValueError):
        by_group([0.5], [True], [], 0.02)


def test_it_needs_no_heavy_library() -> None:
    code = "import sys, workers.model.selective; print([m for m in ('numpy', 'scipy', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("channels", "name"),
    [((), "text"), (("text", "history"), "text"), (("photo", "ocr", "words"), "photo"), (("voice",), "voice"),
     (("text", "ocr"), "mixed"), (("text", "voice"), "mixed"), (("history", "photo"), "photo")],
)  # fmt: skip
def test_one_picture_is_one_voice(channels: tuple[str, ...], name: str) -> None:
    assert group(channels) == name
