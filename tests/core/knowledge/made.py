"""Random knowledge bases that are right in every respect, for property tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import strategies as st

from core.knowledge.entries import NONE, Case, Desk, Entry, KnowledgeBase
from core.knowledge.rules import DAYS
from core.texts import names

# Bytes by their SHA-256, with the first bytes of the formats we know.
FILES = {
    hashlib.sha256(content).hexdigest(): content
    for content in (
        b"\xff\xd8\xff photo",
        b"\x89PNG\r\n",
        b"RIFF....WEBPVP8 ",
        b"OggS voice",
        b"RIFF....WAVE",
        b"plain",
    )
}

AWKWARD = [
    "no", "yes", "on", "~", "null", "1e3", "1.0", "0123", "0x1F", "2024-01-01", "12:30", ".inf",
    "=", "<<", "!tag", "&a", "*a", "- item", "? key", "key: value", "# comment", "a #b", "a: b: c",
    "{", "}", "[x]", "%", "@me", "`code`", "|", ">", "'", '"', " leading", "trailing ", "\ttab",
    "tab\t", "two\nlines", "two\nlines\n", "\nfirst", "end\n\n", "a\n\n\nb", "  in\n  dented",
    "x\n y", "x \ny", "# head\ntext", "---", "...", "---\nx", "\\", "\\n", "a\\|b", "😀",
    "👩‍👩‍👧 family\nsecond", "ünï", "\u2028", "\x85", "\ufeff", "\u200b", "\r\n", "a\rb", "x\x07y",
    "\x7f", "שלום: x", "- a\n- b\n", "**bold** [x](https://a.b)", "日本語\n答え", "%TAG", "a\u2029b\nc",
]  # fmt: skip

letters = st.characters(codec="utf-8", exclude_characters="\0")
texts = st.sampled_from(AWKWARD) | st.text(letters, max_size=40) | st.text("ab \n:-#'\"|😀", max_size=20)
said = texts.filter(str.strip)
ids = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True).filter(NONE.__ne__)
tags = st.sampled_from(["en", "de", "no", "pt-BR", "zh-Hans", "es"])
blobs = st.sampled_from(sorted(FILES))


def many(strategy, most=3):
    return st.lists(strategy, max_size=most).map(tuple)


spans = st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda span: span[0] != span[1])
desks = st.builds(
    Desk,
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    st.dictionaries(st.sampled_from(DAYS), st.lists(spans, min_size=1, max_size=2).map(tuple), max_size=3),
    many(st.dates().map(str)),
)


def entries(ids: list[str]):
    return st.tuples(
        *(
            st.builds(
                Entry,
                id=st.just(name),
                question=said,
                answer=st.dictionaries(tags, texts, max_size=2),
                intent=said | st.just(name),
                variants=many(said),
                photos=many(blobs, 2),
                media=many(blobs, 1),
                tags=many(said, 2),
                escalate=st.booleans(),
                enabled=st.booleans(),
            )
            for name in ids
        )
    )


def cases(ids: list[str]):
    return st.builds(
        Case,
        expect=st.sampled_from([NONE, *ids]),
        text=texts,
        photo=blobs | st.just(""),
        voice=blobs | st.just(""),
        history=many(texts, 2),
    )


def knowledge(ids: list[str]):
    return st.builds(
        KnowledgeBase,
        title=said,
        language=tags,
        entries=entries(ids),
        error_budget=st.floats(0, 1),
        messages=st.dictionaries(st.sampled_from(sorted(names())), st.dictionaries(tags, said, max_size=2), max_size=2),
        desk=st.just(Desk()) | desks,
        cases=many(cases(ids)),
    )


bases = st.lists(ids, unique=True, max_size=4).flatmap(knowledge)


def put(path: Path) -> str:
    """Store a file by its content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
