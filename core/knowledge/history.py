"""Past conversations as examples to learn from, read from the JSONL file that `polydesk history export` writes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from core.errors import KnowledgeError
from core.knowledge.cases import KNOWN as OF_A_CASE
from core.knowledge.cases import beside, parsed
from core.knowledge.entries import NONE
from core.knowledge.places import LARGEST, is_file
from core.knowledge.reading import Reading, got
from core.knowledge.rules import id_problem, shown
from core.knowledge.tree import Fields, Items, Node, Scalar

KNOWN = {
    **OF_A_CASE,
    "photo": "the path of a photo, or a list of them",
    "voice": "the path of a voice note, or a list of them",
    "not": "a list of entries' ids",
    "id": "the turn's id",
    "conversation": "the conversation's id",
    "at": "a moment in UTC milliseconds",
    "by": "agent, tap or silence",
    "decision": "answer, clarify, escalate or hold",
    "said": "an entry's id",
    "confidence": "a number between 0 and 1",
    "language": "a language tag",
    "release": "text",
    "model": "text",
}
_SOURCES = ("agent", "tap", "silence")
_DECISIONS = ("answer", "clarify", "escalate", "hold")
_MOMENT = re.compile(r"[0-9]{1,15}")
_NAMED = 20  # missing files that are named one by one


@dataclass(frozen=True, slots=True)
class Example:
    """A turn of a past conversation with what is known about its right answer.

    `photos` and `voices` are absolute paths of files that are there. `expect` is an entry's id, `none`, or empty when
    only `denied`, the entries that it was not, are known. `by` is agent, tap or silence (weak: nobody objected).
    `at` is UTC ms, 0 when unknown; `conversation` is never empty; `said` is the entry that was answered automatically,
    `confidence` None when no model was asked. `line` is where it stands in the file.
    """

    line: int
    conversation: str
    expect: str = ""
    denied: tuple[str, ...] = ()
    by: str = "agent"
    text: str = ""
    photos: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    id: str = ""
    at: int = 0
    decision: str = ""
    said: str = ""
    confidence: float | None = None
    language: str = ""
    release: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """What a file taught; `notes` are sentences about what could not be used, to be shown to whoever trains."""

    examples: tuple[Example, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Splits:
    """Three parts that share no conversation, each oldest first; those of a part ended before those of the next."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    held_out: tuple[Example, ...]


def load_history(path: Path, *, entries: Collection[str] | None = None) -> History:
    """Read a JSONL file of labelled turns; of two lines with the same turn the later one counts.

    A line needs what was asked and `expect` or `not`; all else may be missing, so that labelled questions from
    elsewhere can be used too: one without a conversation is one by itself. With `entries`, the ids of the present
    knowledge base, examples of other entries are left out with a note. So is a missing photo or voice note, and an
    example of which nothing else is left.

    Raises:
        KnowledgeError: all problems at once, each `file:line: field: what was expected`.
    """
    reading = Reading(path.name, typed=True)
    found: list[Example] = []
    missing: list[str] = []
    for number, line in _lines(path, reading):
        if line.strip() and (node := parsed(reading, line, number)) is not None:
            found.append(_example(reading, node, partial(_there, path, number, missing)))
    if not found:
        reading.wrong(
            1, "", 'the file holds no example; expected lines such as {"text": "where is my order?", "expect": ...}'
        )
    reading.done()
    latest = {example.id or str(example.line): example for example in found}
    examples = [one for one in latest.values() if one.text or one.photos or one.voices]
    known, strange = _known(examples, entries, path.name)
    notes = missing[:_NAMED]
    if len(missing) > _NAMED:
        notes.append(f"{path.name}: {len(missing) - _NAMED} more photos and voice notes are missing")
    if len(examples) < len(latest):
        notes.append(f"{path.name}: {len(latest) - len(examples)} examples are left out: their files are all gone")
    return History(tuple(known), (*notes, *strange))


def splits(examples: Sequence[Example], *, held_out: float = 0.2, validation: float = 0.0) -> Splits:
    """Hold out the newest share of the examples, and the share before it for validation, by whole conversations.

    A conversation is as new as its last turn. Each part comes as near to its share as whole conversations allow, and
    holds one at least where its share is not 0 and others are left for the parts before it. The same examples give the
    same parts, in whatever order they come.
    """
    talks: dict[str, list[Example]] = defaultdict(list)
    for example in sorted(examples, key=_age):
        talks[example.conversation].append(example)
    left = sorted(talks.values(), key=lambda talk: _age(talk[-1]))
    newest = _newest(left, held_out * len(examples))
    middle = _newest(left, validation * len(examples))
    return Splits(_together(left), _together(middle), _together(newest))


def _newest(left: list[list[Example]], wanted: float) -> list[list[Example]]:
    """Take conversations from the end of `left` until there are about as many examples as wanted."""
    taken: list[list[Example]] = []
    count = 0
    while wanted > 0 and len(left) > 1 and (not taken or count + len(left[-1]) / 2 <= wanted):
        taken.append(left.pop())
        count += len(taken[-1])
    return taken


def _together(talks: Sequence[Sequence[Example]]) -> tuple[Example, ...]:
    return tuple(sorted((example for talk in talks for example in talk), key=_age))


def _age(example: Example) -> tuple[int, str, str, int]:
    return example.at, example.conversation, example.id, example.line


def _lines(path: Path, reading: Reading) -> Iterator[tuple[int, str]]:
    """The lines of the file with their numbers; a long history is never in memory as text."""
    try:
        if not path.is_file():
            what = "expected a file, got something else" if path.exists() else "there is no such file"
            raise KnowledgeError([f"{path}: {what}"])
        with path.open("rb") as stream:
            number = 0
            while line := stream.readline(LARGEST + 1):
                number += 1
                if len(line) > LARGEST:
                    reading.wrong(number, "", f"longer than {LARGEST // 1024 // 1024} MiB, which no line is")
                    return
                try:
                    yield number, line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").decode()
                except UnicodeDecodeError:
                    reading.wrong(number, "", "not UTF-8; save the file as UTF-8")
    except OSError as problem:
        raise KnowledgeError([f"{path}: cannot be read: {problem.strerror or problem}"]) from problem


def _example(reading: Reading, node: Node, there: Callable[[str, str], str]) -> Example:
    found = reading.fields(node, "", KNOWN)
    if isinstance(node, Fields):
        if not {"text", "photo", "voice"} & found.keys():
            reading.wrong(node.line, "", "expected at least one of text, photo and voice")
        hollow = isinstance(denied := found.get("not"), Items) and not denied.items
        if "expect" not in found and (denied is None or hollow):
            reading.wrong(node.line, "", "expected at least one of expect and not")
    files = {
        name: tuple(filter(None, (there(name, text) for text in _several(reading, found.get(name), name))))
        for name in ("photo", "voice")
    }
    told = {name: reading.text(found.get(name), name) for name in ("id", "conversation", "language", "release")}
    expect = _entry(reading, found.get("expect"), "expect", none=True)
    not_it = [
        _entry(reading, item, f"not[{place}]")
        for place, item in enumerate(reading.items(found.get("not"), "not", KNOWN["not"]))
    ]
    return Example(
        line=node.line,
        conversation=told["conversation"] or told["id"] or f"line {node.line}",
        expect=expect,
        denied=tuple(entry for entry in not_it if entry != expect),
        by=_one_of(reading, found.get("by"), "by", _SOURCES) or "agent",
        text=reading.text(found.get("text"), "text", blank=True).strip(),
        photos=files["photo"],
        voices=files["voice"],
        history=reading.texts(found.get("history"), "history", blank=True),
        id=told["id"],
        at=_moment(reading, found.get("at")),
        decision=_one_of(reading, found.get("decision"), "decision", _DECISIONS),
        said=_entry(reading, found.get("said"), "said"),
        confidence=reading.share(found["confidence"], "confidence", 0.0) if "confidence" in found else None,
        language=told["language"],
        release=told["release"],
        model=reading.text(found.get("model"), "model"),
    )


def _several(reading: Reading, node: Node | None, field: str) -> tuple[str, ...]:
    if isinstance(node, Items):
        return tuple(reading.text(item, f"{field}[{place}]", KNOWN[field]) for place, item in enumerate(node.items))
    text = reading.text(node, field, KNOWN[field])
    return (text,) if text else ()


def _entry(reading: Reading, node: Node | None, field: str, *, none: bool = False) -> str:
    id = reading.text(node, field, KNOWN["expect" if none else "said"])
    if node is not None and id and not (none and id == NONE) and (problem := id_problem(id)):
        reading.wrong(node.line, field, problem)
    return id


def _one_of(reading: Reading, node: Node | None, field: str, known: Sequence[str]) -> str:
    word = reading.text(node, field, KNOWN[field])
    if node is not None and word and word not in known:
        reading.wrong(node.line, field, f"expected {KNOWN[field]}, got {shown(word)}")
    return word


def _moment(reading: Reading, node: Node | None) -> int:
    if node is None:
        return 0
    if isinstance(node, Scalar) and node.plain and _MOMENT.fullmatch(node.value):
        return int(node.value)
    reading.wrong(node.line, "at", f"expected {KNOWN['at']}, got {got(node)}")
    return 0


def _there(path: Path, line: int, missing: list[str], field: str, text: str) -> str:
    """The absolute path of a file; empty, after noting it, when it is missing."""
    place = beside(path.parent, text)
    if text and not is_file(place):
        missing.append(f"{path.name}:{line}: {field}: there is no file {place}; the example goes without it")
        return ""
    return place if text else ""


def _known(examples: Sequence[Example], entries: Collection[str] | None, name: str) -> tuple[list[Example], list[str]]:
    """The examples of entries that there are, and a note for every entry that there is not."""
    if entries is None:
        return list(examples), []
    there = frozenset(entries)
    strange: dict[str, list[int]] = defaultdict(list)
    known = []
    for one in examples:
        if one.expect and one.expect != NONE and one.expect not in there:
            strange[one.expect].append(one.line)
            continue
        denied = tuple(entry for entry in one.denied if entry in there)
        if one.expect or denied:  # what it is not, but no entry is any longer, teaches nothing
            known.append(replace(one, denied=denied))
    notes = []
    for entry, lines in sorted(strange.items()):
        some = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
        notes.append(
            f"{name}: expect: the knowledge base has no entry {shown(entry)} (any longer): "
            f"{len(lines)} examples are left out, line {some}"
        )
    return known, notes
