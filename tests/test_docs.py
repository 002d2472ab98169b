"""The documents lead somewhere, and every model has a card and an attribution."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MATERIALS = ROOT / "workers/model/materials"
CARDS = (ROOT / "docs/models/README.md").read_text()
NOTICE = (ROOT / "NOTICE").read_text()
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def pages() -> list[Path]:
    told = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
    return [ROOT / name for name in told.stdout.split()] or sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [link for link, _ in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("job", tomllib.loads((ROOT / "workers/model/weights/lock.toml").read_text())["jobs"])
def test_every_pretrained_model_has_a_card(job: str) -> None:
    assert f"`{job}`" in CARDS


@pytest.mark.parametrize("name", [*sorted(path.name for path in MATERIALS.glob("*.safetensors")), "prior.json"])
def test_what_we_trained_has_a_card_and_says_what_it_was_trained_on(name: str) -> None:
    assert name in CARDS
    assert name.split(".")[0] in NOTICE
