"""Cases: questions with the entry they must find, in a knowledge base or in a JSONL file of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import KnowledgeError
from core.knowledge.entries import NONE, Case
from core.knowledge.places import located, read_text_file
from core.knowledge.reading import Reading, join
from core.knowledge.rules import id_problem, nearest, shown
from core.knowledge.tree import DEEPEST, Fields, Items, Node, Scalar

KNOWN = {
    "text": "text",
    "photo": "the path of a photo",
    "voice": "the path of a voice note",
    "history": "a list of texts",
    "expect": f"an entry's id or {NONE}",
}
Place = Callable[[Node, str, str], str]
"""(node, field, text) -> absolute path, or empty after noting a problem."""


def read_case(reading: Reading, node: Node, field: str, place: Place, entries: Collection[str] | None) -> Case:
    """One case; `entries` are the ids that it may expect, None when they are not known."""
    found = reading.fields(node, field, KNOWN, required=("expect",))
    if isinstance(node, Fields) and not {"text", "photo", "voice"} & found.keys():
        reading.wrong(node.line, field, "expected at least one of text, photo and voice")
    expect = reading.text(found.get("expect"), join(field, "expect"), KNOWN["expect"])
    if expect and expect != NONE:
        problem = id_problem(expect)
        if not problem and entries is not None and expect not in entries:
            problem = f"no entry has the id {shown(expect)}{nearest(expect, entries)}"
        if problem:
            reading.wrong(found["expect"].line, join(field, "expect"), problem)
    paths = {}
    for name in ("photo", "voice"):
        text = reading.text(found.get(name), join(field, name), KNOWN[name])
        paths[name] = place(found[name], join(field, name), text) if text else ""
    return Case(
        expect=expect,
        text=reading.text(found.get("text"), join(field, "text"), blank=True),
        photo=paths["photo"],
        voice=paths["voice"],
        history=reading.texts(found.get("history"), join(field, "history"), blank=True),
    )


def load_cases(path: Path, *, entries: Collection[str] | None = None) -> tuple[Case, ...]:
    """Read a JSONL file of cases; photos and voice notes become absolute paths.

    A photo or voice note that is missing is no error here: that case cannot be read, the others can. With `entries`,
    an expectation that names none of them is one.

    Raises:
        KnowledgeError: all problems at once, each `file:line: field: what was expected`.
    """
    try:
        raw = read_text_file(path)
    except ValueError as problem:
        raise KnowledgeError([f"{path}: {problem}"]) from problem
    reading = Reading(path.name, typed=True)
    cases = []
    for number, line in enumerate(raw.decode().split("\n"), 1):
        if line.strip() and (node := parsed(reading, line, number)) is not None:
            cases.append(read_case(reading, node, "", partial(_beside, path.parent), entries))
    if not cases:
        reading.wrong(
            1, "", 'the file holds no case; expected lines such as {"text": "where is my order?", "expect": ...}'
        )
    reading.done()
    return tuple(cases)


def parsed(reading: Reading, line: str, number: int) -> Node | None:
    """One line of a JSONL file; None after noting why it is none."""
    try:
        return _tree(json.loads(line, object_pairs_hook=_Pairs), number)
    except json.JSONDecodeError as problem:
        reading.wrong(number, "", f"expected one JSON object, got this at column {problem.colno}: {problem.msg}")
    except (ValueError, RecursionError) as problem:
        reading.wrong(number, "", f"expected one JSON object: {problem}")
    return None


def beside(base: Path, text: str) -> str:
    """The absolute path of a file that a line names, relative to the folder of the JSONL file."""
    try:
        return located(base, text, trusted=True)
    except (OSError, RuntimeError):  # a name too long, links in a circle: nothing to read there, as with a missing file
        return str(base / text)


def _beside(base: Path, node: Node, field: str, text: str) -> str:
    return beside(base, text)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its duplicate keys."""


def _tree(plain: object, line: int, depth: int = 0) -> Node:
    if depth > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    if isinstance(plain, _Pairs):
        return Fields(line, tuple((Scalar(line, key, False), _tree(value, line, depth + 1)) for key, value in plain))
    if isinstance(plain, list):
        return Items(line, tuple(_tree(item, line, depth + 1) for item in plain))
    if isinstance(plain, str):
        return Scalar(line, plain, False)
    return Scalar(line, "" if plain is None else json.dumps(plain), True)
