"""What a worker is told: by the environment, else by the gateway's .env file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.settings import load
from core.errors import SettingsError
from workers.configuration import from_environment

BROKER = "redis://127.0.0.1:6379/0"


def test_a_worker_and_the_gateway_read_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a project whose settings stand in its .env file, and a process started below it
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "deep").mkdir()
    lines = (f"POLYDESK_REDIS_URL={BROKER}", "POLYDESK_DATA=elsewhere", "POLYDESK_THREADS=3", "POLYDESK_DEVICE=")
    (tmp_path / ".env").write_text("\n".join(lines) + "\nPOLYDESK_TELEGRAM_TOKEN=1:very-secret\n")
    monkeypatch.chdir(tmp_path / "deep")
    for name in ("REDIS_URL", "DATA", "THREADS", "DEVICE", "BLOBS"):
        monkeypatch.delenv(f"POLYDESK_{name}", raising=False)
    # Then both know the same
    worker, gateway = from_environment({}), load()
    assert gateway.redis_url is not None and worker.redis_url == gateway.redis_url.get_secret_value() == BROKER
    assert (worker.blobs, worker.models) == (gateway.blob_folder, gateway.models)
    assert worker.blobs == tmp_path / "elsewhere" / "blobs"
    assert (worker.threads, worker.device) == (gateway.threads, gateway.device) == (3, "auto")
    # and a worker keeps nothing that is not its business
    assert "very-secret" not in repr(worker)


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"POLYDESK_REDIS_URL={BROKER}\nPOLYDESK_TEXT_MODEL=minilm\n")
    said = {"POLYDESK_REDIS_URL": "unix:///run/valkey.sock", "POLYDESK_TEXT_MODEL": ""}
    configuration = from_environment(said, tmp_path)
    assert (configuration.redis_url, configuration.text_model) == ("unix:///run/valkey.sock", "minilm")


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    said = {
        "POLYDESK_REDIS_URL": "redis://:very#secret@localhost:6379",
        "POLYDESK_THREADS": "many",
        "POLYDESK_DATA": "~no-such-user/polydesk",
    }
    with pytest.raises(SettingsError) as caught:
        from_environment(said, tmp_path)
    assert {problem.split(":")[0] for problem in caught.value.problems} == set(said)
    assert "secret" not in str(caught.value)


def test_a_worker_needs_a_broker(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="POLYDESK_REDIS_URL: a worker needs the broker's address"):
        from_environment({}, tmp_path)


def test_a_worker_that_cannot_start_says_so_in_one_line(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("POLYDESK_")}
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", "text"]
    environ |= {"PYTHONPATH": str(Path(__file__).parents[2]), "POLYDESK_REDIS_URL": "redis://localhost:abc"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert (
        done.stderr.startswith("POLYDESK_REDIS_URL: its host or port cannot be read") and done.stderr.count("\n") == 1
    )
