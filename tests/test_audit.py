"""The audit of what is installed finds what it should."""

from __future__ import annotations

import tomllib
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from tests.audit import REVIEWED, ROOT, advisories, installed, licences, ours, pins, unpinned

ROOTS = ["shop>=1", "tool==2; extra == 'test'"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a package that needs another, both pinned."""
    put(tmp_path, "Shop", "1.5", "Requires-Dist: cuda-lib==3.1", "Requires-Dist: till[fast]>=2", "License: MIT")
    put(
        tmp_path, "till", "2.0+cpu", 'Requires-Dist: drawer; extra == "fast"', 'Requires-Dist: x; sys_platform == "os2"'
    )
    put(tmp_path, "drawer", "7", "License-Expression: BSD-3-Clause OR GPL-2.0-only")
    put(tmp_path, "cuda-lib", "3.1", "Classifier: License :: OSI Approved :: MIT License")
    return tmp_path


PINS = "shop==1.5\ntill==2.0\ndrawer==7\n"


def put(site: Path, name: str, version: str, *lines: str) -> None:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    folder.joinpath("METADATA").write_text("\n".join([f"Name: {name}", f"Version: {version}", *lines, ""]))


def found(site: Path) -> dict[str, list[Distribution]]:
    return installed([str(site)])


def test_what_was_pinned_passes_with_a_local_version_and_what_a_pinned_package_pins_itself(site: Path) -> None:
    assert unpinned(ROOTS, pins(PINS), found(site)) == []


def test_each_way_of_being_another_environment_is_told(site: Path) -> None:
    put(site, "stowaway", "1")
    put(site, "drawer", "6")
    wrong = unpinned([*ROOTS, "absent"], pins("shop==1.5\ntill==2.1\n"), found(site))
    assert len(wrong) == 5
    for words in (
        "absent is needed",
        "drawer is installed 2 times",
        "till is 2.0,",
        "nothing needs it",
        "drawer 6 is needed",
    ):
        assert any(words in line for line in wrong), (words, wrong)


def test_a_licence_that_nobody_reviewed_or_that_changed_is_told(site: Path) -> None:
    noted, wrong = licences(found(site), {"drawer": {"licence": "MIT", "why": "as it was"}, "gone": {}})
    assert noted == []
    assert [line.split(":")[0] for line in wrong] == ["drawer", "till", "gone was reviewed and is not installed"]
    noted, wrong = licences(found(site), {"drawer": {"licence": "BSD-3-Clause OR GPL-2.0-only", "why": "we take BSD"}})
    assert noted == ["drawer (BSD-3-Clause OR GPL-2.0-only): we take BSD"] and len(wrong) == 1


def test_packages_that_the_service_does_not_know_do_not_count_as_looked_up() -> None:
    hole = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}
    answer = {
        "dependencies": [
            {"name": "shop", "version": "1", "vulns": [hole]},
            {"name": "till", "version": "2", "vulns": []},
            {"name": "drawer", "skip_reason": "not found"},
        ]
    }
    assert advisories(answer, {}) == (2, [], ["shop 1: PYSEC-1, mended in 2"])
    told = ["shop 1: PYSEC-1, reviewed 2026-11-22: not called"]
    assert advisories(answer, {"CVE-1": {"on": "2026-11-22", "why": "not called"}}) == (2, told, [])


def test_our_own_files_can_be_read() -> None:
    reviewed = tomllib.loads(REVIEWED.read_text())
    assert all({"on", "why"} <= set(entry) for entry in reviewed["advisories"].values())
    assert len(pins((ROOT / "constraints.txt").read_text())) > 100
    assert "ruff==0.17.6" in ours(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])
