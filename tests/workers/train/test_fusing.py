"""The way of fusing is chosen by some labelled questions, its threshold proven by others, or told to be an estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from core.knowledge.history import Example
from tests.workers.model.wordy import SHOP, Wordy, knowledge
from workers.model.adapt import adapt
from workers.model.basis import basis
from workers.model.fusion.joint import WORDY as WORDY_CHANNELS
from workers.model.fusion.joint import Dimensions, Inputs
from workers.model.fusion.opinions import CHANNELS
from workers.model.heads import Floats
from workers.model.heard import Said
from workers.model.recalibration import Recalibration
from workers.model.trained import Trained
from workers.train.fusing import fused
from workers.train.log import Log
from workers.train.measuring import Asked, labelled
from workers.train.parting import Ground
from workers.train.rehearsing import QUESTIONS, rehearsed
from workers.train.results import Results
from workers.train.strategies import Points, fit

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


def trained(out: Path, validation: Sequence[Asked], strategy: str = "auto") -> Results:
    ground = Ground(Trained(WORDY.digest, image="eyes"), ADAPTED, list(validation), asked(20), WORDY.dim, 8)
    with Log() as log:
        return fused(KNOWN, ground, out, out / "work", log, compare=False, strategy=strategy)


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


def test_what_was_asked_of_a_part_of_the_knowledge_base_proves_nothing_about_all_of_it(tmp_path: Path) -> None:
    kb = knowledge(SHOP, budget=0.3)
    for withheld in ((), asked(2)):
        model = Trained(WORDY.digest, image="eyes", proven_for=basis(kb))
        ground = Ground(model, ADAPTED, asked(200), asked(20), WORDY.dim, 8, withheld=tuple(withheld))
        with Log() as log:
            found = fused(kb, ground, tmp_path, tmp_path / "work", log, compare=False, strategy="auto")
        saved = Trained.load(tmp_path)
        assert saved.holds(kb) and found.selected and found.groups
        assert any(one.guaranteed for one in (*found.selected, *found.groups.values())) is not bool(withheld)
        assert (saved.answer_at > 0 and saved.groups != {}) is not bool(withheld)
        assert found.threshold is not None and found.threshold.cases == 100


def test_a_strategy_that_nothing_tells_a_threshold_of_asks_back(tmp_path: Path) -> None:
    found = trained(tmp_path, [], "weighted")
    assert found.chosen == "weighted" and "it never answers by itself, but asks back" in found.reason
    assert found.held and {one.decision for one in found.held} <= {"clarify", "escalate"}
    model = Trained.load(tmp_path)
    assert model.answer_at == 0 and model.limits(ADAPTED.thresholds, 0.02, holds=True).answer_at == 1


def test_composed_questions_tell_a_threshold_where_labels_do_not() -> None:
    # Given phrases of which every third entry's are hardly told from another's
    dice = np.random.default_rng(5)
    meant = dice.normal(size=(18, 24))
    meant[::3] = meant[1::3] + 0.2 * dice.normal(size=(6, 24))
    owner = np.repeat(np.arange(18), 10)

    def said(noise: float) -> Floats:
        vectors = meant[owner] + noise * dice.normal(size=(len(owner), 24))
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    outside = dice.normal(size=(60, 24))
    outside /= np.linalg.norm(outside, axis=1, keepdims=True)
    points = Points(said(0.4), owner, np.zeros((0, 8), np.float32), np.zeros(0, np.int64), np.float32(outside), 18)
    dimensions = Dimensions("weighted", 24, 8, hidden=24, channels=points.channels)
    net = fit(dimensions, points, steps=150)
    found = rehearsed(net, points)
    assert len(found.sure) == QUESTIONS and 0.4 < found.right.mean() < 0.9
    budget = 0.05
    answer_at = found.answer_at(found.correction, budget)
    # When others ask
    words = np.zeros((len(owner), len(WORDY_CHANNELS), 24), np.float32)
    words[:, WORDY_CHANNELS.index("text")] = said(0.4)
    present = np.zeros((len(owner), len(CHANNELS)), np.float32)
    present[:, CHANNELS.index("text")] = 1
    with torch.no_grad():
        inputs = Inputs(words, np.zeros((len(owner), 8), np.float32), present)
        scores = net(*inputs.tensors()).exp().numpy()[:, :-1]
    answered = found.correction(scores.max(axis=1)) >= answer_at
    wrong = scores.argmax(axis=1) != owner
    # Then some are answered, and hardly any of them wrongly
    assert answered.mean() > 0.2 and wrong[answered].mean() <= budget < wrong.mean()
    # And too few phrases tell nothing
    few = Points(points.phrases[:60], owner[:60], points.photos, points.photo_of, points.outside, 6)
    assert rehearsed(fit(dimensions, few, steps=1), few).answer_at(Recalibration(), budget) == 0
