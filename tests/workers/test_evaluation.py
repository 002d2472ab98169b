"""A knowledge base's cases are asked, counted by channel, told line by line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from core.asking import Prediction
from core.errors import KnowledgeError
from workers.configuration import Configuration
from workers.evaluation import evaluate
from workers.local import Local
from workers.model.selective import strictest

pytestmark = pytest.mark.models

KB = """
polydesk: 1
title: Shop
language: en
error_budget: 0.05
entries:
  - {id: track, question: "Where is my order?", variants: ["track my parcel", "has it been sent yet"], answer: "There."}
  - id: return
    question: How do I return something?
    variants: [I want to send it back, can I bring shoes back]
    answer: So.
cases:
  - {text: "where is my parcel", expect: track}
  - {text: "and these shoes?", history: ["can I send it back"], expect: return}
  - {text: "how old is the universe", expect: none}
  - {photo: torn.jpg, expect: return}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kb.yaml").write_text(KB, encoding="utf-8")
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return tmp_path


@pytest.fixture
def local(folder: Path, models_dir: Path, encodings: Path) -> object:
    return Local.open(folder, Configuration("", folder, models_dir, encodings), builtins=False)


@pytest.fixture(scope="module")
def encodings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluation") / "encodings.db"


def test_figures_and_lines(local: object) -> None:
    with local as opened:  # type: ignore[attr-defined]
        figures, lines = evaluate(opened, None)
    assert [line["expect"] for line in lines] == ["track", "return", "none", "return"]
    assert [line["entry"] for line in lines][:2] == ["track", "return"]
    assert lines[3]["error"] and lines[3]["decision"] == "escalate" and lines[3]["confidence"] == 0
    # Three in scope, two found; the torn photo is counted as wrong, the others go on.
    assert (figures["cases"], figures["in_scope"]) == (4, 3)
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["channels"]["text"]["accuracy"] == 1
    assert figures["channels"]["photo"]["answered"] == 0
    assert figures["channels"]["text"]["decisions"]["escalate"] == 1
    assert figures["wrong_of_answered"] == 0
    assert sum(figures["decisions"].values()) == 4
    assert json.loads(json.dumps(figures))["channels"] == figures["channels"]


def test_what_became_of_the_error_budget(local: object) -> None:
    with local as opened:  # type: ignore[attr-defined]
        figures, lines = evaluate(opened, None)
    told = figures["error_budget"]
    answered = sum(line["decision"] == "answer" for line in lines)
    assert (told["budget"], told["realised"]["answers"], told["realised"]["wrong"]) == (0.05, answered, 0)
    # Four cases prove nothing
    low, high = told["realised"]["interval"]
    assert low == 0 and high > 0.5
    assert [(row["budget"], row["guaranteed"], row["needed"]) for row in told["at"]] == [
        (0.01, False, 299),
        (0.02, False, 149),
        (0.05, False, 59),
    ]
    assert all(row["groups"].keys() == {"text", "photo"} for row in told["at"])
    assert json.loads(json.dumps(told)) == told


def test_enough_cases_prove_a_threshold(local: object, folder: Path) -> None:
    # Given the same easy question as often as the bound needs it
    cases = folder / "cases.jsonl"
    cases.write_text('{"text": "Where is my order?", "expect": "track"}\n' * 59, encoding="utf-8")
    with local as opened:  # type: ignore[attr-defined]
        figures, lines = evaluate(opened, cases)
    sure = lines[0]["confidence"]
    assert sure > 0.95
    rows = figures["error_budget"]["at"]
    assert [row["guaranteed"] for row in rows] == [False, False, sure >= strictest(0.05)]
    assert rows[-1]["bound"] <= 0.05 and rows[-1]["answered"] == 1.0


def test_cases_of_a_file_of_their_own(local: object, folder: Path) -> None:
    cases = folder / "cases.jsonl"
    cases.write_text('{"text": "track my parcel", "expect": "track"}\n', encoding="utf-8")
    with local as opened:  # type: ignore[attr-defined]
        figures, lines = evaluate(opened, cases)
    assert (figures["cases"], lines[0]["decision"], lines[0]["entry"]) == (1, "answer", "track")
    assert figures["auroc"] is None


def test_a_file_without_a_case_is_refused(local: object, folder: Path) -> None:
    cases = folder / "cases.jsonl"
    cases.write_text("", encoding="utf-8")
    with local as opened, pytest.raises(KnowledgeError):  # type: ignore[attr-defined]
        evaluate(opened, cases)


def test_a_knowledge_base_without_cases_is_no_crash(folder: Path, models_dir: Path, encodings: Path) -> None:
    (folder / "kb.yaml").write_text(KB[: KB.index("cases:")], encoding="utf-8")
    with Local.open(folder, Configuration("", folder, models_dir, encodings)) as opened:
        figures, lines = evaluate(opened, None)
    assert (figures["cases"], lines) == (0, [])


def test_a_case_that_expects_an_unknown_entry_is_refused(local: object, folder: Path) -> None:
    cases = folder / "cases.jsonl"
    cases.write_text('{"text": "hello", "expect": "nobody"}\n', encoding="utf-8")
    with local as opened, pytest.raises(KnowledgeError):  # type: ignore[attr-defined]
        evaluate(opened, cases)


class Loading(Local):
    """Models that take a second to load, at the first question."""

    asked = 0

    def ask(self, *question: Any) -> Prediction:
        self.asked += 1
        if self.asked == 1:
            time.sleep(1.0)
        return super().ask(*question)


def test_no_case_waits_for_models_to_load(folder: Path, models_dir: Path, encodings: Path) -> None:
    with Loading.open(folder, Configuration("", folder, models_dir, encodings), builtins=False) as opened:
        figures, lines = evaluate(opened, None)
    # One question a channel was asked twice; the torn photo, which no model saw, was not
    assert isinstance(opened, Loading) and (len(lines), opened.asked) == (4, 5)
    assert max(figures["latency_ms"].values()) < 1000
