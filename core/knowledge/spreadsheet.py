"""Entries as a CSV table, for people who keep their questions in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace

from core.errors import KnowledgeError
from core.knowledge.entries import NONE, Entry, KnowledgeBase
from core.knowledge.places import checked_text
from core.knowledge.rules import id_problem, nearest, shown, text_problem

COLUMNS = ("id", "intent", "question", "variants", "answer", "tags")
_BARS = re.compile(r"(\\*)\|")


def to_csv(knowledge: KnowledgeBase, *, excel: bool = False) -> bytes:
    """The entries as UTF-8 CSV with commas; answers in the knowledge base's own language only.

    `excel` puts a byte order mark first, without which Excel misreads letters such as ü. Photos, other languages and
    settings do not fit into a table: only YAML holds everything.
    """
    stream = io.StringIO(newline="")
    rows = csv.writer(stream, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    for entry in knowledge.entries:
        answer = entry.answer.get(knowledge.language, "")
        rows.writerow((entry.id, entry.intent, entry.question, _joined(entry.variants), answer, _joined(entry.tags)))
    return stream.getvalue().encode("utf-8-sig" if excel else "utf-8")


def from_csv(raw: bytes, onto: KnowledgeBase, *, merge: bool = False, name: str = "knowledge.csv") -> KnowledgeBase:
    """Read entries from CSV (`,` or `;`, with or without byte order mark) onto a knowledge base.

    An entry that exists keeps what the table has no column for: photos, other languages, switches. An entry that the
    table does not name is kept with `merge`, else dropped together with the cases that expect it. `answer` is in the
    language of `onto`; an empty `intent` means the id.

    Raises:
        KnowledgeError: all problems at once, each `knowledge.csv:7: answer: what was expected`; `name` is the file's.
    """
    try:
        text = checked_text(raw).decode()
    except ValueError as problem:
        raise KnowledgeError([f"{name}: {problem}"]) from problem
    table = _Table(name, onto)
    entries = table.read(text)
    if table.problems:
        raise KnowledgeError(table.problems)
    if merge:
        kept = tuple(entries.pop(entry.id, entry) for entry in onto.entries)
        return replace(onto, entries=(*kept, *entries.values()))
    cases = tuple(case for case in onto.cases if case.expect == NONE or case.expect in entries)
    return replace(onto, entries=tuple(entries.values()), cases=cases)


def _joined(texts: tuple[str, ...]) -> str:
    """Texts separated by `|`, with `\\|` for a bar inside; a backslash counts only where a bar follows."""
    cell = ""
    for index, text in enumerate(texts):
        escaped = _BARS.sub(lambda bar: bar[1] * 2 + "\\|", text)
        if index < len(texts) - 1:
            slashes = len(escaped) - len(escaped.rstrip("\\"))
            escaped += "\\" * slashes + "|"
        cell += escaped
    return cell


def _parted(cell: str) -> tuple[str, ...]:
    """The texts of a cell, without the spaces around them and without empty ones."""
    parts, rest, start = [], "", 0
    for bar in _BARS.finditer(cell):
        slashes = len(bar[1])
        rest += cell[start : bar.start()] + "\\" * (slashes // 2)
        start = bar.end()
        if slashes % 2:
            rest += "|"
        else:
            parts.append(rest)
            rest = ""
    parts.append(rest + cell[start:])
    return tuple(part.strip() for part in parts if part.strip())


class _Table:
    def __init__(self, name: str, onto: KnowledgeBase) -> None:
        self.name = name
        self.language = onto.language
        self.known = {entry.id: entry for entry in onto.entries}
        self.problems: list[str] = []

    def wrong(self, line: int, column: str, words: str) -> None:
        where = f"{self.name}:{line}: {column}" if column else f"{self.name}:{line}"
        self.problems.append(f"{where}: {words}")

    def read(self, text: str) -> dict[str, Entry]:
        rows = self.rows(text)
        line, header = next(rows, (1, []))
        columns = self.columns(line, header)
        entries: dict[str, Entry] = {}
        lines: dict[str, int] = {}
        if self.problems:
            return entries
        for line, row in rows:
            cells = dict(zip(columns, row, strict=False))
            for index, cell in enumerate(row):
                if cell.strip() and (index >= len(columns) or not columns[index]):
                    self.wrong(line, "", f"{shown(cell)} stands in column {index + 1}, which has no name in the header")
            # Excel leaves out the empty cells at the end of a row.
            entry = self.entry(line, {column: cells.get(column, "") for column in columns if column})
            if entry is not None and entry.id in lines:
                self.wrong(line, "id", f"{entry.id} is the id of line {lines[entry.id]} already")
            elif entry is not None:
                lines[entry.id] = line
                entries[entry.id] = entry
        return entries

    def rows(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """The rows that hold anything, each with the line in which it begins."""
        skipped = 0
        if text.startswith("sep="):  # Excel's own hint, in a line before the header
            text, skipped = text.partition("\n")[2], 1
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        line = 1
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield line + skipped, [cell.replace("\r\n", "\n") for cell in row]
                line = reader.line_num + 1
        except csv.Error as problem:
            self.wrong(line + skipped, "", f"not CSV: {problem}; in this row or after it a quote may be missing")

    def columns(self, line: int, header: list[str]) -> list[str]:
        columns = [cell.strip().lower() for cell in header]
        expected = f"expected a header with {', '.join(COLUMNS)}"
        if not header and not self.problems:
            self.wrong(line, "", f"the file is empty; {expected}")
        for index, column in enumerate(columns):
            if column and column not in COLUMNS:
                near = nearest(column, COLUMNS) or f"; {expected}"
                self.wrong(line, "", f"unknown column {shown(header[index])}{near}")
            elif column and column in columns[:index]:
                self.wrong(line, "", f"column {column} is there twice")
        if header and "id" not in columns:
            self.wrong(line, "", f"there is no column id; {expected}")
        return columns

    def entry(self, line: int, cells: dict[str, str]) -> Entry | None:
        """The entry of a row, on top of the one with its id; None after noting a problem."""
        before = len(self.problems)
        name = cells["id"].strip()
        problem = id_problem(name)
        if problem:
            self.wrong(line, "id", problem)
        for column, cell in cells.items():
            blank = text_problem(cell, blank=column != "question")
            if blank and column != "id":
                self.wrong(line, column, blank)
        entry = self.known.get(name)
        if entry is None:
            for column in ("question", "answer"):
                if column not in cells:
                    self.wrong(line, column, f"{shown(name)} is a new entry and needs this column")
            entry = Entry(name, "", {self.language: ""}, name)
        if len(self.problems) > before:
            return None
        if "answer" in cells and (cells["answer"] or self.language in entry.answer):
            entry = replace(entry, answer={**entry.answer, self.language: cells["answer"]})
        return replace(
            entry,
            intent=(cells["intent"].strip() or name) if "intent" in cells else entry.intent,
            question=cells.get("question", entry.question),
            variants=_parted(cells["variants"]) if "variants" in cells else entry.variants,
            tags=_parted(cells["tags"]) if "tags" in cells else entry.tags,
        )


def _delimiter(text: str) -> str:
    """`;` or `,`, whichever cuts the header into more columns that we know."""
    header = next((line for line in text.splitlines() if line.strip(" ,;\t")), "")

    def known(delimiter: str) -> int:
        return sum(cell.strip(' "').lower() in COLUMNS for cell in header.split(delimiter))

    return ";" if known(";") > known(",") else ","
