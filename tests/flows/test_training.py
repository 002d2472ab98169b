"""`polydesk train` on the real models: what past customers said is learned, used, reported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.flows.conftest import DEMO
from tests.flows.test_commands import Shell

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAID = {
    "track-order": [
        "the courier never showed up",
        "no sign of the boxes you sent",
        "still waiting for my stuff to arrive",
    ],
    "order-cancel": ["forget it, I don't want it any more", "stop what I bought yesterday", "undo the purchase please"],
    "none": ["sing me a song", "who won the match last night", "write my homework"],
}


@pytest.fixture
def shell(tmp_path: Path, models_dir: Path) -> Shell:
    (tmp_path / "models").symlink_to(models_dir)
    return Shell(tmp_path)


def history(folder: Path) -> Path:
    """What the command that exports writes: the later a turn, the surer it is held out."""
    shutil.copy(DEMO / "photos" / "test-login.jpg", folder / "login.jpg")
    lines = [
        {"text": text, "expect": entry, "by": "agent", "conversation": f"{entry} {n}", "at": 1000 + n}
        for entry, texts in SAID.items()
        for n, text in enumerate(texts)
    ]
    lines += [
        {"photo": "login.jpg", "text": "this page, hm", "expect": "opening-hours", "conversation": "p", "at": 1000},
        {"text": "where is it?", "not": ["opening-hours"], "conversation": "n", "at": 1001},
        {"photo": "gone.jpg", "expect": "opening-hours", "conversation": "g", "at": 1001},
        {"text": "are you there on saturdays?", "expect": "closed-entry", "conversation": "c", "at": 1002},
    ]
    lines += [
        {"text": f"where is parcel {n}?", "expect": "track-order", "by": "silence", "at": 2000 + n} for n in range(9)
    ]
    file = folder / "history.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


async def test_what_customers_said_is_learned_used_and_reported(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    model, words = tmp_path / "model", "forget it, I don't want it any more"
    before = json.loads((await shell.runs("ask", "--kb", tiny, "--text", words, "--json")).stdout)
    done = await shell.runs("train", "--kb", tiny, "--history", history(tmp_path), "--out", model)
    assert "late" in done.stdout and "report.html" in done.stdout
    told = json.loads((model / "results.json").read_text())
    assert {one["name"] for one in told["strategies"]} >= {"late", "fixed"}
    assert all(one["accuracy"]["value"] is not None for one in told["strategies"])
    warnings = " ".join(one["message"] for one in told["warnings"])
    assert "gone.jpg" in warnings and "closed-entry" in warnings
    assert told["held"] and "<svg" in (model / "report.html").read_text()
    # Then the model answers with what it has learned.
    after = json.loads((await shell.runs("ask", "--kb", tiny, "--model", model, "--text", words, "--json")).stdout)
    assert after["entry"] == "order-cancel"
    assert after["confidence"] > before["confidence"]
    assert after["evidence"]["text"]["phrase"] == words
    await shell.runs("evaluate", "--kb", tiny, "--model", model)


async def test_what_cannot_be_trained_says_so(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    missing = await shell.runs(
        "train", "--kb", tiny, "--history", tmp_path / "no.jsonl", "--out", tmp_path / "m", status=2
    )
    assert "polydesk history export" in missing.stderr.splitlines()[-1]
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mum.txt").write_text("dear mum")
    foreign = await shell.runs("train", "--kb", tiny, "--out", tmp_path / "letters", status=2)
    assert "holds other files" in foreign.stderr.splitlines()[-1]
    strange = await shell.runs("train", "--kb", tiny, "--strategy", "telepathy", "--out", tmp_path / "m", status=2)
    assert "no strategy 'telepathy': name one of auto, late, fixed, early" in strange.stderr.splitlines()[-1]
    (tmp_path / "de.yaml").write_text((tiny / "kb.yaml").read_text().replace("language: en", "language: de"))
    other = await shell.runs("train", "--kb", tmp_path / "de.yaml", "--finetune", "--out", tmp_path / "m", status=2)
    assert "built-in English text encoder, but the knowledge base's language is de" in other.stderr.splitlines()[-1]
    none = await shell.runs("ask", "--kb", tiny, "--model", tmp_path / "letters", "--text", "hi", status=2)
    assert "holds no model" in none.stderr.splitlines()[-1]
