"""Files of a knowledge base turned into blobs, for a draft or a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.knowledge.entries import KnowledgeBase


def pack(knowledge: KnowledgeBase, put: Callable[[Path], str]) -> KnowledgeBase:
    """Replace the path of every photo, picture and voice note, of entries and cases alike, by what `put` returns.

    `put` stores a file and names its blob; it is called once for each path.
    """
    blobs = {name: put(Path(name)) for name in sorted(files(knowledge))}
    return _renamed(knowledge, blobs.__getitem__)


def files(knowledge: KnowledgeBase) -> frozenset[str]:
    """Every file a knowledge base names: paths after reading a file, blobs in a draft or release."""
    found = {name for entry in knowledge.entries for name in (*entry.photos, *entry.media)}
    found |= {name for case in knowledge.cases for name in (case.photo, case.voice) if name}
    return frozenset(found)


def _renamed(knowledge: KnowledgeBase, name: Callable[[str], str]) -> KnowledgeBase:
    return replace(
        knowledge,
        entries=tuple(
            replace(entry, photos=tuple(map(name, entry.photos)), media=tuple(map(name, entry.media)))
            for entry in knowledge.entries
        ),
        cases=tuple(
            replace(case, photo=case.photo and name(case.photo), voice=case.voice and name(case.voice))
            for case in knowledge.cases
        ),
    )
