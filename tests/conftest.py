"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# One thread for the arithmetic of each process that tests: those of several would wait for each other's cores awake.
# Set before anything loads OpenMP or OpenBLAS.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_HERE = Path(__file__).resolve().parent.parent
_FLOWS = "tests/flows/"
# Flows with installations of their own; all others share one, and with it a process.
_APART = tuple(
    f"{_FLOWS}test_{name}.py"
    for name in ("gateways", "lifecycle", "training", "learning", "production", "commands", "refusals")
)
# What takes longest begins first, so that no process is left alone with it at the end.
_LONGEST = (
    "tests/workers/model/test_faithful.py",
    "tests/chaos/test_chaos.py",
    "tests/bot/console/test_browser_desk.py",
    "tests/fuzz/test_fuzz.py",
    "tests/core/test_ownership.py",
    "tests/core/test_leases.py",
    "tests/workers/train/test_optimise.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: the flows, the longest files, everything else."""
    items.sort(key=lambda item: _rank(item.nodeid.split("::")[0]))


def _rank(file: str) -> int:
    if file.startswith(_FLOWS):
        return file in _APART
    return 2 + (_LONGEST.index(file) if file in _LONGEST else len(_LONGEST))


class Shared(LoadScopeScheduling):
    """Several processes share the tests, a file at a time.

    The flows stay in two of them: in one those that share an installation, in another, one after the other, those that
    start their own. More at once would wait for the same cores, and fill the memory of a small machine.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        if file.startswith(_FLOWS):
            return f"{_FLOWS} apart" if file in _APART else _FLOWS
        return file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Shared:
    return Shared(config, log)


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The prepared weights: POLYDESK_TEST_MODELS, else var/models of the repository, fetched when absent."""
    from workers.model.weights.fetch import prepare

    folder = Path(os.environ.get("POLYDESK_TEST_MODELS") or _HERE / "var" / "models")
    prepare(folder)
    return folder
