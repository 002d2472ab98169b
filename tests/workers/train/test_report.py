"""A training's report tells the figures it was given, in one page that nothing can break."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from core.knowledge.entries import Entry, KnowledgeBase
from core.knowledge.lint import Finding
from workers.model.selective import select
from workers.train import plots
from workers.train.confusion import confused
from workers.train.report import lacking, number, page, percent, proof, share, summary, times, write
from workers.train.results import (
    Ablation,
    Calibration,
    Check,
    Compared,
    Counts,
    Curve,
    EntryQuality,
    Finetuned,
    Held,
    Promotion,
    Results,
    Share,
    Standing,
    Timed,
    Weighed,
    qualities,
)

BAD = "<script>alert(1)</script>"
WORSE = '"><img src=x onerror="alert(2)"> & $\\frac{1}{2}$ 返品 🙂'


class Read(HTMLParser):
    """What a browser would see of a page: its tags, its ids, its references, its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            assert not name.startswith("on"), name
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href"):
                self.references.append(value or "")
            self.references += re.findall(r"url\(([^)]*)\)", value or "")

    def handle_data(self, words: str) -> None:
        self.words.append(words)


def questions(entries: list[str], each: int = 6, strange: int = 5) -> Iterator[Held]:
    """Held-out questions of which the last of every entry is taken for the next one."""
    for place, entry in enumerate(entries):
        for i in range(each):
            wrong = i == each - 1 and len(entries) > 1
            found = entries[(place + 1) % len(entries)] if wrong else entry
            decision = "clarify" if i % 2 else "answer"
            channels = ("text", "photo") if i % 3 == 0 else ("text",)
            yield Held(entry, found, 0.99 - 0.1 * i, decision, channels, 0.9 - 0.05 * i, f"{entry} asked {i}")
    for i in range(strange):
        yield Held("none", entries[0], 0.3 - 0.05 * i, "answer" if i == 0 else "escalate", raw=0.4)


def made(entries: list[str], title: str = "Shop") -> Results:
    knowledge = KnowledgeBase(
        title, entries=tuple(Entry(one, f"What about {one}?", {"en": "So."}, variants=("a", "b")) for one in entries)
    )
    held = tuple(questions(entries))
    sure, wrong = [one.confidence or 0.0 for one in held], [not one.case.right for one in held]
    return Results(
        title,
        Counts(len(entries), 3 * len(entries), 7, 321, 280, 40, 12),
        0.02,
        at=1_800_000_000_000,
        model="made of 2a",
        stages=(Timed("encoding", 12.34), Timed("early", 600.0)),
        strategies=(
            Compared("TF-IDF", Share(0.512, 0.41, 0.61), 1.234, 0.678, 0.145, 0.087, 0.71, 0.42, baseline=True),
            Compared("late", Share(0.834, 0.76, 0.89), 0.567, 0.912, 0.033, 0.456, 71.0, 3.21),
            Compared("serial", note="ran out of memory"),
        ),
        chosen="late",
        reason="It is right most often.",
        entries=qualities(knowledge, held),
        held=held,
        ablation=(Ablation("photo", 9, Standing(0.81, 0.52), Standing(0.63, 0.31), Standing(0.44, None)),),
        weights=(Weighed(("text", "photo"), 9, {"text": 3.0, "photo": 1.0}),),
        calibration=Calibration("temperature", 60, 0.171, 0.042),
        selected=tuple(select(sure, wrong, budget) for budget in (0.01, 0.02, 0.05)),
        promotion=Promotion(False, "Two cases went wrong.", (Check("cases", 0.912, 0.876, False),)),
        warnings=(Finding("no-variants", "return: has no variants", ("return",)),),
        curves=(
            Curve("late", "loss", (1, 2, 3), (1.5, math.nan, 0.5)),
            Curve("late", "loss", (2,), (0.8,), held_out=True),
            Curve("late", "accuracy", (2,), (0.7,), held_out=True),
        ),
    )


def test_it_begins_with_three_sentences() -> None:
    results = made(["track", "return", "refund"])
    (right, first), (alone, second), (_, third) = summary(results)
    assert right == percent(results.accuracy.value) == "83 %"
    assert "Asked 18 questions" in first and "for 15 of them" in first
    assert alone == percent(results.automated.value) == "43 %"
    assert "answer 10 of 23 questions" in second and "1 of these answers was wrong (10 %, the budget is 2 %)" in second
    assert "estimated, not guaranteed" in second
    assert "tell “refund” and “track” apart" in third
    text = Read(page(results)).text
    assert text.index(first) < text.index(second) < text.index(third) < text.index("How good it is")


def test_its_figures_are_those_of_the_results() -> None:
    results = made(["track", "return", "refund"])
    text = Read(page(results)).text
    for figure in (
        "51 % (41 % to 61 %)",
        "83 % (76 % to 89 %)",
        "0.68",
        "0.91",
        "8.7 %",
        "46 %",
        "3.3 %",
        "71 s",
        "3.2 ms",
    ):
        assert figure in text, figure
    for one in results.entries:
        name = "out of scope" if one.id == "none" else f"{one.id} {one.question}"
        row = f"{name} {percent(one.precision)} {percent(one.recall)} {number(one.f1)} {one.support}"
        assert row in text, row
    for one in results.selected:
        row = f"{percent(one.threshold)} {one.answered} of {one.cases} {one.wrong} {percent(one.bound)} {proof(one)}"
        assert row in text, row
    for words in (
        "late chosen", "TF-IDF to be beaten", "ran out of memory", "It is right most often.", "Two cases went wrong.",
        "cases 0.912 0.876 failed", "return: has no variants", "off by 4.2 %, from 17 %", "encoding 12 s, early 10 min",
        "3 entries, 9 ways of asking, 7 example photos", "321 labelled questions", "280 to train on, 40 to choose by",
        "15 January 2027", "made of 2a", "Not to be put to use:",
    ):  # fmt: skip
        assert words in text, words


def test_figures_are_drawn_from_the_results() -> None:
    results = made(["track", "return", "refund"])
    matrix = Read(plots.confusion(results)).words
    assert matrix.count("5") == 3  # right
    assert matrix.count("1") == 4  # each entry once for the next, and one question out of scope
    assert matrix.count("4") == 1  # out of scope, not answered
    assert {"81 %", "63 %", "44 %", "52 %", "31 %", "does not apply"} <= set(Read(plots.ablation(results)).words)
    assert {"75 %", "25 %", "typed words + photo (9)"} <= set(Read(plots.weights(results)).words)
    assert "budget: 2 % wrong" in Read(plots.risk_coverage(results)).words


def test_what_a_customer_may_have_asked_stands_beside_the_pair() -> None:
    pairs = confused(made(["track", "return", "refund"]).held)
    assert [(pair.first, pair.second, pair.times) for pair in pairs] == [
        ("refund", "track", 1), ("return", "refund", 1), ("track", "return", 1),
    ]  # fmt: skip
    assert pairs[0].asked == ("refund asked 5",)


def test_a_pair_counts_both_ways() -> None:
    held = [Held("a", "b", 0.5, "clarify"), Held("b", "a", 0.5, "clarify"), Held("b", "a", 0.5, "answer")]
    (pair,) = confused([*held, Held("none", "a", 0.9, "answer"), Held("a", "", 0.0, "escalate")])
    assert (pair.first, pair.second, pair.forth, pair.back) == ("b", "a", 2, 1)


def test_entries_that_need_examples_are_named_with_the_reason() -> None:
    def quality(id: str, recall: float | None, support: int, examples: int) -> EntryQuality:
        return EntryQuality(id, "", None, recall, None, support, examples)

    results = replace(
        made(["track"]),
        entries=(
            quality("good", 0.9, 10, 8),
            quality("missed", 0.25, 8, 8),
            quality("few", None, 0, 1),
            quality("once", 0.0, 1, 8),  # one question proves nothing
            quality("none", 0.1, 9, 0),
        ),
    )
    assert [(one.id, why) for one, why in lacking(results)] == [
        ("missed", "found 2 of 8 times"), ("few", "only 1 way of asking"),
    ]  # fmt: skip


def test_nothing_from_a_knowledge_base_becomes_part_of_the_page() -> None:
    # Given a knowledge base whose every word tries
    names = [BAD, WORSE, "refund"]
    plain = made(["a", "b", "c"])
    results = replace(
        made(names, title=BAD),
        model=WORSE,
        chosen=BAD,
        reason=WORSE,
        strategies=tuple(replace(one, name=BAD, note=WORSE) for one in plain.strategies),
        stages=(Timed(BAD, 1.0),),
        weights=(Weighed((BAD, "text"), 3, {BAD: 1.0, "text": 2.0}),),
        ablation=(Ablation(WORSE, 3, Standing(0.5, 0.5), Standing(0.5, 0.5), Standing(0.5, 0.5)),),
        promotion=Promotion(True, BAD, (Check(WORSE, 1, 1, True),)),
        warnings=(Finding("x", BAD),),
        groups={BAD: plain.selected[0]},
        curves=tuple(replace(one, stage=BAD) for one in plain.curves),
    )
    # When its report is read
    read = Read(page(results))
    # Then it holds the same kinds of tags as that of a harmless one, and the words as words
    assert set(read.tags) == set(Read(page(replace(plain, groups=results.groups))).tags)
    assert "script" not in read.tags and "img" not in read.tags
    assert BAD in read.text and WORSE in read.text


def test_what_it_was_compared_with_instead_is_told() -> None:
    plain = made(["track", "return", "refund"])
    assert plain.promotion is not None and "shipped model" not in Read(page(plain)).text
    told = page(replace(plain, promotion=replace(plain.promotion, instead=f"the model in force is gone ({BAD})")))
    assert "Compared with the shipped model, as the model in force is gone" in " ".join(Read(told).text.split())
    assert BAD in Read(told).text and BAD not in told


def test_it_needs_nothing_else() -> None:
    html = page(made(["track", "return", "refund"]))
    assert not re.search(r"https?://|//\w+\.|@import|<link|<script|<!DOCTYPE svg|<\?xml", html)
    read = Read(html)
    assert read.references and all(reference.startswith("#") for reference in read.references)
    assert len(read.ids) == len(set(read.ids))
    assert {reference[1:] for reference in read.references} <= set(read.ids)
    assert "#0a0b" not in html  # every colour is the page's


@pytest.mark.parametrize("many", [19, 20, 77])
def test_many_entries_are_pairs_and_no_matrix(many: int) -> None:
    names = [f"entry-{number:02}" for number in range(many)]
    # Every entry is confused with the next, the first two more than once; out of scope is a row of its own.
    results = made(names)
    more = (*results.held, Held("entry-00", "entry-01", 0.4, "clarify"), Held("entry-01", "entry-00", 0.4, "clarify"))
    drawing = Read(plots.confusion(replace(results, held=more))).words
    if many < 20:
        assert "out of scope" in drawing and drawing.count("entry-18") == 2
    else:
        assert "out of scope" not in drawing and "3" in drawing
        assert "entry-00 ↔ entry-01" in [" ".join(words.split()) for words in drawing]
    assert ("Which entries it takes for which" in page(replace(results, held=more))) == (many < 20)


def test_long_tables_end() -> None:
    results = made([f"entry-{number}" for number in range(650)])
    read = Read(page(results))
    assert "151 entries more, all with fewer misses, are left out here." in read.text  # `none` is a line too
    assert read.tags.count("tr") < 600


EMPTY = Results("Shop", Counts(0, 0), 0.02)
ONE = Held("track", "track", 0.9, "answer")
DEGENERATE = {
    "nothing at all": EMPTY,
    "one entry, nothing held out": replace(
        EMPTY, counts=Counts(1, 1), entries=(EntryQuality("track", "Where?", None, None, None, 0, 1),)
    ),
    "one question": replace(EMPTY, held=(ONE,)),
    "one class": replace(EMPTY, held=(ONE, ONE, ONE), calibration=Calibration("none", 3, 0.1, 0.1)),
    "all out of scope": replace(
        EMPTY, held=(Held("none", "track", 0.2, "escalate"), Held("none", "", 0.0, "escalate"))
    ),
    "no candidate": replace(EMPTY, held=(Held("track", "", 0.0, "escalate"),)),
    "no number": replace(
        made(["track", "return"]),
        held=(Held("track", "track", math.nan, "answer", raw=math.nan), Held("track", "return", None, "clarify")),
        strategies=(Compared("a", Share(math.nan, math.nan, math.nan), *[math.nan] * 6), Compared("b", Share(0.5))),
        entries=(EntryQuality("track", "Where?", math.nan, math.nan, math.nan, 2, 5),),
        ablation=(Ablation("photo", 1, Standing(math.nan, None), Standing(), Standing()),),
        weights=(Weighed(("text",), 1, {"text": math.nan}), Weighed((), 0, {}), Weighed(("text",), 1, {"text": 0.0})),
        calibration=Calibration("none", 0, None, math.nan),
        curves=(Curve("late", "loss", (1,), (math.nan,)), Curve("late", "accuracy", (), ())),
        stages=(Timed("early", math.nan),),
        promotion=Promotion(False, "", (Check("cases", math.nan, None, False),)),
    ),
    "a curve of one step": replace(EMPTY, curves=(Curve("late", "loss", (0,), (0.5,)),)),
    "a budget of 100 %": replace(EMPTY, budget=1.0, held=(ONE,)),
    "a budget of nothing": replace(EMPTY, budget=0.0, held=(ONE, Held("a", "b", 0.1, "clarify"))),
    "a channel nobody knows": replace(EMPTY, weights=(Weighed(("smell",), 2, {"smell": 1.0, "text": 0.1}),)),
    "always right": replace(EMPTY, held=(ONE,) * 30, selected=(select([0.9] * 30, [False] * 30, 0.02),)),
}  # fmt: skip


@pytest.mark.parametrize("name", DEGENERATE)
def test_whatever_happens_there_is_a_report(name: str) -> None:
    text = Read(page(DEGENERATE[name])).text
    assert "What the training of Shop came to" in text
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text)


def test_it_says_what_is_not_known() -> None:
    nothing, outside = (Read(page(DEGENERATE[name])).text for name in ("nothing at all", "all out of scope"))
    assert "How often it is right is not known: no labelled question was left to hold out" in nothing
    assert "What it would answer by itself within the budget of 2 % wrong answers is not known either." in nothing
    assert "No question was held out, so there is nothing to draw." in nothing
    assert "none of the questions held out has a right entry" in outside
    assert "It would answer no question by itself" in outside


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0 %"), (1.0, "100 %"), (0.5, "50 %"), (0.0204, "2 %"), (0.0137, "1.4 %"), (0.9996, "99.9 %"),
        (0.00001, "0.1 %"), (0.0996, "10 %"), (None, "—"), (math.nan, "—"), (math.inf, "—"),
    ],
)  # fmt: skip
def test_shares_for_people(value: float | None, said: str) -> None:
    assert percent(value) == said


def test_words_for_people() -> None:
    assert share(Share(0.5, None, None)) == "50 %"
    assert [times(many) for many in (1, 2, 3)] == ["once", "twice", "3 times"]
    assert plots.short("balance-not-updated-after-bank-transfer") == "balance-not…ank-transfer"
    assert len(plots.short("x" * 90)) == 24


def test_the_file(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    file = write(made(["track"]), tmp_path / "new" / "folder")
    assert file == tmp_path / "new" / "folder" / "report.html"
    assert file.read_text(encoding="utf-8") == page(made(["track"]))  # the same results, the same page
    assert dict(matplotlib.rcParams) == before


def test_it_tells_what_became_of_fine_tuning() -> None:
    why = "of 60 validation questions with an entry 50 are understood without fine-tuning, 55 with it: it is kept"
    tuned = Finetuned(True, why, epochs=4, best=3, held=20, before=0.8, after=0.85, seconds=120.0)
    text = Read(page(replace(made(["track"]), finetuned=tuned))).text
    assert why in text and "It learned for 4 rounds (2 min), the best was number 3" in text
    assert "of 20 phrases set aside it understood 80 % before, 85 % after" in text
    refused = Finetuned(False, "fine-tuning needs 5 phrases an entry")
    text = Read(page(replace(made(["track"]), finetuned=refused))).text
    assert "fine-tuning needs 5 phrases an entry" in text and "It learned for" not in text
    assert "Fine-tuning" not in Read(page(made(["track"]))).text
