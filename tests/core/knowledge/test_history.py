"""The reader of labelled turns, and how they are split."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import KnowledgeError
from core.knowledge.history import Example, History, load_history, splits


def written(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_line_as_the_export_writes_it_and_one_as_a_person_does(tmp_path):
    (tmp_path / "h-files").mkdir()
    for name in ("a.jpg", "b.jpg", "c.ogg"):
        (tmp_path / "h-files" / name).write_bytes(b"x")
    path = written(
        tmp_path / "h.jsonl",
        {
            "text": "is it this?", "photo": ["h-files/a.jpg", "h-files/b.jpg"], "voice": "h-files/c.ogg",
            "history": ["hello"], "expect": "track-order", "not": ["old", "track-order"], "id": "t1",
            "conversation": "c1", "at": 1700000000000, "by": "tap", "decision": "clarify", "said": None,
            "confidence": 0.25, "language": "pt-BR", "release": "r", "model": "m",
        },
        {"text": "write me a poem", "expect": "none"},
        {"text": "", "photo": "h-files/a.jpg", "not": ["track-order"], "by": "silence", "confidence": None},
    )  # fmt: skip
    files = tmp_path / "h-files"
    assert load_history(path) == History(
        (
            Example(
                1, "c1", "track-order", ("old",), "tap", "is it this?", (str(files / "a.jpg"), str(files / "b.jpg")),
                (str(files / "c.ogg"),), ("hello",), "t1", 1700000000000, "clarify", "", 0.25, "pt-BR", "r", "m",
            ),
            Example(2, "line 2", "none", text="write me a poem"),
            Example(3, "line 3", denied=("track-order",), by="silence", photos=(str(files / "a.jpg"),)),
        )
    )  # fmt: skip


def test_all_problems_with_their_lines(tmp_path):
    path = tmp_path / "h.jsonl"
    path.write_bytes(
        "\n".join(
            [
                '{"text": 5, "expect": "a"}',
                '{"text": "x"}',
                '{"text": "x", "not": []}',
                '{"expect": "a"}',
                '{"text": "x", "expect": "A b"}',
                '{"text": "x", "not": ["a", "none"]}',
                '{"text": "x", "not": "a"}',
                '{"text": "x", "expect": "a", "by": "bot"}',
                '{"text": "x", "expect": "a", "decision": "answered"}',
                '{"text": "x", "expect": "a", "at": "yesterday"}',
                '{"text": "x", "expect": "a", "at": 1.5}',
                '{"text": "x", "expect": "a", "confidence": 3}',
                '{"photo": [5], "expect": "a"}',
                '{"photo": {"a": 1}, "expect": "a"}',
                '{"text": "x", "expect": "a", "confidense": 0.5}',
                '{"text": "x", "expect": "a", "said": "none"}',
                "not json",
                '["x"]',
            ]
        ).encode()
        + b'\n{"text": "\xff", "expect": "a"}\n'
    )
    with pytest.raises(KnowledgeError) as raised:
        load_history(path)
    expected = [
        '1: text: expected text, got "5"',
        "2: expected at least one of expect and not",
        "3: expected at least one of expect and not",
        "4: expected at least one of text, photo and voice",
        "5: expect: expected an id",
        "6: not[1]: `none` is reserved",
        '7: not: expected a list of entries\' ids, got "a"',
        '8: by: expected agent, tap or silence, got "bot"',
        "9: decision: expected answer, clarify, escalate or hold",
        '10: at: expected a moment in UTC milliseconds, got "yesterday"',
        "11: at: expected a moment",
        "12: confidence: expected a share between 0 and 1",
        "13: photo[0]: expected the path of a photo",
        "14: photo: expected the path of a photo, or a list of them, got a mapping",
        "15: confidense: unknown field; did you mean confidence?",
        "16: said: `none` is reserved",
        "17: expected one JSON object",
        "18: expected a mapping",
        "19: not UTF-8",
    ]
    for words, start in zip(raised.value.problems, expected, strict=True):
        assert words.startswith(f"h.jsonl:{start}"), words


def test_missing_files_are_named_and_the_rest_of_the_example_is_used(tmp_path):
    (tmp_path / "there.jpg").write_bytes(b"x")
    path = written(
        tmp_path / "h.jsonl",
        {"text": "x", "photo": ["gone.jpg", "there.jpg"], "expect": "a"},
        {"voice": "gone.ogg", "expect": "a"},
        *({"text": "y", "photo": f"{n}.jpg", "expect": "a"} for n in range(30)),
    )
    history = load_history(path)
    assert history.examples[0].photos == (str(tmp_path / "there.jpg"),)
    assert len(history.examples) == 31 and all(one.text for one in history.examples)
    assert history.notes[0].startswith(f"h.jsonl:1: photo: there is no file {tmp_path / 'gone.jpg'}")
    assert history.notes[1].startswith("h.jsonl:2: voice: there is no file")
    assert history.notes[20:] == (
        "h.jsonl: 12 more photos and voice notes are missing",
        "h.jsonl: 1 examples are left out: their files are all gone",
    )


def test_entries_that_are_no_more_are_named_and_left_out(tmp_path):
    path = written(
        tmp_path / "h.jsonl",
        {"text": "1", "expect": "old"},
        {"text": "2", "expect": "new", "not": ["old", "other"]},
        {"text": "3", "not": ["old"]},
        {"text": "4", "expect": "old"},
        {"text": "5", "expect": "none"},
    )
    history = load_history(path, entries={"new", "other"})
    assert [(one.text, one.expect, one.denied) for one in history.examples] == [
        ("2", "new", ("other",)),
        ("5", "none", ()),
    ]
    (note,) = history.notes
    assert 'no entry "old"' in note and "2 examples are left out, line 1, 4" in note
    assert len(load_history(path).examples) == 5


def test_of_two_exports_joined_the_later_word_counts(tmp_path):
    path = written(
        tmp_path / "h.jsonl",
        {"text": "x", "expect": "a", "id": "t", "by": "silence"},
        {"text": "x", "expect": "b", "id": "t", "by": "agent"},
    )
    (example,) = load_history(path).examples
    assert (example.expect, example.by, example.line) == ("b", "agent", 2)


@pytest.mark.parametrize("raw", [b"", b"\n \n"])
def test_no_example_at_all(raw, tmp_path):
    (tmp_path / "h.jsonl").write_bytes(raw)
    with pytest.raises(KnowledgeError, match="holds no example"):
        load_history(tmp_path / "h.jsonl")


def test_no_such_file(tmp_path):
    with pytest.raises(KnowledgeError, match="there is no such file"):
        load_history(tmp_path / "h.jsonl")
    with pytest.raises(KnowledgeError, match="expected a file"):
        load_history(tmp_path)


def made(*talks: tuple[str, int, int]) -> list[Example]:
    """Conversations of (name, beginning, turns)."""
    return [
        Example(1, name, "a", at=begin + turn, id=f"{name}{turn}")
        for name, begin, turns in talks
        for turn in range(turns)
    ]


def test_the_newest_conversations_are_held_out_whole():
    parts = splits(made(("old", 0, 4), ("middle", 100, 4), ("new", 200, 2)), held_out=0.2, validation=0.4)
    assert {one.conversation for one in parts.held_out} == {"new"}
    assert {one.conversation for one in parts.validation} == {"middle"}
    assert {one.conversation for one in parts.train} == {"old"}
    # As near to the share as whole conversations come, and never all
    assert len(splits(made(("old", 0, 10), ("new", 200, 50)), held_out=0.2).held_out) == 50
    assert splits(made(("only", 0, 10)), held_out=0.2).held_out == ()
    assert splits([]) == splits([], held_out=0.5, validation=0.5)
    assert splits(made(("old", 0, 4), ("new", 9, 4)), held_out=0.0).held_out == ()


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 5)), min_size=1, max_size=30),
    st.floats(0, 0.5),
    st.floats(0, 0.4),
    st.randoms(use_true_random=False),
)
def test_no_conversation_is_on_two_sides_whatever_the_order(
    talks: list[tuple[int, int]], held_out: float, validation: float, chance: random.Random
) -> None:
    examples = made(*((f"c{place}", begin, turns) for place, (begin, turns) in enumerate(talks)))
    parts = splits(examples, held_out=held_out, validation=validation)
    names = [{one.conversation for one in part} for part in (parts.train, parts.validation, parts.held_out)]
    assert len(names[0] | names[1] | names[2]) == sum(map(len, names)) == len(talks)
    assert names[0] and len(parts.train) + len(parts.validation) + len(parts.held_out) == len(examples)

    def ends(part: tuple[Example, ...]) -> list[int]:
        return [max(one.at for one in part if one.conversation == name) for name in {one.conversation for one in part}]

    for older, newer in ((parts.train, parts.validation), (parts.validation, parts.held_out)):
        assert not (older and newer) or max(ends(older)) <= min(ends(newer))
    shuffled = list(examples)
    chance.shuffle(shuffled)
    assert splits(shuffled, held_out=held_out, validation=validation) == parts
