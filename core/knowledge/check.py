"""What would keep a knowledge base from being saved, whoever put it together."""

from __future__ import annotations

from collections.abc import Iterator

from core.knowledge.entries import NONE, Case, Desk, Entry, KnowledgeBase
from core.knowledge.rules import (
    DAYS,
    budget_problem,
    date_problem,
    id_problem,
    language_problem,
    text_problem,
    timezone_problem,
)
from core.texts import names


def check(knowledge: KnowledgeBase) -> tuple[str, ...]:
    """Every problem as `field: what was expected`; the console refuses a draft with any, `load` refuses such a file.

    Files are not looked at. An empty answer is no problem here but a finding of lint, so that a draft may wait for it.
    """
    return tuple(_problems(knowledge))


def _problems(knowledge: KnowledgeBase) -> Iterator[str]:
    yield from _said("title", text_problem(knowledge.title))
    yield from _said("language", language_problem(knowledge.language))
    yield from _said("error_budget", budget_problem(knowledge.error_budget))
    for name, texts in knowledge.messages.items():
        if name not in names():
            yield f"messages.{name}: there is no such text"
        yield from _translated(f"messages.{name}", texts, blank=False)
    yield from _desk(knowledge.desk)
    seen: set[str] = set()
    for entry in knowledge.entries:
        if entry.id in seen:
            yield f"{entry.id}.id: another entry has this id already"
        seen.add(entry.id)
        yield from _entry(entry)
    for index, case in enumerate(knowledge.cases):
        yield from _case(f"cases[{index}]", case, seen)


def _said(field: str, problem: str) -> Iterator[str]:
    if problem:
        yield f"{field}: {problem}"


def _translated(field: str, texts: dict[str, str], *, blank: bool) -> Iterator[str]:
    for tag, text in texts.items():
        yield from _said(f"{field}.{tag}", language_problem(tag))
        yield from _said(f"{field}.{tag}", text_problem(text, blank=blank))


def _desk(desk: Desk) -> Iterator[str]:
    yield from _said("desk.timezone", timezone_problem(desk.timezone))
    for day, spans in desk.hours.items():
        if day not in DAYS:
            yield f"desk.hours.{day}: expected one of {', '.join(DAYS)}"
        for opening, closing in spans:
            if not (0 <= opening < 1440 and 0 <= closing <= 1440 and opening != closing):
                yield f"desk.hours.{day}: expected minutes between 0 and 1440 that differ, got {opening} and {closing}"
    for day in desk.closed:
        yield from _said("desk.closed", date_problem(day))


def _entry(entry: Entry) -> Iterator[str]:
    yield from _said(f"{entry.id}.id", id_problem(entry.id))
    yield from _said(f"{entry.id}.question", text_problem(entry.question))
    yield from _translated(f"{entry.id}.answer", entry.answer, blank=True)
    if entry.intent:
        yield from _said(f"{entry.id}.intent", text_problem(entry.intent))
    for field, texts in (("variants", entry.variants), ("tags", entry.tags)):
        for index, text in enumerate(texts):
            yield from _said(f"{entry.id}.{field}[{index}]", text_problem(text))


def _case(field: str, case: Case, ids: set[str]) -> Iterator[str]:
    if case.expect != NONE and case.expect not in ids:
        yield f"{field}.expect: no entry has the id {case.expect}"
    for text in (case.text, *case.history):
        yield from _said(field, text_problem(text, blank=True))
