"""The way of fusing is chosen by some labelled questions, its threshold proven by others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.knowledge.history import Example
from tests.workers.model.wordy import SHOP, Wordy, knowledge
from workers.model.adapt import adapt
from workers.model.heard import Said
from workers.model.trained import Trained
from workers.train.fusing import fused
from workers.train.log import Log
from workers.train.measuring import Asked, labelled
from workers.train.parting import Ground
from workers.train.results import Results

KNOWN = knowledge(SHOP)
WORDY = Wordy()
ADAPTED = adapt(KNOWN, text=WORDY)
PHRASES = [(id, text) for id, texts in SHOP.items() for text in texts]


def asked(many: int) -> list[Asked]:
    """Questions that are typed and spoken, so that there is something to weigh."""
    examples, heard = [], {}
    for line in range(1, many + 1):
        id, text = PHRASES[line % len(PHRASES)]
        examples.append(Example(line, str(line), expect=id, text=text))
        heard[line] = Said(text=text, transcript=PHRASES[(7 * line) % len(PHRASES)][1], certainty=0.9)
    return labelled(examples, heard, ADAPTED, WORDY)


def trained(out: Path, validation: Sequence[Asked]) -> Results:
    ground = Ground(Trained(WORDY.digest, image="eyes"), ADAPTED, list(validation), asked(20), WORDY.dim, 8)
    with Log() as log:
        return fused(KNOWN, ground, out, out / "work", log, compare=False, strategy="auto")


def test_what_proves_the_threshold_chooses_nothing(tmp_path: Path) -> None:
    questions = asked(160)
    # When every label of the questions that prove is another one
    turned = [
        replace(one, example=replace(one.example, expect="none")) if place % 2 else one
        for place, one in enumerate(questions)
    ]
    first, other = trained(tmp_path / "a", questions), trained(tmp_path / "b", turned)
    assert (first.chosen, first.reason, first.calibration) == (other.chosen, other.reason, other.calibration)
    assert "on 80 labelled questions of several channels" in first.reason
    assert first.selected != other.selected and all(one.cases == 80 for one in first.selected)
