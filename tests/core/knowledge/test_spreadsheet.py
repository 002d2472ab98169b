from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import KnowledgeError
from core.knowledge.entries import Case, Entry, KnowledgeBase
from core.knowledge.spreadsheet import from_csv, to_csv
from tests.core.knowledge import made

EMPTY = KnowledgeBase("Shop")
DAMAGED = Entry(
    id="damaged",
    question="It broke",
    answer={"en": "Sorry", "de": "Schade"},
    intent="returns",
    variants=("cracked", "a|b"),
    photos=("photo",),
    media=("picture",),
    tags=("t",),
    escalate=True,
)
OTHER = Entry("other", "Other?", {"en": "x"}, "other")
SHOP = KnowledgeBase(
    "Shop", entries=(DAMAGED, OTHER), cases=(Case("damaged", "x"), Case("other", "y"), Case("none", "z"))
)


def problems(raw: bytes, onto: KnowledgeBase = EMPTY) -> tuple[str, ...]:
    with pytest.raises(KnowledgeError) as raised:
        from_csv(raw, onto)
    return raised.value.problems


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_flavour_of_csv(mark, delimiter, end):
    rows = ["id,intent,question,variants,answer,tags", r'a,i,Wo ist es?,x | y\|z|,"1,2;3",s|t']
    text = end.join(row.replace(",", delimiter) for row in rows) + end
    entry = from_csv(mark + text.encode(), EMPTY).entries[0]
    assert entry == Entry("a", "Wo ist es?", {"en": f"1{delimiter}2;3"}, "i", ("x", "y|z"), tags=("s", "t"))


def test_absent_columns_keep_what_the_entry_has():
    # Given a table of ids and answers only
    knowledge = from_csv(b"id,answer\ndamaged,New\n", SHOP, merge=True)
    # Then everything else stays, the other language too, and entries that are not named as well
    assert knowledge == replace(SHOP, entries=(replace(DAMAGED, answer={"en": "New", "de": "Schade"}), OTHER))


def test_without_merge_the_table_is_all_there_is():
    knowledge = from_csv(b"id,question,answer\nnew,New?,Yes\ndamaged,Broken,\n", SHOP)
    assert [entry.id for entry in knowledge.entries] == ["new", "damaged"]
    assert knowledge.entries[0] == Entry("new", "New?", {"en": "Yes"}, "new")
    assert knowledge.entries[1] == replace(DAMAGED, question="Broken", answer={"en": "", "de": "Schade"})
    # And a case cannot expect what is gone
    assert knowledge.cases == (Case("damaged", "x"), Case("none", "z"))


def test_new_entries_come_last_in_a_merge():
    knowledge = from_csv(b"id,question,answer\nnew,New?,Yes\nother,O,y\n", SHOP, merge=True)
    assert [entry.id for entry in knowledge.entries] == ["damaged", "other", "new"]
    assert knowledge.cases == SHOP.cases


def test_empty_cells_empty_the_lists_and_reset_the_intent():
    entry = from_csv(b"id,intent,variants,tags\ndamaged,,,\n", SHOP, merge=True).entries[0]
    assert entry == replace(DAMAGED, intent="damaged", variants=(), tags=())


def test_what_excel_does():
    # Given its separator hint, quoted line breaks, empty cells left out or added, empty rows at the end
    raw = (
        "\ufeffsep=;\r\nID;Question;Answer;Tags;;\r\n"
        'a;"Say ""hello""";"one\r\ntwo";x;;\r\n'
        "b;B?;yes\r\n"
        ";;;;;\r\n\r\n;;;;;\r\n"
    ).encode()
    a, b = from_csv(raw, EMPTY).entries
    assert a == Entry("a", 'Say "hello"', {"en": "one\ntwo"}, "a", tags=("x",))
    assert b == Entry("b", "B?", {"en": "yes"}, "b")


def test_what_we_write_for_excel_starts_with_a_mark():
    assert to_csv(SHOP, excel=True).startswith(b"\xef\xbb\xbfid,")
    assert to_csv(SHOP).startswith(b"id,")
    assert from_csv(to_csv(SHOP, excel=True), SHOP) == SHOP


@pytest.mark.parametrize(
    "texts", [("a|b", "c"), ("a\\", "b"), ("a\\|b",), ("a\\\\", "|"), ("C:\\\\temp", "\\|\\"), ("||",)]
)
def test_bars_and_backslashes(texts):
    knowledge = replace(SHOP, entries=(replace(DAMAGED, variants=texts), OTHER))
    assert from_csv(to_csv(knowledge), SHOP) == knowledge


def test_only_a_bar_makes_a_backslash_special():
    entry = from_csv(rb"id,question,answer,variants" + b"\n" + rb"a,q,C:\\new,x\\y|\n|a\|b" + b"\n", EMPTY).entries[0]
    assert entry.variants == ("x\\\\y", "\\n", "a|b")
    assert entry.answer == {"en": "C:\\\\new"}


stripped = made.said.map(str.strip).filter(lambda text: text and "\r" not in text)


@given(st.lists(stripped, max_size=4).map(tuple), st.lists(stripped, max_size=2).map(tuple), stripped, made.texts)
def test_a_table_reads_back(variants, tags, question, answer):
    # Only line ends change: Excel's become plain ones
    answer = answer.replace("\r\n", "\n")
    entry = replace(DAMAGED, variants=variants, tags=tags, question=question, answer={"en": answer, "de": "Schade"})
    knowledge = replace(SHOP, entries=(entry, OTHER))
    assert from_csv(to_csv(knowledge), SHOP) == knowledge
    assert from_csv(to_csv(knowledge, excel=True), knowledge, merge=True) == knowledge


def test_all_problems_with_line_and_column():
    found = problems(
        b'id,question,answer\n"x\ny",q,a\nBad Id,q,a\nnone,q,a\nok,,a\nok,q,a\nok,q,a\nd,q,a,extra\n,q,a\ne,q\0,a\n'
    )
    expected = [
        "2: id: expected an id",
        "4: id: expected an id",
        "5: id: `none` is reserved",
        "6: question: expected text, got an empty one",
        "8: id: ok is the id of line 7 already",
        '9: "extra" stands in column 4',
        "10: id: expected an id",
        "11: question: expected text, got a NUL",
    ]
    for words, start in zip(found, expected, strict=True):
        assert words.startswith(f"knowledge.csv:{start}"), words


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "the file is empty"),
        (b"\n,,\n", "the file is empty"),
        (b"name,answer\na,b\n", ':1: unknown column "name"'),
        (b"question,answer\nq,a\n", ":1: there is no column id"),
        (b"id,awnser\na,b\n", "did you mean answer?"),
        (b"id,id\na,b\n", "column id is there twice"),
        (b"id,question\nnew,q\n", ":2: answer: "),
        (b'id,question,answer\na,q,"open\nb,q,a\n', ":2: not CSV: "),
        (b'id,question,answer\na,q,"x"y\n', ":2: not CSV: "),
        (b"id,question,answer\na,caf\xe9,b\n", "not UTF-8 (the first wrong byte is in line 2)"),
        ("id,question,answer\na,b,c".encode("utf-16"), "not UTF-8"),
    ],
)
def test_one_problem(raw, words):
    assert any(words in problem for problem in problems(raw)), problems(raw)
