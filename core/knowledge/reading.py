"""Typed values out of a tree, with every problem collected instead of the first one raised."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from core.errors import KnowledgeError
from core.knowledge.rules import budget_problem, language_problem, nearest, shown, text_problem
from core.knowledge.tree import Fields, Items, Node, Scalar

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def join(field: str, name: str) -> str:
    """The path of a field inside another: `entries[3]` and `answer` make `entries[3].answer`."""
    return f"{field}.{name}" if field else name


def got(node: Node) -> str:
    """What a node is, for the end of a sentence."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Fields):
        return "a mapping"
    return "nothing" if empty(node) else shown(node.value)


def empty(node: Node) -> bool:
    """Whether nothing was written after the colon or dash."""
    return isinstance(node, Scalar) and node.plain and not node.value


class Reading:
    """One file being read; `name` stands before every problem.

    `typed` is for JSON, where a number is not a text: there only quoted scalars are.
    """

    def __init__(self, name: str, *, typed: bool = False) -> None:
        self.name = name
        self.typed = typed
        self._problems: list[tuple[int, str]] = []

    def wrong(self, line: int, field: str, words: str) -> None:
        """Note a problem and go on."""
        where = f"{self.name}:{line}: {field}" if field else f"{self.name}:{line}"
        self._problems.append((line, f"{where}: {words}"))

    def done(self) -> None:
        """Raise KnowledgeError with all problems, in the order of their lines, if there are any."""
        if self._problems:
            raise KnowledgeError([words for _, words in sorted(self._problems, key=lambda problem: problem[0])])

    def fields(
        self, node: Node, field: str, known: Mapping[str, str], required: Collection[str] = ()
    ) -> dict[str, Node]:
        """The values of a mapping by key; `known` says for each key what is expected there.

        Empty optional values count as absent. A value carries the line of its key.
        """
        if not isinstance(node, Fields):
            self.wrong(node.line, field, f"expected a mapping with {', '.join(known)}; got {got(node)}")
            return {}
        found: dict[str, Node] = {}
        for name, key, value in self._pairs(node, field):
            if name not in known:
                near = nearest(name, known) or f"; known are {', '.join(known)}"
                self.wrong(key.line, join(field, name), f"unknown field{near}")
            elif not empty(value):
                found[name] = replace(value, line=key.line)
            elif name in required:
                self.wrong(key.line, join(field, name), f"expected {known[name]}, got nothing")
        written = {key.value for key, _ in node.pairs if isinstance(key, Scalar)}
        for name in required:
            if name not in written:
                self.wrong(node.line, join(field, name), f"missing; expected {known[name]}")
        return found

    def _pairs(self, node: Fields, field: str) -> Iterable[tuple[str, Scalar, Node]]:
        """The pairs with a readable key, each key once."""
        seen: dict[str, int] = {}
        for key, value in node.pairs:
            if not isinstance(key, Scalar):
                self.wrong(key.line, field, f"expected a name before the colon, got {got(key)}")
            elif key.value in seen:
                self.wrong(key.line, join(field, key.value), f"given twice; first in line {seen[key.value]}")
            else:
                seen[key.value] = key.line
                yield key.value, key, value

    def items(self, node: Node | None, field: str, expected: str) -> tuple[Node, ...]:
        """The items of a list; none when it is absent."""
        if node is None:
            return ()
        if isinstance(node, Items):
            return node.items
        self.wrong(node.line, field, f"expected {expected}, got {got(node)}")
        return ()

    def text(self, node: Node | None, field: str, expected: str = "text", *, blank: bool = False) -> str:
        """A text as written; empty when it is absent or wrong."""
        if node is None:
            return ""
        if not isinstance(node, Scalar) or empty(node) or (self.typed and node.plain):
            self.wrong(node.line, field, f"expected {expected}, got {got(node)}")
            return ""
        problem = text_problem(node.value, blank=blank)
        if problem:
            self.wrong(node.line, field, problem)
            return ""
        return node.value

    def texts(self, node: Node | None, field: str, *, blank: bool = False) -> tuple[str, ...]:
        """A list of texts."""
        items = self.items(node, field, "a list of texts")
        found = (self.text(item, f"{field}[{index}]", blank=blank) for index, item in enumerate(items))
        return tuple(text for text in found if text or blank)

    def translated(self, node: Node | None, field: str, language: str, *, blank: bool = False) -> dict[str, str]:
        """A text, which stands under `language`, or a mapping of languages to texts."""
        if node is None:
            return {}
        if not isinstance(node, Fields):
            return {language: self.text(node, field, "text or {language: text}", blank=blank)}
        found = {}
        for tag, key, value in self._pairs(node, field):
            problem = language_problem(tag)
            if problem:
                self.wrong(key.line, join(field, tag), problem)
            found[tag] = self.text(value, join(field, tag), blank=blank)
        return found

    def flag(self, node: Node | None, field: str, default: bool) -> bool:
        """`true` or `false`, written as YAML allows (yes, no, on, off, in any case)."""
        if node is None:
            return default
        if isinstance(node, Scalar) and node.plain and node.value.lower() in _FLAGS:
            return _FLAGS[node.value.lower()]
        self.wrong(node.line, field, f"expected true or false, got {got(node)}")
        return default

    def share(self, node: Node | None, field: str, default: float) -> float:
        """A number between 0 and 1."""
        if node is None:
            return default
        if not isinstance(node, Scalar) or not node.plain or not _NUMBER.fullmatch(node.value):
            self.wrong(node.line, field, f"expected a number between 0 and 1 such as 0.02, got {got(node)}")
            return default
        problem = budget_problem(float(node.value))
        if problem:
            self.wrong(node.line, field, problem)
        return float(node.value)
