"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes share the tests: all flows stay in one, since they share an installation, and begin first."""
    for item in items:
        if "tests/flows" in item.path.as_posix():
            item.add_marker(pytest.mark.xdist_group("flows"))
        else:
            # A file at a time: what a module prepares is prepared once.
            item.add_marker(pytest.mark.xdist_group(item.path.name))
    items.sort(key=lambda item: "tests/flows" not in item.path.as_posix())


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The prepared weights: POLYDESK_TEST_MODELS, else var/models of the repository, fetched when absent."""
    from workers.model.weights.fetch import prepare

    folder = Path(os.environ.get("POLYDESK_TEST_MODELS") or _HERE / "var" / "models")
    prepare(folder)
    return folder
