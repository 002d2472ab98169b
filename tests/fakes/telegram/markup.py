"""Telegram's HTML parse mode, as strict as the server is (td's MessageEntity.cpp)."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "tg-emoji": "custom_emoji",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
ENTITY_LIMIT = 100
_CHARACTER = re.compile(r"&(#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|lt|gt|amp|quot);")
_LINK = re.compile(r"^(https?://|tg://|ton://|mailto:|tel:)?[^\s]+$")
_SPACE = " \t\r\n\f\v"


class BadMarkup(ValueError):
    """The entities cannot be parsed; the text is Telegram's own."""


def units(text: str) -> int:
    """The length of a text as Telegram counts it, in UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


@dataclass(slots=True)
class _Open:
    tag: str
    start: int
    attributes: dict[str, str]


@dataclass(slots=True)
class _Reader:
    source: str
    at: int = 0
    out: list[str] = field(default_factory=list)
    length: int = 0
    open: list[_Open] = field(default_factory=list)
    entities: list[dict[str, Any]] = field(default_factory=list)

    def put(self, text: str) -> None:
        self.out.append(text)
        self.length += units(text)

    def peek(self) -> str:
        return self.source[self.at] if self.at < len(self.source) else ""

    def skip(self, stop: str) -> str:
        start = self.at
        while self.at < len(self.source) and self.source[self.at] not in stop:
            self.at += 1
        return self.source[start : self.at]

    def spaces(self) -> None:
        while self.peek() and self.peek() in _SPACE:
            self.at += 1

    def offset(self, at: int) -> int:
        return len(self.source[:at].encode())


def parse_html(source: str) -> tuple[str, list[dict[str, Any]]]:
    """The plain text and the entities of a marked-up text, trimmed as Telegram does.

    Raises:
        BadMarkup: a tag is unknown, unclosed or unbalanced.
    """
    reader = _Reader(source)
    while reader.at < len(source):
        character = source[reader.at]
        if character == "&" and (match := _CHARACTER.match(source, reader.at)):
            reader.put(html.unescape(match.group()))
            reader.at = match.end()
        elif character != "<":
            reader.put(character)
            reader.at += 1
        elif source.startswith("</", reader.at):
            _close(reader)
        else:
            _start(reader)
    if reader.open:
        raise BadMarkup(f'Can\'t find end tag corresponding to start tag "{reader.open[-1].tag}"')
    return trimmed("".join(reader.out), reader.entities)


def trimmed(text: str, entities: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Cut white space at both ends, moving the entities along; at most a hundred of them stay."""
    kept = text.rstrip()
    cut = units(kept) - units(kept.lstrip())
    kept = kept.lstrip()
    room = units(kept)
    moved = []
    for entity in sorted(entities, key=lambda one: (one["offset"], -one["length"])):
        start = max(0, entity["offset"] - cut)
        end = min(room, entity["offset"] + entity["length"] - cut)
        if end > start:
            moved.append({**entity, "offset": start, "length": end - start})
    return kept, moved[:ENTITY_LIMIT]


def _start(reader: _Reader) -> None:
    begin = reader.at
    where = reader.offset(begin)
    reader.at += 1
    tag = reader.skip(_SPACE + ">").lower()
    if not reader.peek():
        raise BadMarkup(f"Unclosed start tag at byte offset {where}")
    if tag not in TAGS:
        raise BadMarkup(f'Unsupported start tag "{tag}" at byte offset {where}')
    attributes = _attributes(reader, tag, where)
    reader.at += 1
    if tag == "span" and attributes.get("class") != "tg-spoiler":
        raise BadMarkup(f'Tag "span" must have class "tg-spoiler" at byte offset {where}')
    reader.open.append(_Open(tag, reader.length, attributes))


def _attributes(reader: _Reader, tag: str, where: int) -> dict[str, str]:
    found: dict[str, str] = {}
    while True:
        reader.spaces()
        if reader.peek() == ">":
            return found
        name = reader.skip(_SPACE + "=>")
        if not reader.peek():
            raise BadMarkup(f'Unclosed start tag "{tag}" at byte offset {where}')
        if not name:
            raise BadMarkup(f'Empty attribute name in the tag "{tag}" at byte offset {where}')
        reader.spaces()
        if reader.peek() != "=":
            found[name.lower()] = ""
            continue
        reader.at += 1
        reader.spaces()
        found[name.lower()] = html.unescape(_value(reader, tag, where))


def _value(reader: _Reader, tag: str, where: int) -> str:
    quote = reader.peek()
    if not quote:
        raise BadMarkup(f'Unclosed start tag "{tag}" at byte offset {where}')
    if quote in "'\"":
        reader.at += 1
        value = reader.skip(quote)
        if not reader.peek():
            raise BadMarkup(f"Unclosed start tag at byte offset {where}")
        reader.at += 1
        return value
    start = reader.at
    while reader.peek().isalnum() or (reader.peek() and reader.peek() in ".-"):
        reader.at += 1
    if reader.peek() not in (*_SPACE, ">"):
        raise BadMarkup(f"Unexpected end of name token at byte offset {reader.offset(start)}")
    return reader.source[start : reader.at]


def _close(reader: _Reader) -> None:
    where = reader.offset(reader.at)
    if not reader.open:
        raise BadMarkup(f"Unexpected end tag at byte offset {where}")
    reader.at += 2
    found = reader.skip(_SPACE + ">")
    reader.spaces()
    if reader.peek() != ">":
        raise BadMarkup(f"Unclosed end tag at byte offset {where}")
    reader.at += 1
    opened = reader.open.pop()
    if found and found != opened.tag:
        raise BadMarkup(f'Unmatched end tag at byte offset {where}, expected "</{opened.tag}>", found "</{found}>"')
    length = reader.length - opened.start
    if length:
        _remember(reader, opened, length)


def _remember(reader: _Reader, opened: _Open, length: int) -> None:
    entity: dict[str, Any] = {"type": TAGS[opened.tag], "offset": opened.start, "length": length}
    if opened.tag == "a":
        url = opened.attributes.get("href", "") or "".join(reader.out).encode("utf-16-le")[2 * opened.start :].decode(
            "utf-16-le"
        )
        # A link Telegram cannot make sense of loses its mark-up without an error.
        if not _LINK.match(url):
            return
        entity["url"] = url
    elif opened.tag == "tg-emoji":
        entity["custom_emoji_id"] = opened.attributes.get("emoji-id", "")
    elif opened.tag == "blockquote" and "expandable" in opened.attributes:
        entity["type"] = "expandable_blockquote"
    elif opened.tag == "code" and reader.open and reader.open[-1].tag == "pre":
        language = opened.attributes.get("class", "")
        reader.open[-1].attributes["language"] = language.removeprefix("language-")
        return
    if opened.tag == "pre" and opened.attributes.get("language"):
        entity["language"] = opened.attributes["language"]
    # Nothing nests inside code.
    if entity["type"] in ("code", "pre"):
        reader.entities = [one for one in reader.entities if one["offset"] < opened.start]
    reader.entities.append(entity)
