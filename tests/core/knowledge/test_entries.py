from __future__ import annotations

import pytest

from core.knowledge.entries import english
from core.learning import tunable


@pytest.mark.parametrize("tag", ["en", "EN", "en-GB", "EN_gb"])
def test_english_is_known_however_its_tag_is_written(tag: str) -> None:
    assert english(tag) and tunable(tag)


@pytest.mark.parametrize("tag", ["de", "enm", "pt-en", ""])
def test_no_other_language_is_taken_for_english(tag: str) -> None:
    assert not english(tag) and not tunable(tag)
