"""What a knowledge base is, once read.

The file format is in `core.knowledge.files`; here are the values that every room shares and that a release blob holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Span = tuple[int, int]
NONE = "none"  # the reserved expectation of a case: out of scope, must not be answered


def english(language: str) -> bool:
    """Whether a language tag, however people write it (`en`, `EN-gb`, `en_GB`), stands for English."""
    return language.lower().replace("_", "-").split("-")[0] == "en"


@dataclass(frozen=True, slots=True)
class Entry:
    """One question the bot can answer.

    `answer` maps a language tag to Markdown text; a plain string in the file stands under the knowledge base's own
    language. `photos` (examples) and `media` (sent along) are blobs' SHA-256 in a draft or release and
    absolute paths after reading a file.
    """

    id: str
    question: str
    answer: dict[str, str]
    intent: str = ""
    variants: tuple[str, ...] = ()
    photos: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    escalate: bool = False
    enabled: bool = True

    @property
    def phrases(self) -> tuple[str, ...]:
        """The question and its variants: everything a customer might type for this entry."""
        return (self.question, *self.variants)

    def answer_in(self, language: str, default: str) -> str:
        """The answer in `language`, else in `default`, else in the first language there is."""
        for tag in (language, language.split("-")[0], default):
            if tag in self.answer:
                return self.answer[tag]
        return next(iter(self.answer.values()), "")


@dataclass(frozen=True, slots=True)
class Case:
    """A regression test that travels with the knowledge base; `photo` and `voice` are like an entry's photos."""

    expect: str
    text: str = ""
    photo: str = ""
    voice: str = ""
    history: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Desk:
    """When humans are there.

    `hours` maps `mon`..`sun` to spans of (opening, closing) in minutes after midnight, local time; a closing before
    the opening lies on the next day. A day without spans is closed; no hours at all means always open. `closed` holds
    ISO dates.
    """

    timezone: str = "UTC"
    hours: dict[str, tuple[Span, ...]] = field(default_factory=dict)
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """A whole knowledge base; `messages` overrides fixed texts: name -> language -> text."""

    title: str
    language: str = "en"
    entries: tuple[Entry, ...] = ()
    error_budget: float = 0.02
    messages: dict[str, dict[str, str]] = field(default_factory=dict)
    desk: Desk = field(default_factory=Desk)
    cases: tuple[Case, ...] = ()

    def entry(self, id: str) -> Entry | None:
        """The entry with this id, if there is one."""
        return next((entry for entry in self.entries if entry.id == id), None)

    @property
    def live(self) -> tuple[Entry, ...]:
        """The entries that may be answered."""
        return tuple(entry for entry in self.entries if entry.enabled)

    @property
    def languages(self) -> frozenset[str]:
        """The languages in which questions are understood or answers written."""
        return frozenset({self.language, *(tag for entry in self.live for tag in entry.answer)})


@dataclass(frozen=True, slots=True)
class Release:
    """An immutable, published knowledge base: what the blob that a Question names holds.

    `model` is the blob of the trained model that answers with it, empty for the one that ships.
    """

    kb_id: str
    number: int
    knowledge: KnowledgeBase
    model: str = ""
