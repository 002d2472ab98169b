"""Over a hundred schedules of accidents, and the proof that the verdict sees what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.chaos.__main__ import main
from tests.chaos.bugs import BUGS
from tests.chaos.house import BROKEN, READ_ONLY
from tests.chaos.many import Crew, Tally, crew

SCHEDULES = 140
RARE = {"the next time handed over without a word": 145}  # seeds from which on it does not take long


@pytest.fixture(scope="module")
def workers() -> Iterator[Crew]:
    with crew(os.cpu_count() or 1) as workers:
        yield workers


def test_nothing_is_lost_doubled_or_out_of_order_and_nobody_is_talked_over(workers: Crew) -> None:
    tally = Tally()
    wrong = []
    for result in workers.results(range(1, SCHEDULES + 1)):
        tally.add(result)
        wrong += [f"seed {result.seed}: {violation}" for violation in result.violations]
    assert not wrong, "\n".join([*wrong, "replay: python -m tests.chaos --only SEED"])
    # The schedules were as rough as they claim to be.
    assert tally.restarts > SCHEDULES / 5
    assert tally.questions > 4 * SCHEDULES
    for accident in ("429", "5xx", "disk is full", "database is locked", READ_ONLY, BROKEN, "a leap of the clock"):
        assert tally.injected[accident] > 10, accident


@pytest.mark.parametrize(
    ("bug", "kind"),
    [
        ("no dedupe", "doubled"),
        ("no fence", "after a claim"),
        ("sent before it is marked", "doubled"),
        ("the last first", "out of order"),
        ("claims confirmed at once", "after a claim"),
        ("acknowledged before the commit", "lost"),
        ("unknown outcomes sent again", "doubled"),
        ("handed over without a word", "lost"),
        ("the next time handed over without a word", "untold"),
        ("said anew instead of replaced", "doubled"),
        ("refused and forgotten", "lost"),
        ("no recovery", "stuck"),
    ],
)
def test_a_planted_bug_is_caught(workers: Crew, bug: str, kind: str) -> None:
    first = RARE.get(bug, 1)
    for result in workers.results(range(first, first + 80), bug):
        if kind in {violation.kind for violation in result.violations}:
            return
    pytest.fail(f"80 schedules, and nobody saw: {bug}")


def test_every_planted_bug_has_its_test() -> None:
    marks = test_a_planted_bug_is_caught.pytestmark  # type: ignore[attr-defined]
    assert {bug for bug, _ in marks[0].args[1]} == set(BUGS)


def test_the_same_seed_is_the_same_schedule(workers: Crew) -> None:
    first, second = (next(iter(workers.results([7]))) for _ in range(2))
    assert len(first.trace) > 10
    assert _without_ids(first.trace) == _without_ids(second.trace)


def test_wrong_commands_say_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--real", "-1"], ["--bug", "nonsense"], ["--schedules", "0"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert "at least one schedule" in capsys.readouterr().err


def _without_ids(trace: tuple[str, ...]) -> list[str]:
    return [line.partition("   log:")[0] for line in trace]
