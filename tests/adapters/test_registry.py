"""The registry of adapters: lazy, by name, open to others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters import registry
from adapters.telegram.adapter import TelegramAdapter
from core.errors import BadInput, Broken

ROOT = Path(__file__).parents[2]


def _install(folder: Path, points: str) -> None:
    """What pip leaves behind of a package with entry points."""
    info = folder / "polydesk_matrix-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: polydesk-matrix\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[polydesk.adapters]\n{points}\n")
    (folder / "polydesk_matrix.py").write_text("class MatrixAdapter:\n    platform = 'matrix'\n\nNOTHING = 7\n")


def test_ours_are_found_by_name() -> None:
    assert registry.adapter("telegram") is TelegramAdapter
    assert {"slack", "telegram", "web"} <= set(registry.known())


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"no adapter 'telegraph'.*slack, telegram, web"):
        registry.adapter("telegraph")


def test_importing_the_registry_imports_no_sdk() -> None:
    code = (
        "import sys, adapters.registry as r\n"
        "r.known()\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'telegram', 'slack_bolt', 'slack_sdk', 'starlette', 'pytest', 'torch'}, loaded\n"
        "assert 'adapters.telegram' not in sys.modules\n"
        "import adapters.contract\n"
        "assert 'pytest' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_the_adapters_are_ours() -> None:
    """There is another package of this name on PyPI."""
    assert Path(registry.__file__).parents[1] == ROOT


def test_an_installed_package_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, "matrix = polydesk_matrix:MatrixAdapter")
    monkeypatch.syspath_prepend(tmp_path)
    assert "matrix" in registry.known()
    assert registry.adapter("matrix").__name__ == "MatrixAdapter"


def test_an_installed_package_cannot_take_over_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, "telegram = polydesk_matrix:MatrixAdapter")
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.adapter("telegram") is TelegramAdapter


@pytest.mark.parametrize("value", ["polydesk_matrix:Gone", "polydesk_matrix:NOTHING", "polydesk_nowhere:Adapter"])
def test_a_broken_package_is_named(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, f"matrix = {value}")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Broken, match="adapter matrix"):
        registry.adapter("matrix")
