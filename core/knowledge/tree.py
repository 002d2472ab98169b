"""YAML text as a small tree whose every node knows its line.

PyYAML's own composer recurses, guesses types and expands aliases without limit; this one builds from its events with
bounds on depth, number of values and expanded size, and leaves every scalar as written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from core.errors import KnowledgeError

DEEPEST = 16  # nested lists and mappings; the format needs five
MOST_VALUES = 1_000_000
MOST_CHARACTERS = 64 * 1024 * 1024  # after aliases are expanded
_TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as written; `plain` when no quotes or block style marked it as text."""

    line: int
    value: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping: its (key, value) pairs in order, duplicates included."""

    line: int
    pairs: tuple[tuple[Node, Node], ...]


Node = Scalar | Items | Fields


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet; `weight` counts the characters below it, aliases expanded."""

    line: int
    mapping: bool
    anchor: str | None
    nodes: list[Node]
    weight: int = 1

    def close(self) -> Node:
        if not self.mapping:
            return Items(self.line, tuple(self.nodes))
        return Fields(self.line, tuple(zip(self.nodes[::2], self.nodes[1::2], strict=True)))


def _events(raw: bytes) -> Iterator[Any]:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    yield from yaml.parse(raw, Loader=loader)


def _explained(problem: yaml.YAMLError, raw: bytes, name: str) -> KnowledgeError:
    if isinstance(problem, yaml.MarkedYAMLError):
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark else 1
        words = ", ".join(part for part in (problem.context, problem.problem) if part)
    else:
        line = raw.count(b"\n", 0, getattr(problem, "position", 0)) + 1
        words = str(getattr(problem, "reason", problem))
    return KnowledgeError([f"{name}:{line}: YAML: {words}"])


def grow(raw: bytes, name: str) -> Node | None:
    """Parse one YAML document (UTF-8 bytes); None when there is nothing in it.

    Raises:
        KnowledgeError: not YAML, more than one document, or beyond a bound; `name` stands before the line.
    """
    try:
        return _Composer(name).compose(_events(raw))
    except yaml.YAMLError as problem:
        raise _explained(problem, raw, name) from problem


class _Composer:
    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Node, int]] = {}
        self.values = 0
        self.root: Node | None = None

    def refuse(self, event: Any, words: str) -> KnowledgeError:
        return KnowledgeError([f"{self.name}:{event.start_mark.line + 1}: YAML: {words}"])

    def compose(self, events: Iterator[Any]) -> Node | None:
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.refuse(event, "expected one document, got a second one after ---")
            elif isinstance(event, yaml.ScalarEvent):
                self.scalar(event)
            elif isinstance(event, yaml.AliasEvent):
                self.alias(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self.begin(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                closed = self.stack.pop()
                self.add(closed.close(), closed.weight, closed.anchor, event)
        return self.root

    def scalar(self, event: Any) -> None:
        if event.tag not in _TEXT_TAGS:
            raise self.refuse(event, f"tags such as {event.tag} are not part of the format; write the text without it")
        plain = bool(event.implicit[0])
        self.add(Scalar(event.start_mark.line + 1, event.value, plain), len(event.value) + 1, event.anchor, event)

    def begin(self, event: Any) -> None:
        if event.tag is not None:
            raise self.refuse(event, f"tags such as {event.tag} are not part of the format; remove it")
        if len(self.stack) >= DEEPEST:
            raise self.refuse(event, f"nested deeper than {DEEPEST} levels")
        mapping = isinstance(event, yaml.MappingStartEvent)
        self.stack.append(_Open(event.start_mark.line + 1, mapping, event.anchor, []))

    def alias(self, event: Any) -> None:
        if any(parent.anchor == event.anchor for parent in self.stack):
            raise self.refuse(event, f"*{event.anchor} stands inside its own &{event.anchor}")
        if event.anchor not in self.anchors:
            raise self.refuse(event, f"*{event.anchor} has no &{event.anchor} before it")
        self.add(*self.anchors[event.anchor], None, event)

    def add(self, node: Node, weight: int, anchor: str | None, event: Any) -> None:
        self.values += 1
        if self.values > MOST_VALUES:
            raise self.refuse(event, f"more than {MOST_VALUES:,} values")
        if anchor is not None:
            self.anchors[anchor] = (node, weight)
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        parent.nodes.append(node)
        parent.weight += weight
        if parent.weight > MOST_CHARACTERS:
            raise self.refuse(event, f"more than {MOST_CHARACTERS:,} characters once its aliases (*name) are expanded")
