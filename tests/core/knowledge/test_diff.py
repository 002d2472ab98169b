from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from core.knowledge.diff import Change, Kind, Part, diff, lines
from core.knowledge.entries import Case, Desk, Entry, KnowledgeBase
from core.knowledge.merge import merge
from tests.core.knowledge import made

BROKEN = Entry("broken", "It broke", {"en": "Sorry"}, "returns", ("cracked", "split"), ("blob-1",))
TRACK = Entry("track", "Where is it?", {"en": "On its way"}, "orders")
LIVE = KnowledgeBase("Shop", entries=(BROKEN, TRACK), cases=(Case("track", "y"),))
SOME = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_an_entry_that_changed_says_which_fields():
    # Given an entry with another answer, a variant gone and one added, disabled
    after = replace(BROKEN, answer={"en": "Very sorry", "de": "Schade"}, variants=("cracked", "torn"), enabled=False)
    (change,) = diff(LIVE, replace(LIVE, entries=(after, TRACK)))
    # Then the change names the fields and tells how
    assert (change.kind, change.part, change.name) == (Kind.CHANGED, Part.ENTRY, "broken")
    assert change.fields == ("answer", "variants", "enabled")
    assert change.lines == (
        'answer (en): "Sorry" -> "Very sorry"',
        'answer (de): nothing -> "Schade"',
        '- variants: "split"',
        '+ variants: "torn"',
        "enabled: true -> false",
    )


def test_entries_that_came_and_went():
    new = Entry("new", "New?", {"en": "x"}, "new")
    changes = diff(LIVE, replace(LIVE, entries=(TRACK, new)))
    assert changes == (
        Change(Kind.REMOVED, Part.ENTRY, "broken", (), ('"It broke"',)),
        Change(Kind.ADDED, Part.ENTRY, "new", (), ('"New?"',)),
    )
    assert lines(changes) == ("- entry broken", '    "It broke"', "+ entry new", '    "New?"')


def test_settings_messages_and_cases():
    draft = replace(
        LIVE,
        title="Store",
        error_budget=0.05,
        desk=Desk("Europe/Berlin", {"mon": ((540, 1020),)}, ("2026-12-25",)),
        messages={"welcome": {"en": "Hi"}},
        cases=(Case("none", "poem"), Case("broken", photo="0123456789abcdef")),
    )
    told = lines(diff(LIVE, draft))
    assert told == (
        "~ setting title",
        '    title: "Shop" -> "Store"',
        "~ setting error_budget",
        "    error_budget: 0.02 -> 0.05",
        "~ setting desk",
        "    timezone: UTC -> Europe/Berlin",
        "    mon: nothing -> 09:00-17:00",
        '    + closed: "2026-12-25"',
        "+ message welcome",
        '    text (en): nothing -> "Hi"',
        "~ cases",
        '    - "y" expects track',
        '    + "poem" expects none',
        "    + photo 0123456789ab expects broken",
    )


def test_another_order_is_a_change():
    (change,) = diff(LIVE, replace(LIVE, entries=(TRACK, BROKEN)))
    assert change.name == "order"


def test_texts_that_differ_late_still_look_different():
    long = "x" * 100
    before, after = (
        replace(LIVE, entries=(replace(BROKEN, answer={"en": text}), TRACK)) for text in (long, long + "y")
    )
    (line,) = diff(before, after)[0].lines
    assert "(100 characters)" in line and "(101 characters)" in line


@SOME
@given(made.bases, made.bases)
def test_no_change_means_equal(one, other):
    assert diff(one, one) == ()
    assert (diff(one, other) == ()) is (one == other)
    assert all(change.lines for change in diff(one, other))


def test_a_merge_keeps_what_the_file_does_not_name():
    live = replace(LIVE, language="de", error_budget=0.1, messages={"back": {"de": "da"}}, desk=Desk("Europe/Berlin"))
    new = Entry("new", "New?", {"en": "x"}, "new")
    track = replace(TRACK, question="Where?")
    named = KnowledgeBase(
        "Store", entries=(new, track), messages={"help": {"en": "h"}}, cases=(Case("track", "y"), Case("new", "n"))
    )
    merged = merge(live, named)
    assert merged == replace(
        live,
        title="Store",
        entries=(BROKEN, track, new),
        messages={"back": {"de": "da"}, "help": {"en": "h"}},
        cases=(Case("track", "y"), Case("new", "n")),
    )
    settings_too = replace(named, language="fr", error_budget=0.3, desk=Desk("UTC", {"mon": ((1, 2),)}))
    merged = merge(live, settings_too)
    assert (merged.language, merged.error_budget, merged.desk) == ("fr", 0.3, settings_too.desk)


@SOME
@given(made.bases)
def test_a_merge_with_itself_or_onto_nothing_changes_nothing(knowledge):
    once = replace(knowledge, cases=tuple(dict.fromkeys(knowledge.cases)))
    assert merge(once, once) == once
    assert merge(KnowledgeBase(""), once) == once
