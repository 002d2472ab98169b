"""A knowledge base written as a folder that people can edit and `load` reads back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from core.errors import BadInput
from core.knowledge.check import check
from core.knowledge.entries import Case, Desk, Entry, KnowledgeBase
from core.knowledge.hours import write_hours
from core.knowledge.rules import DAYS

# What a block scalar would lose or hide: control characters, other line breaks, byte order marks and the like.
_UNSAFE_IN_BLOCK = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010fffd]"
)
_LIKE_A_NUMBER = re.compile(r"[-+.]?\d[\w.+-]*")  # readers of another YAML version than PyYAML's would take it for one
_SPACE_AT_AN_END = re.compile(r"[ \t]+(\n|\Z)|\A[ \t\n]")
_MAGIC = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG", "png"),
    (b"GIF8", "gif"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"\xff\xfb", "mp3"),
    (b"\x1a\x45\xdf\xa3", "webm"),
)


def save(knowledge: KnowledgeBase, folder: Path, read: Callable[[str], bytes]) -> Path:
    """Write `kb.yaml` and its photos, pictures and voice notes into `folder`; returns the path of `kb.yaml`.

    `read` gives the bytes of a file by the name it has in `knowledge` (a blob, or a path). Files that lie in the
    folder already and have other names stay. `kb.yaml` comes last and in one piece.

    Raises:
        BadInput: `load` could not read it back, for example because an id is used twice.
        OSError: the folder cannot be written.
    """
    problems = check(knowledge)
    if problems:
        raise BadInput("this knowledge base cannot be written as a file:\n" + "\n".join(problems))
    folder.mkdir(parents=True, exist_ok=True)
    text = to_yaml(knowledge, _Shelf(folder, read).put)
    partial = folder / "kb.yaml.part"
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(folder / "kb.yaml")
    return folder / "kb.yaml"


def to_yaml(knowledge: KnowledgeBase, put: Callable[[str, str], str]) -> str:
    """The text of `kb.yaml`; `put(name, wish)` returns the path under which the file `name` is to be found."""
    plain: dict[str, Any] = {
        "polydesk": 1,
        "title": knowledge.title,
        "language": knowledge.language,
        "error_budget": knowledge.error_budget,
    }
    if knowledge.messages:
        plain["messages"] = {name: _translated(texts, knowledge.language) for name, texts in knowledge.messages.items()}
    if knowledge.desk != Desk():
        plain["desk"] = _desk(knowledge.desk)
    plain["entries"] = [_entry(entry, knowledge.language, put) for entry in knowledge.entries]
    if knowledge.cases:
        plain["cases"] = [_case(case, put, number) for number, case in enumerate(knowledge.cases, 1)]
    # PyYAML's own emitter, not libyaml's, which escapes every emoji.
    return yaml.dump(plain, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**9)


def _translated(texts: dict[str, str], language: str) -> str | dict[str, str]:
    return texts[language] if texts.keys() == {language} else dict(texts)


def _desk(desk: Desk) -> dict[str, Any]:
    plain: dict[str, Any] = {"timezone": desk.timezone}
    if desk.hours:
        plain["hours"] = {day: write_hours(desk.hours[day]) for day in DAYS if desk.hours.get(day)}
    if desk.closed:
        plain["closed"] = list(desk.closed)
    return plain


def _entry(entry: Entry, language: str, put: Callable[[str, str], str]) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": entry.id}
    if entry.intent and entry.intent != entry.id:
        plain["intent"] = entry.intent
    plain["question"] = entry.question
    if entry.variants:
        plain["variants"] = list(entry.variants)
    plain["answer"] = _translated(entry.answer, language)
    for field, names in (("photos", entry.photos), ("media", entry.media)):
        if names:
            plain[field] = [put(name, f"{field}/{entry.id}-{number}") for number, name in enumerate(names, 1)]
    if entry.tags:
        plain["tags"] = list(entry.tags)
    if entry.escalate:
        plain["escalate"] = True
    if not entry.enabled:
        plain["enabled"] = False
    return plain


def _case(case: Case, put: Callable[[str, str], str], number: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    if case.text or not (case.photo or case.voice):
        plain["text"] = case.text
    if case.photo:
        plain["photo"] = put(case.photo, f"cases/{number:03}-photo")
    if case.voice:
        plain["voice"] = put(case.voice, f"cases/{number:03}-voice")
    if case.history:
        plain["history"] = list(case.history)
    plain["expect"] = case.expect
    return plain


class _Shelf:
    """The folder's files, each under a name that tells what it belongs to and of which kind it is."""

    def __init__(self, folder: Path, read: Callable[[str], bytes]) -> None:
        self.folder = folder
        self.read = read

    def put(self, name: str, wish: str) -> str:
        content = self.read(name)
        path = self.folder / f"{wish}.{_kind(content)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path.relative_to(self.folder).as_posix()


def _kind(content: bytes) -> str:
    """The usual ending of a file's name, from its first bytes."""
    if content[4:8] == b"ftyp":
        return "heic" if content[8:12] in (b"heic", b"heix", b"mif1") else "mp4"
    if content[:4] == b"RIFF":
        return "webp" if content[8:12] == b"WEBP" else "wav"
    return next((kind for magic, kind in _MAGIC if content.startswith(magic)), "bin")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, where YAML can hold them so; everything unusual in double quotes."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if _UNSAFE_IN_BLOCK.search(text) or text.strip() != text.rstrip("\n"):
        style = '"'
    elif "\n" in text:
        style = '"' if _SPACE_AT_AN_END.search(text) else "|"
    elif _LIKE_A_NUMBER.fullmatch(text):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
