"""How pages word things."""

from __future__ import annotations

from bot.console.words import finding
from core.knowledge.lint import Finding


def page(id: str) -> str:
    return f'<a href="/console/knowledge/entry/{id}">{id}</a>'


def test_entries_that_a_finding_names_lead_to_their_pages() -> None:
    found = Finding(
        "same-phrase",
        '"<b>help</b>" stands under gift-card, gift-card-buy and 2 more',
        ("gift-card", "gift-card-buy", "gift"),
    )
    assert (
        finding(found)
        == f"&#34;&lt;b&gt;help&lt;/b&gt;&#34; stands under {page('gift-card')}, {page('gift-card-buy')} and 2 more"
    )


def test_a_finding_about_no_entry_is_only_words() -> None:
    assert finding(Finding("no-cases", "there are no cases & more")) == "there are no cases &amp; more"


def test_an_id_that_looks_like_a_number_or_a_word_leads_there_only_where_entries_are_named() -> None:
    assert (
        finding(Finding("untested", "1 of 2 entries has no case: 1", ("1",)))
        == f"1 of 2 entries has no case: {page('1')}"
    )
    found = Finding("same-phrase", '"no" stands under 34 and more: the bot cannot choose', ("34", "more"))
    assert finding(found) == f"&#34;no&#34; stands under {page('34')} and {page('more')}: the bot cannot choose"
    assert finding(Finding("no-variants", "no: has no variants", ("no",))) == f"{page('no')}: has no variants"
