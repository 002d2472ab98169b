from __future__ import annotations

import pytest

from core.errors import KnowledgeError
from core.knowledge.entries import Case
from core.knowledge.files import load_cases


def test_one_object_a_line(tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + '{"text": "where is it \u2028 \\ud83d\\ude00", "expect": "track-order"}\r\n\n'
        '{"photo": "photos/mug.jpg", "text": "", "history": ["hello", ""], "expect": "none"}\n'
        '{"voice": "/tmp/order.ogg", "photo": null, "expect": "track-order"}'.encode()
    )
    assert load_cases(path) == (
        Case("track-order", text="where is it \u2028 😀"),
        Case("none", photo=str(tmp_path / "photos/mug.jpg"), history=("hello", "")),
        Case("track-order", voice="/tmp/order.ogg"),
    )


def test_a_missing_photo_is_one_unreadable_case_not_an_unreadable_file(tmp_path):
    path = tmp_path / "cases.jsonl"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    path.write_text('{"photo": "nope.jpg", "expect": "a"}\n{"photo": "loop", "expect": "a"}\n')
    assert [case.photo for case in load_cases(path)] == [str(tmp_path / "nope.jpg"), str(tmp_path / "loop")]


def test_all_problems_with_their_lines(tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_text(
        "\n".join(
            [
                '{"text": 5, "expect": "a"}',
                '{"text": "x"}',
                '{"expect": "a"}',
                '{"text": "x", "expect": null}',
                '{"text": "x", "expect": "A b"}',
                '{"text": "x", "expect": "b"}',
                '{"text": "x", "expcet": "a", "expect": "a"}',
                '{"text": "x", "text": "y", "expect": "a"}',
                '{"text": "x", "history": "y", "expect": "a"}',
                '{"text": "x", "history": [1], "expect": "a"}',
                '["x"]',
                "not json",
                "[" * 100_000,
                '{"text": "x", "expect": "a"} {}',
                '{"text": "x", "history": ' + "[" * 50 + "]" * 50 + ', "expect": "a"}',
                '{"text": "\\ud83d", "expect": "a"}',
            ]
        )
    )
    with pytest.raises(KnowledgeError) as raised:
        load_cases(path, entries={"a"})
    expected = [
        '1: text: expected text, got "5"',
        "2: expect: missing",
        "3: expected at least one of text, photo and voice",
        "4: expect: expected an entry's id or none, got nothing",
        "5: expect: expected an id",
        '6: expect: no entry has the id "b"',
        "7: expcet: unknown field; did you mean expect?",
        "8: text: given twice",
        "9: history: expected a list of texts",
        '10: history[0]: expected text, got "1"',
        "11: expected a mapping",
        "12: expected one JSON object",
        "13: expected one JSON object",
        "14: expected one JSON object, got this at column 30",
        "15: expected one JSON object: nested deeper",
        "16: text: expected text, got half of a surrogate pair",
    ]
    for words, start in zip(raised.value.problems, expected, strict=True):
        assert words.startswith(f"cases.jsonl:{start}"), words


@pytest.mark.parametrize("raw", [b"", b"\n \n"])
def test_no_case_at_all(raw, tmp_path):
    (tmp_path / "c.jsonl").write_bytes(raw)
    with pytest.raises(KnowledgeError, match="holds no case"):
        load_cases(tmp_path / "c.jsonl")


def test_no_such_file(tmp_path):
    with pytest.raises(KnowledgeError, match="there is no such file"):
        load_cases(tmp_path / "c.jsonl")
