"""Who may import whom, seen from outside: the gateway never meets torch, and our generic folder names are ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

BAN = """
import sys

class Ban:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchaudio", "transformers", "speechbrain"}:
            raise AssertionError(f"the gateway imported {name}")

sys.meta_path.insert(0, Ban())
import bot.cli
import bot.gateway
import bot.wiring
import bot.console.app
import adapters.telegram.adapter
import adapters.slack.adapter
import adapters.web.adapter
"""


def test_what_the_gateway_needs_comes_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", BAN], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_four_folders_are_ours() -> None:
    import adapters
    import bot
    import core
    import workers

    for package in (adapters, bot, core, workers):
        assert package.__file__ is not None and Path(package.__file__).is_relative_to(ROOT)


def test_importing_connects_to_nothing_and_reads_no_environment() -> None:
    code = "import os; os.environ.clear(); import workers.app, bot.settings, bot.brain, core.store.store"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
