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
