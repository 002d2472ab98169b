"""How fast we write, by a clock that tests turn."""

from __future__ import annotations

import pytest

from adapters.pacing import Limit, Pace
from core.errors import Throttled


class Watch:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


CHAT, ALL = Limit("chat", 2, 2.0), Limit("all", 3, 1.0)


def test_a_window_lets_so_many_through_and_says_how_long_the_next_one_waits() -> None:
    watch = Watch()
    pace = Pace(watch)
    pace.enter([CHAT])
    watch.time += 0.5
    pace.enter([CHAT])
    with pytest.raises(Throttled) as full:
        pace.enter([CHAT])
    assert full.value.after == pytest.approx(1.5)
    watch.time += 1.5
    pace.enter([CHAT])


def test_what_is_refused_by_one_limit_counts_under_none() -> None:
    watch = Watch()
    pace = Pace(watch)
    pace.enter([ALL, CHAT])
    pace.enter([ALL, CHAT])
    with pytest.raises(Throttled):
        pace.enter([ALL, CHAT])
    pace.enter([ALL, Limit("other chat", 2, 2.0)])
    assert pace.wait([ALL]) == pytest.approx(1.0)


def test_a_platform_that_tells_us_to_wait_is_left_alone_that_long() -> None:
    watch = Watch()
    pace = Pace(watch)
    pace.told("chat", 22.0, ALL.key)
    pace.told("chat", 3.0, ALL.key)
    assert pace.wait([CHAT]) == pytest.approx(22.0)
    assert pace.wait([ALL]) == 0
    watch.time += 22.0
    pace.enter([CHAT])


def test_two_chats_that_must_wait_at_once_mean_that_all_must() -> None:
    watch = Watch()
    pace = Pace(watch)
    pace.told("chat", 5.0, ALL.key)
    watch.time += 6.0
    pace.told("other chat", 10.0, ALL.key)  # the first had to wait no more
    assert pace.wait([ALL]) == 0
    watch.time += 1.0
    pace.told("third chat", 20.0, ALL.key)
    assert pace.wait([ALL, Limit("a fourth", 2, 2.0)]) == pytest.approx(5.0)
    assert pace.wait([ALL, Limit("third chat", 2, 2.0)]) == pytest.approx(20.0)


def test_windows_that_are_over_are_forgotten() -> None:
    watch = Watch()
    pace = Pace(watch)
    for number in range(3000):
        watch.time += 1
        pace.enter([Limit(f"chat {number}", 1, 1.0)])
    assert len(pace._calls) < 1100
