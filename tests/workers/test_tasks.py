"""A worker that is told to stop ends in good order, whatever it was at."""

from __future__ import annotations

import threading

import pytest
from redis import Redis

from core.training import News
from workers import tasks


def test_what_is_rehearsed_comes_to_an_end_before_the_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library whose model still runs while the interpreter goes away aborts the process (exit status -6)."""
    ended = threading.Event()
    monkeypatch.setattr(tasks, "_ended", ended)
    rehearsing = threading.Thread(target=lambda: ended.wait(60))
    rehearsing.start()
    monkeypatch.setattr(tasks, "_warming", [rehearsing])
    tasks._stop()
    assert not rehearsing.is_alive() and not tasks._warming


def test_the_end_of_a_training_that_the_broker_does_not_take_is_told_from_one_that_was_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_LAST_WORD", 0.0)
    with Redis.from_url("redis://127.0.0.1:1/0") as away:
        assert tasks._push(away, News("t1", 1, problem="It was killed")) is False
