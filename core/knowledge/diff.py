"""What changed between two knowledge bases, such as the live one and the draft."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.knowledge.entries import Case, Desk, Entry, KnowledgeBase
from core.knowledge.hours import write_hours
from core.knowledge.rules import DAYS, shown


class Kind(StrEnum):
    """What happened to a part."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Part(StrEnum):
    """What a change is about."""

    SETTING = "setting"
    MESSAGE = "message"
    ENTRY = "entry"
    CASES = "cases"


@dataclass(frozen=True, slots=True)
class Change:
    """One part that differs.

    `name` is the entry's id, the message's name or the setting (empty for the cases); `fields` are those of it that
    changed, and `lines` say how, one sentence each (`+` came, `-` went, otherwise before -> after).
    """

    kind: Kind
    part: Part
    name: str
    fields: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


def diff(live: KnowledgeBase, draft: KnowledgeBase) -> tuple[Change, ...]:
    """How to get from `live` to `draft`; empty exactly when they are equal."""
    return (*_settings(live, draft), *_messages(live, draft), *_entries(live, draft), *_cases(live, draft))


def lines(changes: tuple[Change, ...]) -> tuple[str, ...]:
    """The changes for people: a headline each, with its lines indented below."""
    marks = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}
    told = []
    for change in changes:
        told.append(f"{marks[change.kind]} {change.part} {change.name}".rstrip())
        told += [f"    {line}" for line in change.lines]
    return tuple(told)


def _changed(part: Part, name: str, before: str, after: str) -> Change:
    return Change(Kind.CHANGED, part, name, (name,), (_arrow(name, before, after),))


def _arrow(field: str, before: str, after: str) -> str:
    return f"{field}: {before or 'nothing'} -> {after or 'nothing'}"


def _settings(live: KnowledgeBase, draft: KnowledgeBase) -> Iterator[Change]:
    if live.title != draft.title:
        yield _changed(Part.SETTING, "title", shown(live.title), shown(draft.title))
    if live.language != draft.language:
        yield _changed(Part.SETTING, "language", live.language, draft.language)
    if live.error_budget != draft.error_budget:
        yield _changed(Part.SETTING, "error_budget", str(live.error_budget), str(draft.error_budget))
    if live.desk != draft.desk:
        told = tuple(_desk(live.desk, draft.desk))
        yield Change(
            Kind.CHANGED, Part.SETTING, "desk", tuple(field for field, _ in told), tuple(line for _, line in told)
        )


def _desk(before: Desk, after: Desk) -> Iterator[tuple[str, str]]:
    if before.timezone != after.timezone:
        yield "timezone", _arrow("timezone", before.timezone, after.timezone)
    for day in (*DAYS, *sorted({*before.hours, *after.hours} - {*DAYS})):
        spans = before.hours.get(day), after.hours.get(day)
        if spans[0] != spans[1]:
            yield f"hours.{day}", _arrow(day, *(write_hours(span or ()) for span in spans))
    if before.closed != after.closed:
        told = [*_lists("closed", before.closed, after.closed)]
        for line in told:
            yield "closed", line


def _messages(live: KnowledgeBase, draft: KnowledgeBase) -> Iterator[Change]:
    for name in dict.fromkeys((*live.messages, *draft.messages)):
        before, after = live.messages.get(name), draft.messages.get(name)
        if before != after:
            told = tuple(_translations("text", before or {}, after or {}))
            kind = Kind.ADDED if before is None else Kind.REMOVED if after is None else Kind.CHANGED
            yield Change(kind, Part.MESSAGE, name, ("text",), told or ("in no language",))


def _entries(live: KnowledgeBase, draft: KnowledgeBase) -> Iterator[Change]:
    old = {entry.id: entry for entry in live.entries}
    new = {entry.id: entry for entry in draft.entries}
    for name, entry in old.items():
        if name not in new:
            yield Change(Kind.REMOVED, Part.ENTRY, name, (), (shown(entry.question),))
    for name, entry in new.items():
        if name not in old:
            yield Change(Kind.ADDED, Part.ENTRY, name, (), (shown(entry.question),))
        elif entry != old[name]:
            told = tuple(_fields(old[name], entry))
            fields = tuple(dict.fromkeys(field for field, _ in told))
            yield Change(Kind.CHANGED, Part.ENTRY, name, fields, tuple(line for _, line in told))
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield Change(Kind.CHANGED, Part.SETTING, "order", ("order",), ("order: the entries stand in another order",))


def _fields(before: Entry, after: Entry) -> Iterator[tuple[str, str]]:
    for field in ("intent", "question"):
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            yield field, _arrow(field, shown(old), shown(new))
    for line in _translations("answer", before.answer, after.answer):
        yield "answer", line
    for field in ("variants", "photos", "media", "tags"):
        for line in _lists(field, getattr(before, field), getattr(after, field)):
            yield field, line
    for field in ("escalate", "enabled"):
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            yield field, _arrow(field, str(old).lower(), str(new).lower())


def _translations(field: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for tag in dict.fromkeys((*before, *after)):
        old, new = before.get(tag), after.get(tag)
        if old != new:
            words = [text if text is None else shown(text) for text in (old, new)]
            if words[0] == words[1]:  # they differ further on, or in nothing but spaces
                words = [f"{word} ({len(text or '')} characters)" for word, text in zip(words, (old, new), strict=True)]
            yield _arrow(f"{field} ({tag})", words[0] or "", words[1] or "")


def _lists(field: str, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    if before == after:
        return
    gone = [text for text in before if text not in after]
    come = [text for text in after if text not in before]
    yield from (f"- {field}: {shown(text)}" for text in gone)
    yield from (f"+ {field}: {shown(text)}" for text in come)
    if not gone and not come:
        yield f"{field}: in another order, or another number of times"


def _cases(live: KnowledgeBase, draft: KnowledgeBase) -> Iterator[Change]:
    if live.cases == draft.cases:
        return
    told = [f"- {_case(case)}" for case in live.cases if case not in draft.cases]
    told += [f"+ {_case(case)}" for case in draft.cases if case not in live.cases]
    yield Change(Kind.CHANGED, Part.CASES, "", (), tuple(told) or ("in another order, or another number of times",))


def _case(case: Case) -> str:
    asked = [shown(case.text)] if case.text else []
    asked += [f"photo {case.photo[:12]}"] if case.photo else []
    asked += [f"voice {case.voice[:12]}"] if case.voice else []
    return f"{' with '.join(asked) or 'nothing'} expects {case.expect}"
