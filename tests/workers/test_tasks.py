"""A worker process that begins says why it cannot; one that is told to stop ends in good order."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from redis import Redis

from core import wire
from core.broker import NEWS
from core.training import News, Order
from tests.flows.servers import redis
from workers import tasks
from workers.pulse import Pulse


def test_what_is_rehearsed_comes_to_an_end_before_the_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library whose model still runs while the interpreter goes away aborts the process (exit status -6)."""
    ended = threading.Event()
    monkeypatch.setattr(tasks, "_ended", ended)
    rehearsing = threading.Thread(target=lambda: ended.wait(60))
    rehearsing.start()
    monkeypatch.setattr(tasks, "_warming", [rehearsing])
    tasks._stop()
    assert not rehearsing.is_alive() and not tasks._warming


def test_settings_that_changed_since_the_worker_was_started_end_a_training_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Given settings that cannot be read any longer, when a training is asked for, then whoever waits is told."""
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path))
    monkeypatch.setenv("POLYDESK_REDIS_URL", "ftp://nowhere")
    monkeypatch.setenv("POLYDESK_THREADS", "many")
    with redis() as url, Redis.from_url(url) as broker:
        tasks._trained(tasks.Bench(broker, None, Pulse(broker, ("train",))), Order("t1", "0" * 64))
        (told,) = [wire.loads(News, raw) for raw in broker.lrange(NEWS, 0, -1)]
    assert told.training == "t1" and told.last and not told.refused and "\n" not in told.problem
    assert "settings cannot be read (POLYDESK_REDIS_URL: " in told.problem and "; POLYDESK_THREADS: " in told.problem


BUILDING = """
from types import SimpleNamespace as Some
from celery.signals import worker_init
from workers import tasks
class Sender:
    app = Some(amqp=Some(queues=Some(consume_from={"text": 1})))
worker_init.send(sender=Sender())
"""


@pytest.mark.parametrize(
    ("address", "data", "told"),
    [
        ("", "there", "POLYDESK_REDIS_URL: a worker needs the broker's address"),
        ("redis://127.0.0.1:1/0", "file", "free space there, or let this user write there"),
        ("redis://127.0.0.1:1/0?db=zero", "there", "the worker cannot start (ValueError: "),
    ],
)
def test_a_worker_that_cannot_be_built_ends_with_the_reason(tmp_path: Path, address: str, data: str, told: str) -> None:
    """Celery swallows what a signal's receiver raises, then takes questions; it does not swallow the process's end."""
    (tmp_path / "file").touch()
    environ = os.environ | {"POLYDESK_REDIS_URL": address, "POLYDESK_DATA": str(tmp_path / data)}
    done = subprocess.run([sys.executable, "-c", BUILDING], env=environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert told in done.stderr.splitlines()[-1]
    assert ("worker.broken" in done.stderr) == ("cannot start" in told)
