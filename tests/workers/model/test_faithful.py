"""The evidence that is named first is what the answer stands on: without it the bot is less sure.

The pieces are found by leaving out one at a time; what is checked here is done to the question itself, with many pieces
gone at once, with seconds silenced in the recording, or with a photo taken out of the knowledge base.
`tests/bench/evidence.py` prints the figures of all cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bench import evidence
from tests.bench.evidence import Bench, Faith, benches, channels, examples, faith, listened, opened, silenced
from workers.local import Local
from workers.model.shelf import Shelf

pytestmark = pytest.mark.models

MORE = 3.0  # times what another piece, or pieces in random order, would lose


class Backwards(Bench):
    """A card that names last what counts most."""

    def card(self, said: Any) -> dict[str, Any]:
        told = super().card(said)
        for piece in told.get("pieces", ()):
            piece["moved"] = -piece["moved"]
        return told


@pytest.fixture(scope="module")
def demo(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Local, Shelf]]:
    with opened(evidence.ROOT / "bot" / "demo", models_dir, tmp_path_factory.mktemp("evidence")) as one:
        yield one


@pytest.fixture(scope="module")
def known(demo: tuple[Local, Shelf]) -> dict[str, Bench]:
    return benches(demo[0])


def mean(found: list[Faith]) -> Faith:
    return Faith(*(float(np.mean([getattr(one, name) for one in found])) for name in Faith.__dataclass_fields__))


def typed(bench: Bench, local: Local) -> list[Faith]:
    dice = np.random.default_rng(0)
    cases = [case for case in local.knowledge.cases if case.text and not (case.photo or case.voice)]
    found = [faith(bench, listened(local, case), "text", dice) for case in cases[::5]]
    return [one for one in found if one is not None]


@pytest.mark.parametrize("name", ["fixed weights", "learned gate"])
def test_the_words_named_first_carry_the_answer(demo: tuple[Local, Shelf], known: dict[str, Bench], name: str) -> None:
    found = typed(known[name], demo[0])
    told = mean(found)
    assert len(found) >= 15
    assert told.first > 0.2 and told.first > MORE * told.other
    assert told.comprehensive > 2 * told.random_comprehensive
    assert told.sufficient < told.random_sufficient / MORE


def test_a_card_that_names_other_words_would_be_caught(demo: tuple[Local, Shelf], known: dict[str, Bench]) -> None:
    bench = known["fixed weights"]
    told = mean(typed(Backwards(bench.adapted, bench.encoder, bench.fusion), demo[0]))
    assert told.first < told.other
    assert told.comprehensive < told.random_comprehensive and told.sufficient > told.random_sufficient


def test_the_lines_and_channels_named_first_carry_the_answer(
    demo: tuple[Local, Shelf], known: dict[str, Bench]
) -> None:
    local, dice = demo[0], np.random.default_rng(0)
    names = ("test-declined.jpg",)
    asked = [listened(local, case) for case in local.knowledge.cases if Path(case.photo).name in names]
    lines = [one for said in asked if (one := faith(known["fixed weights"], said, "ocr", dice)) is not None]
    told = mean(lines)
    assert told.first > told.other + 0.02 and told.comprehensive > told.random_comprehensive
    for bench in known.values():
        weighed = [one for said in asked if (one := channels(bench, said)) is not None]
        first, other = np.mean(weighed, axis=0)
        assert len(weighed) == len(names) and first > other + 0.1


def test_the_example_photo_named_first_carries_the_answer(demo: tuple[Local, Shelf], known: dict[str, Bench]) -> None:
    local = demo[0]
    names = ("test-mug.jpg",)
    asked = [listened(local, case) for case in local.knowledge.cases if Path(case.photo).name in names]
    drops = [one for said in asked if (one := examples(known["fixed weights"], local, said)) is not None]
    first, other = np.mean(drops, axis=0)
    assert drops and first > other


def test_the_seconds_named_first_hold_the_words(demo: tuple[Local, Shelf], known: dict[str, Bench]) -> None:
    local, shelf = demo
    names = ("mug-in-pieces.ogg", "password.ogg")
    cases = [case for case in local.knowledge.cases if Path(case.voice).name in names]
    drops = [
        one for case in cases if (one := silenced(known["fixed weights"], local, shelf, case, others=2)) is not None
    ]
    first, other = np.mean(drops, axis=0)
    assert len(drops) == len(names) and first > 2 * other
