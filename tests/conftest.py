"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_HERE = Path(__file__).resolve().parent.parent
_FLOWS = "tests/flows/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The flows take longest, so they begin first."""
    items.sort(key=lambda item: not item.nodeid.startswith(_FLOWS))


class Shared(LoadScopeScheduling):
    """Two processes share the tests, a file at a time; all flows stay in one, since they share an installation."""

    def _split_scope(self, nodeid: str) -> str:
        return _FLOWS if nodeid.startswith(_FLOWS) else nodeid.split("::")[0]


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
