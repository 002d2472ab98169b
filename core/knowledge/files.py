"""The knowledge-base file: `load` reads it, and the names that belong to it are found here.

The format is version 1 of the design's section 5. Reading collects all problems before it raises.
"""

from __future__ import annotations

from pathlib import Path

from core.errors import KnowledgeError
from core.knowledge.cases import load_cases, read_case
from core.knowledge.entries import Desk, Entry, KnowledgeBase, Span
from core.knowledge.export import save
from core.knowledge.hours import read_hours
from core.knowledge.looking import file_problem
from core.knowledge.packing import pack
from core.knowledge.places import is_file, located, read_text_file
from core.knowledge.reading import Reading, got, join
from core.knowledge.rules import DAYS, date_problem, id_problem, language_problem, timezone_problem
from core.knowledge.tree import Node, Scalar, grow
from core.texts import names
from core.values import AttachmentKind

__all__ = ["FILE", "VERSION", "load", "load_cases", "pack", "save"]

FILE = "kb.yaml"
VERSION = "1"
_TOP = {
    "polydesk": f"the version of the format, {VERSION}",
    "title": "text",
    "language": "a language tag such as en",
    "error_budget": "a number between 0 and 1 such as 0.02",
    "messages": "a mapping of names to texts",
    "desk": "a mapping with timezone, hours and closed",
    "entries": "a list of entries",
    "cases": "a list of cases",
}
_ENTRY = {
    "id": "an id of a-z, 0-9 and -",
    "intent": "text",
    "question": "text",
    "variants": "a list of texts",
    "answer": "text or {language: text}",
    "photos": "a list of paths",
    "media": "a list of paths",
    "tags": "a list of texts",
    "escalate": "true or false",
    "enabled": "true or false",
}
_DESK = {
    "timezone": "a time zone such as Europe/Berlin",
    "hours": "a mapping of days to hours",
    "closed": "a list of dates",
}


def load(path: Path, *, trusted: bool = True, look: bool = False, name: str = "") -> KnowledgeBase:
    """Read a knowledge base: a folder that holds `kb.yaml`, or the file itself.

    The paths in it become absolute. `trusted=False` is for uploads: links, absolute paths and `..` are refused.
    `look` opens every photo and recording, as whoever imports the knowledge base will. `name` is what the file is
    called in problems, by default what it is called on disk.

    Raises:
        KnowledgeError: all problems at once, each `kb.yaml:12: entries[3].answer: what was expected`.
    """
    file = path / FILE if path.is_dir() else path
    try:
        raw = read_text_file(file, trusted=trusted)
    except ValueError as problem:
        raise KnowledgeError([f"{name or (file if trusted else file.name)}: {problem}"]) from problem
    return _File(file, trusted, look, name or file.name).read(grow(raw, name or file.name))


class _File:
    def __init__(self, file: Path, trusted: bool, look: bool, name: str) -> None:
        self.base = file.parent
        self.trusted = trusted
        self.look = look
        self.seen: dict[tuple[str, AttachmentKind], str] = {}
        self.reading = Reading(name)
        self.language = "en"

    def read(self, root: Node | None) -> KnowledgeBase:
        reading = self.reading
        if root is None or (isinstance(root, Scalar) and not root.value):
            reading.wrong(1, "", f'the file is empty; expected "polydesk: {VERSION}", a title and entries')
            reading.done()
        assert root is not None
        found = reading.fields(root, "", _TOP, required=("polydesk", "title", "entries"))
        self.version(found.get("polydesk"))
        if "language" in found:
            self.language = self.tag(found["language"])
        entries = self.entries(found.get("entries"))
        ids = {entry.id for entry in entries}
        knowledge = KnowledgeBase(
            title=reading.text(found.get("title"), "title"),
            language=self.language,
            entries=entries,
            error_budget=reading.share(found.get("error_budget"), "error_budget", KnowledgeBase("").error_budget),
            messages=self.messages(found.get("messages")),
            desk=self.desk(found.get("desk")),
            cases=tuple(
                read_case(reading, node, f"cases[{index}]", self.place, ids)
                for index, node in enumerate(reading.items(found.get("cases"), "cases", _TOP["cases"]))
            ),
        )
        reading.done()
        return knowledge

    def version(self, node: Node | None) -> None:
        if node is not None and not (isinstance(node, Scalar) and node.value == VERSION):
            # A later version may mean anything by its fields: whatever else looks wrong would only mislead.
            alone = Reading(self.reading.name)
            alone.wrong(
                node.line, "polydesk", f"expected version {VERSION}, the only one this program reads; got {got(node)}"
            )
            alone.done()

    def tag(self, node: Node) -> str:
        tag = self.reading.text(node, "language", _TOP["language"])
        problem = tag and language_problem(tag)
        if problem:
            self.reading.wrong(node.line, "language", problem)
        return tag if tag and not problem else "en"

    def entries(self, node: Node | None) -> tuple[Entry, ...]:
        lines: dict[str, str] = {}
        entries = []
        for index, item in enumerate(self.reading.items(node, "entries", _TOP["entries"])):
            entry = self.entry(item, f"entries[{index}]")
            if entry.id and entry.id in lines:
                self.reading.wrong(
                    item.line, f"entries[{index}].id", f"{entry.id} is the id of {lines[entry.id]} already"
                )
            lines.setdefault(entry.id, f"entries[{index}] (line {item.line})")
            entries.append(entry)
        return tuple(entries)

    def entry(self, node: Node, field: str) -> Entry:
        reading = self.reading
        found = reading.fields(node, field, _ENTRY, required=("id", "question", "answer"))
        name = reading.text(found.get("id"), join(field, "id"), _ENTRY["id"])
        problem = name and id_problem(name)
        if problem:
            reading.wrong(found["id"].line, join(field, "id"), problem)
        return Entry(
            id=name,
            question=reading.text(found.get("question"), join(field, "question")),
            answer=reading.translated(found.get("answer"), join(field, "answer"), self.language, blank=True),
            intent=reading.text(found.get("intent"), join(field, "intent")) or name,
            variants=reading.texts(found.get("variants"), join(field, "variants")),
            photos=self.places(found.get("photos"), join(field, "photos")),
            media=self.places(found.get("media"), join(field, "media")),
            tags=reading.texts(found.get("tags"), join(field, "tags")),
            escalate=reading.flag(found.get("escalate"), join(field, "escalate"), False),
            enabled=reading.flag(found.get("enabled"), join(field, "enabled"), True),
        )

    def places(self, node: Node | None, field: str) -> tuple[str, ...]:
        paths = []
        for index, item in enumerate(self.reading.items(node, field, "a list of paths")):
            text = self.reading.text(item, f"{field}[{index}]", "a path")
            if text:
                paths.append(self.place(item, f"{field}[{index}]", text))
        return tuple(paths)

    def place(self, node: Node, field: str, text: str) -> str:
        try:
            path = located(self.base, text, trusted=self.trusted)
        except (ValueError, OSError, RuntimeError) as refused:
            self.reading.wrong(node.line, field, str(refused))
            return ""
        if not is_file(path):
            self.reading.wrong(node.line, field, f'there is no file "{text}" beside {self.reading.name}')
        elif self.look:
            wanted = AttachmentKind.VOICE if field.endswith(".voice") else AttachmentKind.PHOTO
            if (path, wanted) not in self.seen:
                self.seen[path, wanted] = file_problem(Path(path), wanted)
            if problem := self.seen[path, wanted]:
                self.reading.wrong(node.line, field, f'"{text}" {problem}')
        return path

    def messages(self, node: Node | None) -> dict[str, dict[str, str]]:
        if node is None:
            return {}
        known = dict.fromkeys(sorted(names()), "text or {language: text}")
        found = self.reading.fields(node, "messages", known)
        return {
            name: self.reading.translated(value, f"messages.{name}", self.language) for name, value in found.items()
        }

    def desk(self, node: Node | None) -> Desk:
        if node is None:
            return Desk()
        reading = self.reading
        found = reading.fields(node, "desk", _DESK)
        timezone = reading.text(found.get("timezone"), "desk.timezone", _DESK["timezone"])
        problem = timezone and timezone_problem(timezone)
        if problem:
            reading.wrong(found["timezone"].line, "desk.timezone", problem)
        closed = []
        for index, item in enumerate(reading.items(found.get("closed"), "desk.closed", _DESK["closed"])):
            day = reading.text(item, f"desk.closed[{index}]", "a date such as 2026-12-25")
            if day and date_problem(day):
                reading.wrong(item.line, f"desk.closed[{index}]", date_problem(day))
            closed.append(day)
        return Desk(timezone or Desk().timezone, self.hours(found.get("hours")), tuple(closed))

    def hours(self, node: Node | None) -> dict[str, tuple[Span, ...]]:
        if node is None:
            return {}
        hours = {}
        found = self.reading.fields(node, "desk.hours", dict.fromkeys(DAYS, 'hours such as "09:00-17:00"'))
        for day, value in found.items():
            text = self.reading.text(value, f"desk.hours.{day}", 'hours such as "09:00-17:00"')
            try:
                hours[day] = read_hours(text) if text else ()
            except ValueError as problem:
                self.reading.wrong(value.line, f"desk.hours.{day}", str(problem))
        return hours
