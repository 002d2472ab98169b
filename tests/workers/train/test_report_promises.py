"""The report promises what the model keeps to, no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.workers.train.test_report import Read, made
from workers.model.selective import Selected, by_group, select
from workers.model.trained import Trained
from workers.train.report import KINDS, kept, page, proof, summary


def test_a_proof_is_only_promised_where_there_is_one() -> None:
    proven = Selected(0.02, 0.05, 0.9, 400, 380, 1, 0.012, True)
    assert proof(proven) == "guaranteed by 400 labelled questions, with a probability of 95 %"
    assert proof(replace(proven, delta=0.025)).endswith("with a probability of 97.5 %")  # not 98
    # 149 answers without a mistake would do, and half of the questions are answered
    few = Selected(0.02, 0.05, 0.9, 80, 40, 0, 0.07, False)
    assert proof(few) == "estimated, not guaranteed: 80 labelled questions, about 300 needed"
    many = Selected(0.02, 0.05, 0.9, 400, 380, 20, 0.08, False)
    assert proof(many) == (
        "estimated, not guaranteed: 400 labelled questions do not prove it, with 20 of 380 answers to them wrong"
    )
    nobody = Selected(0.02, 0.05, 1.0, 1, 0, 0, 1.0, False)
    assert proof(nobody) == "estimated, not guaranteed: 1 labelled question, about 150 needed"
    assert proof(Selected(0.02, 0.05, 1.0, 0, 0, 0, 1.0, False)).endswith("0 labelled questions, about 150 needed")
    assert proof(None) == "not proven: no labelled question chose a threshold"


TYPED, SPOKEN = Selected(0.02, 0.0125, 0.97, 900, 880, 2, 0.01, True), Selected(0.02, 0.0125, 1.0, 60, 0, 0, 1.0, False)
LEFT = "for photos and mixtures such as a photo with words (nobody labelled any)"


def test_what_is_promised_is_what_is_in_force() -> None:
    # Given labels that prove the budget over all questions, though every fourth voice note was answered wrongly
    names = ["text"] * 900 + ["voice"] * 60
    sure, wrong = [0.995] * 900 + [0.93] * 60, [False] * 900 + [i % 4 == 0 for i in range(60)]
    whole, groups = select(sure, wrong, 0.02, delta=0.025), by_group(sure, wrong, names, 0.02, delta=0.025)
    assert whole.guaranteed and {name: one.guaranteed for name, one in groups.items()} == {"text": True, "voice": False}
    told = kept(replace(made(["a", "b"]), selected=(whole,), groups=groups))
    # Then the report promises for typed questions alone, since only these have a proven threshold in force.
    sure_of, doubt = told.split(", but only estimated, not guaranteed, ")
    assert sure_of == "guaranteed for typed questions (by 900 labelled questions, with a probability of 98.7 %)"
    assert doubt == f"for voice notes (60 labelled questions, about 220 needed) and {LEFT}"
    assert "960" not in told


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("voice", [True, False])
def test_the_model_and_its_report_mean_the_same(whole: bool, text: bool, voice: bool) -> None:
    """`workers.model.trained` decides, the report only tells."""
    groups = {"text": replace(TYPED, guaranteed=text), "voice": replace(SPOKEN, guaranteed=voice)}
    chosen = Selected(0.02, 0.025, 0.97, 960, 900, 3, 0.01, whole)
    results = replace(made(["a", "b"]), selected=(chosen,), groups=groups)
    model = Trained(
        "encoder",
        groups={name: one.threshold for name, one in groups.items() if one.guaranteed},
        answer_at=chosen.threshold if whole else 0.0,
        budget=0.02,
    )
    channels = {"text": ("text",), "voice": ("voice",), "photo": ("photo",), "mixed": ("text", "photo")}
    proven = {name for name, some in channels.items() if model.proven(0.02, some)}
    promised, _, doubted = kept(results).partition("estimated, not guaranteed")
    if proven in (set(), set(channels)):  # one threshold for all, proven or not
        assert kept(results) == proof(chosen)
    else:
        assert {name for name, words in KINDS.items() if words in promised} == proven
        assert {name for name, words in KINDS.items() if words in doubted} == set(channels) - proven


def test_kinds_that_were_too_few_are_told_together() -> None:
    four = {"text": TYPED, "voice": SPOKEN, "photo": SPOKEN, "mixed": SPOKEN}
    results = replace(made(["a", "b"]), groups=four)
    few = "voice notes, photos and mixtures such as a photo with words"
    assert f"but only estimated, not guaranteed, for {few} (60 labelled questions, about" in kept(results)
    every = kept(replace(results, groups=dict.fromkeys(four, TYPED)))
    assert every == f"guaranteed for typed questions, {few} (by 900 labelled questions, with a probability of 98.7 %)"
    # And the table of budgets says which row is not in force.
    assert "not in force: the kinds of question have thresholds of their own" in Read(page(results)).text
    assert "not in force: the kinds" not in Read(page(replace(results, groups={"voice": SPOKEN}))).text
    (_, second) = list(summary(results))[1]
    assert second.endswith(f"That the budget is kept is {kept(results)}.")
    (_, second) = list(summary(replace(results, held=())))[1]
    assert second.endswith(f"It is {kept(results)}.")
