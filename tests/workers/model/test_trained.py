"""A model's folder: what was learned comes back, what is damaged or strange is refused with what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput, Broken
from core.knowledge.entries import Entry, KnowledgeBase
from tests.workers.model.wordy import Wordy
from workers.model.adapt import adapt
from workers.model.basis import basis
from workers.model.calibration import Thresholds
from workers.model.fusion.gate import Gate
from workers.model.fusion.pool import LogPool
from workers.model.recalibration import Recalibration
from workers.model.scoring import Scored
from workers.model.trained import FIXED, Learned, Trained

KNOWLEDGE = KnowledgeBase(
    title="shop",
    error_budget=0.02,
    entries=(
        Entry(id="hours", question="When are you open?", answer={}, variants=("opening hours",)),
        Entry(id="returns", question="How do I send it back?", answer={}),
    ),
)


def model() -> Trained:
    return Trained(
        "minilm-1",
        learned={"hours": Learned(("are you open on sunday", "Opening Hours"), 1), "gone": Learned(("x",))},
        photos={"hours": np.eye(4, dtype=np.float32)[:1]},
        image="lite2-1",
        correction=Recalibration(temperature=2.0),
        answer_at=0.8,
        budget=0.02,
    )


def test_what_was_learned_comes_back(tmp_path: Path) -> None:
    model().save(tmp_path / "m")
    again = Trained.load(tmp_path / "m")
    assert (again.encoder, again.learned, again.correction, again.answer_at) == (
        "minilm-1",
        model().learned,
        model().correction,
        0.8,
    )
    np.testing.assert_array_equal(again.photos["hours"], model().photos["hours"])
    assert isinstance(again.over(adapt(KNOWLEDGE, text=Wordy())), Gate)


def test_customers_words_become_variants_once_and_only_of_entries_that_are_there() -> None:
    taught = model().taught(KNOWLEDGE)
    assert [entry.variants for entry in taught.entries] == [("opening hours", "are you open on sunday"), ()]


def test_a_proven_threshold_is_in_force_for_its_budget() -> None:
    ours = Thresholds(0.6, 0.3)
    assert model().limits(ours, 0.02, holds=True) == Thresholds(0.8, 0.3, 0.8)
    assert model().limits(ours, 0.05, holds=True) == ours
    lower = Trained("m", answer_at=0.2, budget=0.02)
    assert lower.limits(ours, 0.02, holds=True) == Thresholds(0.2, 0.2, 0.2)


@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("proven", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("groups", [{}, {"text": 0.5}, {"voice": 0.5}])
def test_no_threshold_falls_as_the_budget_does(groups: dict[str, float], proven: float, holds: bool) -> None:
    # Given thresholds proven at 2 %, and the knowledge base's own estimates, larger for smaller budgets
    trained = Trained("m", answer_at=proven, groups=groups, budget=0.02)
    estimates = {0.05: 0.6, 0.021: 0.65, 0.02: 0.66, 0.019: 0.67, 0.01: 0.8}
    told = [
        trained.corrected(Scored(confidence=0.9, answer_at=ours, clarify_at=0.3), budget, holds=holds)
        for budget, ours in estimates.items()
    ]
    # Then they stay so, and the proof counts for its own budget and those that ask for less
    assert sorted(one.answer_at for one in told) == [one.answer_at for one in told]
    former = groups.get("text", 0.0) if groups else proven
    assert [one.guaranteed for one in told] == [
        holds and budget >= 0.02 and one.answer_at == former for budget, one in zip(estimates, told, strict=True)
    ]


def test_a_proof_is_about_what_the_same_recognisers_heard_and_read(tmp_path: Path) -> None:
    replace(model(), senses={"speech": "moonshine-1"}).save(tmp_path)
    proven = Trained.load(tmp_path)
    assert proven.sensed({}) and proven.sensed({"speech": "moonshine-1", "reader": "any"})
    assert not proven.sensed({"speech": "whisper-1"})


def test_a_proof_holds_for_the_knowledge_base_it_was_made_with(tmp_path: Path) -> None:
    # Given a model that was proven for a knowledge base
    replace(model(), proven_for=basis(KNOWLEDGE)).save(tmp_path)
    proven = Trained.load(tmp_path)
    edited = replace(KNOWLEDGE, entries=KNOWLEDGE.entries[:1])
    assert proven.holds(KNOWLEDGE) and proven.holds(KNOWLEDGE, "lite2-1")
    assert not proven.holds(edited) and not proven.holds(KNOWLEDGE, "clip")
    # Then another one is answered from the surer of both thresholds, which is told as an estimate
    for ours, at in ((0.6, 0.8), (0.9, 0.9)):
        scored = Scored(confidence=0.9, answer_at=ours, clarify_at=0.3)
        told = [proven.corrected(scored, 0.02, holds=holds) for holds in (True, False)]
        assert [(one.answer_at, one.guaranteed) for one in told] == [(0.8, True), (at, False)]
        assert told[0].confidence == told[1].confidence


def test_a_model_of_before_tells_of_no_knowledge_base_that_it_was_proven_for(tmp_path: Path) -> None:
    replace(model(), proven_for=basis(KNOWLEDGE)).save(tmp_path)
    plain = json.loads((tmp_path / "model.json").read_text())
    del plain["proven_for"]
    (tmp_path / "model.json").write_text(json.dumps(plain))
    before = Trained.load(tmp_path)
    assert before.answer_at == 0.8 and not before.holds(KNOWLEDGE)


def test_a_group_of_channels_has_its_own_proof_or_none(tmp_path: Path) -> None:
    # Given a model whose labelled questions proved thresholds for texts and for questions of several channels
    Trained("m", answer_at=0.8, budget=0.02, groups={"text": 0.7, "mixed": 0.9}).save(tmp_path)
    proven = Trained.load(tmp_path)
    scored = Scored(confidence=0.85, answer_at=0.95, clarify_at=0.3)
    # When questions of each kind are scored
    kinds = {"text": ("text",), "photo": ("photo", "ocr", "words"), "mixed": ("text", "words"), "voice": ("voice",)}
    told = {
        name: proven.corrected(replace(scored, evidence=dict.fromkeys(channels)), 0.02, holds=True)
        for name, channels in kinds.items()
    }
    # Then each is answered from its own threshold, and says whether that was proven
    assert {name: (one.answer_at, one.guaranteed) for name, one in told.items()} == {
        "text": (0.7, True),
        "mixed": (0.9, True),
        "photo": (0.95, False),
        "voice": (0.95, False),
    }
    typed = replace(scored, evidence={"text": None})
    assert [proven.corrected(typed, budget, holds=True).guaranteed for budget in (0.01, 0.05)] == [False, True]


def test_confidences_are_corrected() -> None:
    told = model().corrected(Scored(confidence=0.9, answer_at=0.6, clarify_at=0.3), 0.02, holds=True)
    assert told.confidence == pytest.approx(0.75) and (told.answer_at, told.clarify_at) == (0.8, 0.3)
    assert told.guaranteed


def test_what_is_left_without_a_channel_is_corrected_likewise() -> None:
    evidence: dict[str, object] = {"text": {"entry": "hours", "without": 0.9}, "photo": {"without": 0.0}, "odd": 1}
    told = model().corrected(Scored(confidence=0.9, evidence=evidence), 0.02, holds=True).evidence
    assert told["text"] == {"entry": "hours", "without": pytest.approx(0.75, abs=1e-4)}
    assert told["photo"] == {"without": 0.0} and told["odd"] == 1


def test_fixed_weights_stay_fixed(tmp_path: Path) -> None:
    Trained("m", fusion=FIXED).save(tmp_path)
    assert isinstance(Trained.load(tmp_path).over(adapt(KNOWLEDGE, text=Wordy())), LogPool)


@pytest.mark.parametrize("content", ["", "{", '{"form": 1}', json.dumps({"form": 1, "encoder": "m", "fusion": "x"})])
def test_a_damaged_model_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(BadInput, match="train again"):
        Trained.load(tmp_path)


def test_a_model_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"form": 99}')
    with pytest.raises(BadInput, match="form 99"):
        Trained.load(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no model"):
        Trained.load(tmp_path)


def test_a_fine_tuned_encoder_comes_along_and_an_earlier_one_is_gone(tmp_path: Path) -> None:
    made = tmp_path / "work" / "text"
    made.mkdir(parents=True)
    (made / "finetuned.json").write_text("{}")
    replace(model(), text=made).save(tmp_path / "m")
    again = Trained.load(tmp_path / "m")
    assert again.text == tmp_path / "m" / "text" and (again.text / "finetuned.json").is_file()
    # When the model is saved where it already lies, its encoder stays
    again.save(tmp_path / "m")
    assert Trained.load(tmp_path / "m").text is not None
    # When one without it, and without photos, takes its place
    Trained("minilm-1", fusion=FIXED).save(tmp_path / "m")
    found = Trained.load(tmp_path / "m")
    assert found.text is None and found.photos == {} and found.gate is None


def test_an_entry_may_have_any_name(tmp_path: Path) -> None:
    Trained("m", photos={"file": np.ones((2, 3), np.float32)}).save(tmp_path)
    assert Trained.load(tmp_path).photos["file"].shape == (2, 3)


def test_a_model_of_another_encoder_says_what_to_do() -> None:
    model().must_fit("minilm-1")
    with pytest.raises(BadInput, match=r"trained with the text encoder minilm-1, .* make it use-2: .*or train again"):
        model().must_fit("use-2")
    with pytest.raises(
        BadInput, match=r"own text encoder tuned-1 is missing: copy the model's folder again, with text/"
    ):
        replace(model(), encoder="tuned-1").must_fit("minilm-1")


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("a file")
    with pytest.raises(Broken, match="cannot be written"):
        model().save(tmp_path / "m")
