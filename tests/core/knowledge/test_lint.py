from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.knowledge.entries import Case, Entry, KnowledgeBase
from core.knowledge.lint import Finding, lint, normal
from core.knowledge.markup import markup_problems
from tests.core.knowledge import made

BROKEN = Entry("broken", "It broke", {"en": "Sorry"}, "returns", ("cracked",), ("blob-1",))
TRACK = Entry("track", "Where is it?", {"en": "On its way"}, "orders", ("order status",), ("blob-2",))
CASES = (Case("broken", "x"), Case("track", "y"), Case("none", "z"))
GOOD = KnowledgeBase("Shop", entries=(BROKEN, TRACK), cases=CASES)


def having(**changes: object) -> KnowledgeBase:
    return replace(GOOD, entries=(replace(BROKEN, **changes), TRACK))  # type: ignore[arg-type]


def only(knowledge: KnowledgeBase) -> Finding:
    (finding,) = lint(knowledge)
    return finding


def test_nothing_to_say_about_a_good_one():
    assert lint(GOOD) == ()


@pytest.mark.parametrize("phrase", ["where is it", "  WHERE—is   it?!", "Where_is_it.", "ｗhere is it"])
def test_the_same_question_under_two_entries_names_both(phrase):
    finding = only(having(variants=(phrase,)))
    assert finding.kind == "same-phrase"
    assert finding.entries == ("broken", "track")
    assert "broken and track" in finding.message


def test_signs_alone_are_not_all_the_same():
    assert normal("?") != normal("!!")
    assert normal("😀") != normal("😢")


def test_a_phrase_twice_under_one_entry():
    finding = only(having(variants=("cracked", "Cracked!")))
    assert (finding.kind, finding.entries) == ("repeated-phrase", ("broken",))


def test_an_example_photo_of_two_entries():
    finding = only(having(photos=("blob-2", "blob-2")))
    assert (finding.kind, finding.entries) == ("same-photo", ("broken", "track"))


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"variants": ()}, "no-variants"),
        ({"answer": {"en": " \n"}}, "empty-answer"),
        ({"answer": {}}, "empty-answer"),
        ({"answer": {"en": "long " * 700}}, "long-answer"),
        ({"answer": {"en": "**half"}}, "markdown"),
        ({"answer": {"en": "x", "de": "y"}}, "missing-language"),
    ],
)
def test_one_finding(changes, kind):
    assert only(having(**changes)).kind == kind


def test_a_disabled_entry_is_left_alone_but_its_cases_are_named():
    broken = replace(BROKEN, enabled=False, variants=("where is it",), answer={})
    finding = only(replace(GOOD, entries=(broken, TRACK)))
    assert (finding.kind, finding.entries) == ("disabled-case", ("broken",))


def test_a_label_with_a_slip():
    entries = (
        BROKEN,
        replace(TRACK, intent="retruns"),
        replace(BROKEN, id="c", question="c", variants=("d",), photos=()),
    )
    cases = (*CASES, Case("c", "c"))
    finding = only(replace(GOOD, entries=entries, cases=cases))
    assert finding.kind == "lone-intent"
    assert '"returns" meant' in finding.message


def test_cases_that_are_missing():
    assert only(replace(GOOD, cases=())).kind == "no-cases"
    assert only(replace(GOOD, cases=CASES[:2])).kind == "no-none-case"
    finding = only(replace(GOOD, cases=CASES[1:]))
    assert (finding.kind, finding.entries) == ("untested", ("broken",))
    assert finding.message == "1 of 2 entries has no case: broken"


def test_overrides_that_ask_for_what_nobody_knows():
    knowledge = replace(GOOD, messages={"closed": {"en": "{title} is back {opens}"}, "claimed": {"en": "{agent} here"}})
    finding = only(knowledge)
    assert finding.kind == "placeholder"
    assert finding.message == "messages.claimed in en: {agent} will not be filled in; what is: {name} and {title}"


def test_an_empty_knowledge_base():
    assert {finding.kind for finding in lint(KnowledgeBase("Shop"))} == {"no-entries", "no-cases"}


@pytest.mark.parametrize(
    "text",
    [
        "plain", "**bold**, *italic*, _italic_, `code ** x` and [a link](https://x.y/z_(1))", "5 * 3 * 2",
        "snake_case_name",
        "- a\n- b\n\n1. c\n2. d", "* a\n* b", "a \\* b \\*\\*c \\`d", "see [1] or (this)", "prices from 5*", "<https://x.y>",
        "write to [us](mailto:a@b.c) or [call](tel:+123)", "a < b > c", "```\ncode ** here\n```", "https://a.b/c_d*e",
    ],
)  # fmt: skip
def test_markdown_that_is_fine(text):
    assert markup_problems(text) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a **b", "** without its partner"),
        ("** bold ** text", "** without its partner"),
        ("press `enter", "` without its partner"),
        ("say *please", "* without its partner"),
        ("[x] (https://a.b)", "a link that is none"),
        ("[x](https://a b)", "a link that is none"),
        ("[x](https://a.b", "a link that is none"),
        ("[x](javascript:alert(1))", "a link that is none"),
        ("[x](www.shop.com)", 'a link to "www.shop.com"'),
        ("[x]()", 'a link to ""'),
        ("![x](https://a.b/c.png)", "list it under media"),
        ("# Returns", "a heading"),
        ("> said", "a quotation"),
        ("<b>x</b>", "HTML"),
        ("<div>\nx\n</div>", "HTML"),
    ],
)
def test_markdown_that_will_not_look_as_meant(text, words):
    (problem,) = markup_problems(text)
    assert words in problem


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made.bases)
def test_lint_looks_at_anything_without_failing(knowledge):
    ids = {entry.id for entry in knowledge.entries}
    assert all(set(finding.entries) <= ids and finding.message for finding in lint(knowledge))


@given(st.text(max_size=60))
def test_any_text_can_be_looked_at(text):
    assert all(markup_problems(text)) is True
