"""A worker that is told to stop ends in good order, whatever it was at."""

from __future__ import annotations

import threading

import pytest

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
