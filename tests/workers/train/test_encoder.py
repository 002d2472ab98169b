"""Fine-tuning as a stage: who is offered it, who keeps what came of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BadInput
from core.knowledge.entries import Entry, KnowledgeBase
from core.knowledge.history import Example, History, Splits
from tests.workers.model.wordy import SHOP, Wordy, knowledge
from workers.configuration import Configuration
from workers.model.adapt import adapt
from workers.model.heard import Said
from workers.model.trained import Trained
from workers.train.encoder import FEWEST, judged, lacking, offered, tune
from workers.train.log import Log
from workers.train.measuring import labelled
from workers.train.notes import note
from workers.train.parting import Ground, parted, withheld
from workers.train.results import Finetuned

CONFIGURATION = Configuration("", Path("blobs"), Path("models"), Path("encodings.db"))
ASKED = [(id, text) for id, texts in SHOP.items() for text in texts]
FOUND = Finetuned(True, "", epochs=3, best=2, held=20, before=0.5, after=0.6)


def ground(*, spoilt: bool = False, asked: Sequence[tuple[str, str]] = ASKED, by: str = "withheld") -> Ground:
    """Everybody asks the very phrases; spoilt, the knowledge base's entries have each other's.

    `by` names the part of the ground that holds the questions.
    """
    known = knowledge(SHOP)
    if spoilt:
        turned = [*known.entries[1:], known.entries[0]]
        pairs = zip(known.entries, turned, strict=True)
        known = replace(known, entries=tuple(replace(a, question=b.question, variants=b.variants) for a, b in pairs))
    encoder = Wordy()
    adapted = adapt(known, text=encoder)
    examples = [Example(place, str(place), expect=id, text=text) for place, (id, text) in enumerate(asked, 1)]
    heard = {one.line: Said(text=one.text) for one in examples}
    empty = Ground(Trained(encoder.digest), adapted, [], [], encoder.dim, 0)
    return replace(empty, **{by: labelled(examples, heard, adapted, encoder)})  # type: ignore[arg-type]


def test_one_that_is_not_worse_is_kept() -> None:
    found = judged(ground(), ground(), FOUND)
    assert found.kept and found.questions == len(ASKED) and found.frozen == found.tuned
    assert "are understood without fine-tuning" in found.why and found.why.endswith(
        "the fine-tuned text encoder is kept"
    )
    assert (found.epochs, found.best, found.after) == (3, 2, 0.6)


def test_one_that_is_worse_is_not() -> None:
    found = judged(ground(), ground(spoilt=True), FOUND)
    assert not found.kept and found.why.endswith("the text encoder is left as it is")
    assert found.frozen.value and found.tuned.value is not None and found.tuned.value < found.frozen.value


def test_what_proves_and_what_is_held_out_has_no_say() -> None:
    held = judged(ground(by="held"), ground(by="held", spoilt=True), FOUND)
    assert not held.kept and "no labelled question could tell" in held.why and held.questions == 0
    # Given two encoders of which one is worse on every second question, those that prove the threshold
    known = [one for pair in zip(ASKED, ASKED, strict=True) for one in pair]
    before, after = (ground(by="validation", asked=known, spoilt=spoilt) for spoilt in (False, True))
    mixed = [pair[place % 2] for place, pair in enumerate(zip(before.validation, after.validation, strict=True))]
    found = judged(before, replace(before, validation=mixed), FOUND)
    assert found.kept and found.questions == len(ASKED) and "validation questions" in found.why


def test_phrases_are_withheld_where_labelled_questions_are_too_few() -> None:
    many = tuple(Example(n, str(n), expect="a", text="x") for n in range(1, 2 * FEWEST))
    assert not lacking(Splits((), many, ())) and lacking(Splits((), many[2:], ()))
    known = knowledge({"a": [f"a{n}" for n in range(12)], "b": ["b0", "b1"]})
    past = History(())
    reduced, parts = parted(known, past)
    left, phrases = withheld(reduced, parts)
    assert parts.held_out and phrases
    assert len({one.line for one in (*phrases, *parts.held_out)}) == len(phrases) + len(parts.held_out)
    asked = {one.text for one in (*phrases, *parts.held_out)}
    learned = {text for entry in left.live for text in entry.phrases}
    assert not asked & learned and asked | learned == {text for entry in known.live for text in entry.phrases}


def test_without_labelled_questions_nothing_is_kept() -> None:
    found = judged(ground(asked=[]), ground(asked=[]), FOUND)
    assert not found.kept and "no labelled question could tell" in found.why


@pytest.mark.parametrize(
    ("model", "language", "says"),
    [
        ("auto", "de", "language is de"),
        ("multilingual", "en", "POLYDESK_TEXT_MODEL names multilingual"),
        ("/some/bert", "en", "POLYDESK_TEXT_MODEL names /some/bert"),
    ],
)
def test_other_encoders_are_left_alone(model: str, language: str, says: str) -> None:
    known = KnowledgeBase(title="x", language=language, entries=(Entry(id="a", question="q", answer={}),))
    with pytest.raises(BadInput, match=f"built-in English text encoder, but .*{says}: train without it"):
        offered(replace(CONFIGURATION, text_model=model), known)


@pytest.mark.parametrize("content", ["", '{"kept": true, "wh', "{}", '{"kept": true, "why": "its folder is gone"}'])
def test_a_note_that_cannot_be_trusted_is_no_note(tmp_path: Path, content: str) -> None:
    (tmp_path / "finetuned.json").write_text(content)
    small = knowledge({"a": ["one way of asking"], "b": ["another one"]})
    with Log() as log:  # which needs no encoder to know that it is too little
        found = tune(ground(), small, tmp_path / "none", tmp_path / "text", "cpu", log)
        assert not found.kept and "fine-tuning needs" in found.why
        assert tune(ground(), knowledge(SHOP), tmp_path / "none", tmp_path / "text", "cpu", log) == found  # kept now
    assert note(Finetuned, tmp_path / "finetuned.json") == found


def test_what_was_damaged_since_is_made_anew(tmp_path: Path) -> None:
    """Given an encoder that was made before the training was killed, when a disk lost it, then that ends nothing."""
    (tmp_path / "finetuned.json").write_text('{"kept": true, "why": ""}')
    for content in ("", '{"files": {"model.onnx": "of another"}, "languages": ["en"], "longest": 8}'):
        (tmp_path / "text").mkdir(exist_ok=True)
        (tmp_path / "text" / "finetuned.json").write_text(content)
        said = io.StringIO()
        with Log(stream=said) as log:  # which needs no encoder to know that it is too little
            found = tune(
                ground(), knowledge({"a": ["one"], "b": ["two"]}), tmp_path / "no", tmp_path / "text", "cpu", log
            )
        assert "fine-tuning needs" in found.why and "is damaged" in said.getvalue()
        (tmp_path / "finetuned.json").write_text('{"kept": true, "why": ""}')
