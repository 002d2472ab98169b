"""A knowledge base laid onto another one: what a file names replaces, the rest stays."""

from __future__ import annotations

from dataclasses import replace

from core.knowledge.entries import Desk, KnowledgeBase


def merge(onto: KnowledgeBase, named: KnowledgeBase) -> KnowledgeBase:
    """`onto` with everything that `named` names: its entries by id, its messages by name, its cases beside the others.

    A setting that `named` leaves at its default counts as not named; answers stay under the languages they have.
    """
    incoming = {entry.id: entry for entry in named.entries}
    kept = tuple(incoming.pop(entry.id, entry) for entry in onto.entries)
    nothing = KnowledgeBase("")
    return replace(
        onto,
        title=named.title,
        language=named.language if named.language != nothing.language or not onto.entries else onto.language,
        error_budget=named.error_budget if named.error_budget != nothing.error_budget else onto.error_budget,
        messages={**onto.messages, **named.messages},
        desk=named.desk if named.desk != Desk() else onto.desk,
        entries=(*kept, *incoming.values()),
        cases=tuple(dict.fromkeys((*onto.cases, *named.cases))),
    )
