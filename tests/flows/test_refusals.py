"""What `polydesk up` refuses says what to do, with the exit status of DESIGN: 2 for bad input, 1 for the rest."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.installation import environment, free_port, processes_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

MALFORMED = """\
polydesk: 1
title: Broken shop
language: en
entries:
  - id: track-order
    question: Where is my order?
    answer: Look.
    enabled: perhaps
    colour: red
"""


async def up(
    data: Path, *options: str, models: Path | None = None, alone: bool = True, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run `polydesk up`, which is expected to end by itself."""
    data.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    if models is not None:
        (data / "models").symlink_to(models)
    port = () if "--port" in options else ("--port", str(free_port()))
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bot", "up", "--no-browser", *port, *options],
        cwd=data,
        env=environment(data, **settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert not alone or processes_of(data) == {}
    return done


async def test_an_occupied_port(tmp_path: Path, models_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = await up(tmp_path / "data", "--port", str(port), models=models_dir)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"port {port} on 127.0.0.1 is taken by another program" in last
    assert f"polydesk up --port {port + 1}" in last


async def test_no_models_and_no_registry(tmp_path: Path) -> None:
    unreachable = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_INDEX": "1", "PIP_RETRIES": "0"}
    unreachable |= {"PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    done = await up(tmp_path / "data", **unreachable)
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "polydesk models prepare" in done.stderr.splitlines()[-1]
    assert "--from" in said  # the way for a machine that reaches no registry


async def test_a_malformed_knowledge_base(tmp_path: Path, models_dir: Path) -> None:
    kb = tmp_path / "kb.yaml"
    kb.write_text(MALFORMED)
    done = await up(tmp_path / "data", "--kb", str(kb), models=models_dir)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "kb.yaml:" in line]
    assert any("kb.yaml:8:" in line and "enabled" in line for line in lines), done.stderr
    assert any("kb.yaml:9:" in line and "colour" in line for line in lines), done.stderr


async def test_a_knowledge_base_that_is_not_there(tmp_path: Path, models_dir: Path) -> None:
    done = await up(tmp_path / "data", "--kb", str(tmp_path / "nowhere"), models=models_dir)
    assert done.returncode == 2
    assert "nowhere" in done.stderr.splitlines()[-1]


async def test_wrong_settings_are_told_all_at_once(tmp_path: Path, models_dir: Path) -> None:
    wrong = {"POLYDESK_RETENTION_DAYS": "soon", "POLYDESK_SLACK_BOT_TOKEN": "xoxb-1", "POLYDESK_DESK": "slack:C1"}
    done = await up(tmp_path / "data", models=models_dir, **wrong)
    assert done.returncode == 2
    assert "POLYDESK_RETENTION_DAYS" in done.stderr
    assert "POLYDESK_SLACK_APP_TOKEN" in done.stderr
    assert "POLYDESK_DESK" in done.stderr
    assert "xoxb-1" not in done.stderr
