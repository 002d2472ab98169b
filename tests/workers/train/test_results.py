"""What a training came to survives JSON, and counts itself."""

from __future__ import annotations

import math

import pytest

from core.errors import BadInput
from core.knowledge.entries import Entry, KnowledgeBase
from core.knowledge.lint import Finding
from workers.model.selective import select
from workers.train.results import (
    Ablation,
    Calibration,
    Check,
    Compared,
    Counts,
    Curve,
    Held,
    Promotion,
    Results,
    Share,
    Standing,
    Timed,
    Weighed,
    dumps,
    loads,
    qualities,
)

HELD = (
    Held("track", "track", 0.99, "answer", ("text",), 0.9, "where is it"),
    Held("track", "return", 0.97, "answer", ("text", "photo"), 0.8),
    Held("return", "return", 0.6, "clarify", ("voice",), 0.5),
    Held("none", "track", 0.98, "answer", ("photo",), 0.7),
    Held("none", "return", 0.1, "escalate"),
)
KNOWN = KnowledgeBase(
    "Shop",
    entries=(
        Entry("track", "Where is it?", {"en": "There."}, variants=("track it",), photos=("a.jpg",)),
        Entry("return", "Take it back?", {"en": "Yes."}),
        Entry("never", "Never asked?", {"en": "So."}),
        Entry("off", "Switched off?", {"en": "So."}, enabled=False),
    ),
)


def whole() -> Results:
    return Results(
        "Shop",
        Counts(3, 4, 1, 20, 15, 2, 5),
        0.02,
        "de",
        1_800_000_000_000,
        "Shop 2a",
        (Timed("early", 2.5),),
        (
            Compared("early", Share.of(2, 3), 0.4, 0.9, 0.05, 0.6, 12.0, 3.5),
            Compared("tf-idf", baseline=True, note="-"),
        ),
        "early",
        "It is right most often.",
        qualities(KNOWN, HELD),
        HELD,
        (Ablation("photo", 2, Standing(0.5, 0.4), Standing(0.4, 0.2), Standing(None, None)),),
        (Weighed(("text", "photo"), 1, {"text": 0.7, "photo": 0.3}),),
        Calibration("isotonic", 60, 0.2, 0.03, 0.9, 0.4),
        (select([0.99, 0.6], [False, True], 0.02),),
        {"text": select([0.99], [False], 0.02)},
        Promotion(True, "Not worse on any case.", (Check("cases", None, 0.9, True),)),
        (Finding("no-variants", "entry return has one phrase only", ("return",)),),
        (Curve("early", "loss", (1, 2), (0.7, None), held_out=True),),
    )


def test_round_trip() -> None:
    assert loads(dumps(whole())) == whole()


def test_what_is_no_number_becomes_none() -> None:
    # Given figures that came out as nothing
    broken = Results(
        "Shop",
        Counts(1, 1),
        0.02,
        held=(Held("a", "a", math.nan, "answer"),),
        strategies=(Compared("early", loss=math.inf, auroc=math.nan),),
        weights=(Weighed(("text",), 1, {"text": math.nan}),),
        curves=(Curve("early", "loss", (1,), (math.nan,)),),
    )
    # When they are written and read back
    back = loads(dumps(broken))
    # Then they are known to be missing
    assert back.held[0].confidence is None
    assert back.strategies[0].loss is None and back.strategies[0].auroc is None
    assert back.weights[0].weights == {"text": None}
    assert back.curves[0].values == (None,)
    assert loads(dumps(back)) == back


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"title": "x", "counts": {"entries": "many"}, "budget": 0.02}'])
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not a Results"):
        loads(text)


def test_it_counts_itself() -> None:
    results = whole()
    assert results.accuracy == Share.of(2, 3)
    assert results.automated == Share.of(3, 5)
    assert results.wrong == Share.of(2, 3)  # another entry, and a question out of scope
    assert results.threshold == results.selected[0]


def test_nothing_held_out_counts_as_nothing_known() -> None:
    empty = Results("Shop", Counts(0, 0), 0.02)
    assert empty.accuracy == empty.automated == empty.wrong == Share()
    assert empty.threshold is None


def test_a_share_lies_within_its_interval() -> None:
    share = Share.of(9, 10)
    assert share.value == 0.9
    assert share.low is not None and share.high is not None
    assert 0.5 < share.low < 0.9 < share.high < 1  # Clopper & Pearson: 0.555 to 0.997
    assert share.low == pytest.approx(0.5550, abs=1e-4)


def test_every_live_entry_has_a_line() -> None:
    track, back, never, none = qualities(KNOWN, HELD, {"track": 10})
    assert (track.id, track.examples, track.photos, track.support) == ("track", 12, 1, 2)
    assert (track.recall, track.precision) == (0.5, 0.5)  # one of two found; one of two that were taken for it
    assert (back.recall, back.precision) == (1.0, 0.5)
    assert (never.support, never.recall, never.precision, never.f1) == (0, None, None, None)
    assert (none.id, none.support, none.recall) == ("none", 2, 0.5)
    assert "none" not in {one.id for one in qualities(KNOWN, HELD[:3])}
