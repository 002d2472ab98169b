"""A strategy that fuses vectors answers, explains itself, survives its file; what is no such file is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from core.errors import BadInput
from core.knowledge.entries import Entry
from tests.workers.model.test_adapt import pictures
from tests.workers.model.wordy import SHOP, Wordy, knowledge
from workers.model.ablation import card
from workers.model.adapt import Adapted, adapt
from workers.model.calibration import Thresholds
from workers.model.fusion.joint import Dimensions, inputs
from workers.model.fusion.opinions import Opinion, beforehand
from workers.model.fusion.strategy import STRATEGIES, Joint, prototypes
from workers.model.heard import Said, hear
from workers.model.scoring import Scored, score
from workers.model.trained import JOINT, VECTORS, Trained
from workers.train.strategies import Points, fit

LOOKS = {id: pictures(place, 6) for place, id in enumerate(("damaged", "invoice"), 1)}
KNOWN = knowledge(SHOP)
WORDY = Wordy()
ADAPTED = adapt(
    KNOWN, text=WORDY, photos={id: [(f"{id} {i}", v) for i, v in enumerate(some[:4])] for id, some in LOOKS.items()}
)


def trained(strategy: str, steps: int = 70) -> Joint:
    points = Points.of(ADAPTED, LOOKS["damaged"].shape[1])
    dimensions = Dimensions(strategy, WORDY.dim, points.photos.shape[1], hidden=24, channels=points.channels)
    return Joint.of(fit(dimensions, points, steps=steps), dimensions, ADAPTED.entries, points.prototypes())


@pytest.fixture(scope="module")
def joints() -> dict[str, Joint]:
    return {strategy: trained(strategy) for strategy in STRATEGIES}


def ask(joint: Joint, said: Said, adapted: Adapted = ADAPTED) -> Scored:
    (heard,) = hear([said], WORDY, adapted.spelling)
    return score(adapted, heard, fusion=joint.over(adapted))


def test_the_names_are_the_same_where_no_torch_is() -> None:
    assert VECTORS == STRATEGIES


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_saved_one_answers_alike_with_any_channel_missing(
    strategy: str, joints: dict[str, Joint], tmp_path: Path
) -> None:
    model = Trained(WORDY.digest, fusion=strategy, joint=joints[strategy])
    model.save(tmp_path)
    again = Trained.load(tmp_path)
    assert again.joint is not None and again.joint.dimensions == joints[strategy].dimensions
    photo = LOOKS["damaged"][5:]
    questions = {
        "words": (Said(text="where is my parcel please"), "track"),
        "note": (Said(transcript="cancel the order", certainty=0.9), "cancel"),
        "photo": (Said(photos=photo), "damaged"),
        "both": (Said(text="it came broken", photos=photo), "damaged"),
        "screen": (Said(ocr=("send me the", "invoice again")), "invoice"),
    }
    for name, (said, entry) in questions.items():
        found = ask(joints[strategy], said)
        assert found.candidates[0].entry == entry, name
        (heard,) = hear([said], WORDY, ADAPTED.spelling)
        assert score(ADAPTED, heard, fusion=again.over(ADAPTED)) == found
        scores = [one.score for one in found.candidates]
        assert min(scores) >= 0 and sum(scores) <= 1.0001


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_evidence_card_is_about_this_strategy(strategy: str, joints: dict[str, Joint]) -> None:
    said = Said(text="please cancel my order", photos=LOOKS["damaged"][5:])
    found = ask(joints[strategy], said)
    drawn: dict[str, Any] = card(ADAPTED, said, found, WORDY, fusion=joints[strategy].over(ADAPTED))
    assert drawn["entry"] == found.candidates[0].entry
    words = {one["words"]: one["without"] for one in drawn["pieces"] if one["channel"] == "text"}
    assert set(words) == {"please", "cancel", "my", "order"}
    # What is left without a word is what the strategy makes of the message without it
    alone = ask(joints[strategy], replace(said, text="please my order"))
    (left,) = (one.score for one in alone.candidates if one.entry == drawn["entry"])
    assert words["cancel"] == pytest.approx(left, abs=2e-3)
    evidence: Any = found.evidence["photo"]
    bare = ask(joints[strategy], replace(said, photos=None))
    (left,) = (one.score for one in bare.candidates if one.entry == drawn["entry"])
    assert evidence["without"] == pytest.approx(left, abs=2e-3)


def test_a_knowledge_base_that_has_changed_since(joints: dict[str, Joint]) -> None:
    gift = Entry(id="gift", question="can I have gift wrapping", variants=("gift paper please",), answer={})
    known = replace(KNOWN, entries=(gift, *(one for one in KNOWN.entries if one.id != "track")))
    adapted = adapt(known, text=WORDY)
    for joint in joints.values():
        over = joint.over(adapted)
        assert joint.over(adapted) is over  # made once
        assert ask(joint, Said(text="gift wrapping"), adapted).candidates[0].entry == "gift"
        assert ask(joint, Said(text="opening hours"), adapted).candidates[0].entry == "hours"


def swapped(changed: Entry, id: str) -> Adapted:
    """The knowledge base with another entry in the place of one."""
    return adapt(replace(KNOWN, entries=tuple(changed if one.id == id else one for one in KNOWN.entries)), text=WORDY)


def test_an_entry_that_is_about_something_else_by_now(joints: dict[str, Joint]) -> None:
    gift = Entry(id="track", question="can I have gift wrapping", variants=("gift paper please",), answer={})
    edited, new = swapped(gift, "track"), swapped(replace(gift, id="gift"), "track")
    for joint in joints.values():
        found, wanted = (ask(joint, Said(text="gift wrapping"), one).candidates[0] for one in (edited, new))
        assert (found.entry, wanted.entry) == ("track", "gift")
        assert found.score > 0.9 * wanted.score
        (left,) = (
            one.score for one in ask(joint, Said(text="where is my parcel"), edited).candidates if one.entry == "track"
        )
        assert left < found.score / 2  # of what it was about


def test_an_entry_with_one_more_phrase(joints: dict[str, Joint]) -> None:
    (refund,) = (one for one in KNOWN.entries if one.id == "refund")
    edited = swapped(replace(refund, variants=(*refund.variants, "give the money back")), "refund")
    for joint in joints.values():
        for text in ("give the money back", "refund status please"):
            assert ask(joint, Said(text=text), edited).candidates[0].entry == "refund"


def test_what_nobody_edited_scores_as_it_was_trained(joints: dict[str, Joint]) -> None:
    for joint in joints.values():
        again = Joint.from_bytes(joint.to_bytes())
        assert joint.means is not None and again.means is not None
        np.testing.assert_array_equal(again.means, joint.means)
        net = again.network(ADAPTED.entries, prototypes(adapt(KNOWN, text=WORDY)))
        np.testing.assert_array_equal(net.heads.prototypes.detach().numpy(), joint.weights["heads.prototypes"])


def test_one_of_an_earlier_version_is_read(joints: dict[str, Joint]) -> None:
    old = Joint.from_bytes(rewritten(joints["early"]))  # without means
    assert old.means is None
    assert ask(old, Said(text="cancel my order")) == ask(joints["early"], Said(text="cancel my order"))
    assert Joint.from_bytes(old.to_bytes()).means is None
    with pytest.raises(ValueError, match="means of other dimensions"):
        Joint.from_bytes(rewritten(joints["early"], form=2))


def test_vectors_of_another_space_are_left_out(joints: dict[str, Joint]) -> None:
    strange = Opinion("words", np.full(6, 0.1, np.float32), vector=np.ones(WORDY.dim, np.float32))
    longer = Opinion("text", np.full(6, 0.1, np.float32), vector=np.ones(7, np.float32))
    bare = Opinion("voice", np.full(6, 0.1, np.float32))
    dimensions = joints["early"].dimensions
    assert "words" not in dimensions.channels  # nobody told what the example photos show
    assert not inputs([[strange, longer, bare]], dimensions).present.any()
    for joint in joints.values():
        found = joint.over(ADAPTED).fuse([strange, longer, bare], 6)
        assert found == pytest.approx(np.full(6, beforehand(6)))


def test_what_photos_show_is_learned_where_it_is_known() -> None:
    shown = {(id, f"{id} {i}"): WORDY.encode([id])[0] for id in LOOKS for i in range(4)}
    points = Points.of(ADAPTED, LOOKS["damaged"].shape[1], shown)
    assert "words" in points.channels and points.shown is not None and points.shown.shape == (8, WORDY.dim)


def rewritten(joint: Joint, **changes: Any) -> bytes:
    """The file with another header."""
    told = {"form": 1, "dimensions": asdict(joint.dimensions), "entries": joint.entries} | changes
    return bytes(save(joint.weights, metadata={"strategy": json.dumps(told)}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hidden": 25}, "other dimensions"),
        ({"words": 65}, "other dimensions"),
        ({"pictures": 7}, "other dimensions"),
        ({"strategy": "weighted"}, "other dimensions"),
        ({"strategy": "telepathy"}, "the strategy 'telepathy', known are early"),
        ({"colour": 1}, "dimensions of another version"),
        ({"channels": ["smell"]}, "channels that are not there: smell"),
    ],
)
def test_a_file_for_other_dimensions_is_refused(joints: dict[str, Joint], change: dict[str, Any], says: str) -> None:
    plain = asdict(joints["attention"].dimensions) | change
    with pytest.raises(ValueError, match=says):
        Joint.from_bytes(rewritten(joints["attention"], dimensions=plain))


def test_other_files_are_refused(joints: dict[str, Joint]) -> None:
    whole = joints["early"].to_bytes()
    with pytest.raises(ValueError, match="form 99"):
        Joint.from_bytes(rewritten(joints["early"], form=99))
    with pytest.raises(ValueError, match="entries' prototypes"):
        Joint.from_bytes(rewritten(joints["early"], entries=["a"]))
    for stored in (b"", b"nonsense" * 9, whole[:500], whole[:-100]):
        with pytest.raises(ValueError, match="no whole strategy"):
            Joint.from_bytes(stored)


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_strategy_in_a_model_says_what_to_do(joints: dict[str, Joint], tmp_path: Path, damage: str) -> None:
    Trained(WORDY.digest, fusion="early", joint=joints["early"]).save(tmp_path)
    stored = (tmp_path / JOINT).read_bytes()
    if damage == "gone":
        (tmp_path / JOINT).unlink()
    else:
        (tmp_path / JOINT).write_bytes(stored[:-50] if damage == "cut" else stored[:-1] + bytes([stored[-1] ^ 1]))
    with pytest.raises(BadInput, match=r"strategy\.safetensors is .*train again"):
        Trained.load(tmp_path)


def test_a_strategy_of_another_version_says_what_to_do(joints: dict[str, Joint], tmp_path: Path) -> None:
    Trained(WORDY.digest, fusion="early", joint=joints["serial"]).save(tmp_path)
    with pytest.raises(BadInput, match="polydesk train --strategy early"):
        Trained.load(tmp_path)
    plain = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(plain | {"fusion": "telepathy"}))
    with pytest.raises(BadInput, match=r"unknown strategy 'telepathy', known are late, fixed, early.*train again"):
        Trained.load(tmp_path)


def test_thresholds_made_for_opinions_are_never_a_strategys(joints: dict[str, Joint]) -> None:
    ours = Thresholds(0.6, 0.3)
    bare = Trained("wordy", fusion="early", joint=joints["early"])  # as an earlier version saved it
    assert bare.limits(ours, 0.02, holds=True) == Thresholds(1.0, 0.3, 1.0)
    assert bare.sure(1.0) < 1.0  # it only asks back, however sure
    known = replace(bare, estimate=0.8, budget=0.02)
    assert known.limits(ours, 0.02, holds=True) == known.limits(ours, 0.05, holds=False) == Thresholds(0.8, 0.3, 0.8)
    assert not known.proven(0.02, ["text"])  # an estimate is no guarantee
    assert known.limits(ours, 0.01, holds=True).answer_at == 1.0
    assert replace(known, joint=None, fusion="late").limits(ours, 0.05, holds=True) == ours


def test_a_strategy_of_other_encoders_says_what_to_do(joints: dict[str, Joint]) -> None:
    model = Trained("wordy", fusion="early", joint=joints["early"], image="lite2-1")
    model.must_fit("wordy")
    model.must_fit("wordy", "lite2-1")
    with pytest.raises(BadInput, match="POLYDESK_TEXT_MODEL"):
        model.must_fit("minilm")
    with pytest.raises(BadInput, match=r"image encoder lite2-1, .* clip-2: set POLYDESK_IMAGE_MODEL .*or train again"):
        model.must_fit("wordy", "clip-2")
