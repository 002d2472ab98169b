"""The sentences and pictures on which the forms of an encoder are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import PolydeskError
from core.knowledge.entries import NONE, english
from core.knowledge.files import load
from workers.media import images
from workers.model.ports import Picture
from workers.model.smalltalk import phrases
from workers.model.text import multilingual_digest
from workers.model.trained import Trained

_SENTENCES, _PICTURES = 1500, 120  # at most


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What forms are compared on, each with the entry that it belongs to, "" where nobody said which.

    `sentences` are English, `others` those of knowledge bases in other languages, `foreign` small talk of several; by
    the `shown` pictures ranges are found, the `asked` ones are only asked about.
    """

    sentences: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    foreign: tuple[tuple[str, str], ...]
    shown: tuple[tuple[Picture, str], ...]
    asked: tuple[tuple[Picture, str], ...]


def gather(trained: Trained, samples: Sequence[Path]) -> Sample:
    """The sentences and pictures of knowledge bases and of what a model has learned, each sentence once.

    What a model has learned is taken for the language of its text encoder: English unless it is the one for all others.

    Raises:
        KnowledgeError: a knowledge base is wrong.
    """
    ours: dict[str, str] = {}
    others: dict[str, str] = {}
    said = others if trained.encoder == multilingual_digest() else ours
    shown: dict[str, str] = {}
    asked: dict[str, str] = {}
    for id, learned in trained.learned.items():
        said |= {phrase: said.get(phrase, f"0 {id}") for phrase in learned.phrases}
    for number, knowledge in enumerate(map(load, samples), 1):
        said = ours if english(knowledge.language) else others
        for entry in knowledge.live:
            said |= {phrase: said.get(phrase, f"{number} {entry.id}") for phrase in entry.phrases}
            shown |= dict.fromkeys(entry.photos, f"{number} {entry.id}")
        for case in knowledge.cases:
            label = "" if case.expect == NONE else f"{number} {case.expect}"
            if case.text:
                said.setdefault(case.text, label)
            if case.photo and not case.text:
                asked.setdefault(case.photo, label)
    foreign = {text: name for name, languages in phrases().items() for texts in languages.values() for text in texts}
    return Sample(
        tuple(ours.items())[-_SENTENCES:],
        tuple(others.items())[-_SENTENCES:],
        tuple((text, name) for text, name in foreign.items() if text not in others)[:_SENTENCES],
        _decoded(shown),
        _decoded(asked),
    )


def _decoded(files: dict[str, str]) -> tuple[tuple[Picture, str], ...]:
    found = []
    for file, label in list(files.items())[:_PICTURES]:
        try:
            found.append((images.decode(Path(file).read_bytes()), label))
        except (PolydeskError, OSError):
            continue  # `kb lint` names it; nothing can be compared on it
    return tuple(found)
