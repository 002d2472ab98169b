"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The prepared weights: POLYDESK_TEST_MODELS, else var/models of the repository, fetched when absent."""
    from workers.model.weights.fetch import prepare

    folder = Path(os.environ.get("POLYDESK_TEST_MODELS") or _HERE / "var" / "models")
    prepare(folder)
    return folder
