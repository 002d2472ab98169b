"""The values of the road to a worker: a question goes out, a prediction comes back, a decision is taken.

Units: scores and confidences are probabilities in [0, 1], `deadline` is UTC milliseconds, blobs are SHA-256 hex.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from core.values import Problem


@dataclass(frozen=True, slots=True)
class Question:
    """What a worker needs to predict, and nothing else.

    `release` is the blob of the knowledge release to answer from; `history` holds the customer's earlier messages of
    this conversation, oldest first; `language` is a hint from the platform, possibly empty; `inbox` is the Redis list
    of the asking gateway; `explain` asks for the evidence card too, which takes longer than the answer; `tone` allows
    to look at how strained the customer is, and is set only for those who were told so (`core.waiting`).
    """

    id: str
    release: str
    text: str = ""
    photos: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    language: str = ""
    attempt: int = 1
    deadline: int = 0
    inbox: str = ""
    explain: bool = False
    tone: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry with its fused score and the score of each channel that had something to say about it."""

    entry: str
    score: float
    channels: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unread:
    """A blob the worker could not read, and why."""

    blob: str
    problem: Problem


class ToneBy(StrEnum):
    """What told that somebody is strained."""

    VOICE = "voice"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model saw and thinks; it decides nothing.

    `candidates` are in descending order and only of enabled entries; `confidence` is the calibrated probability that
    the first one is right; `answer_at` and `clarify_at` are the calibrated thresholds on `confidence` that belong to
    this release; `rivals` are the entries too close to the first to choose without asking; `builtin` is the name of the
    small talk that won, if any; `spoken` is False when the knowledge base does not speak the customer's language.
    `tone` is the probability that the customer is strained, None when nobody looked or nothing could be told, and
    `tone_by` says where it was found; they order the desk's waiting list, and have no part in what is answered.
    `guaranteed` says whether labelled questions proved, of the entries as they are in this release, that `answer_at`
    keeps the error budget; else it is an estimate.
    """

    question: str
    attempt: int
    release: str
    model: str
    candidates: tuple[Candidate, ...] = ()
    confidence: float = 0.0
    answer_at: float = 1.0
    clarify_at: float = 1.0
    rivals: tuple[str, ...] = ()
    builtin: str = ""
    transcript: str = ""
    ocr: tuple[str, ...] = ()
    language: str = ""
    spoken: bool = True
    unread: tuple[Unread, ...] = ()
    evidence: dict[str, object] = field(default_factory=dict)
    error: str = ""
    tone: float | None = None
    tone_by: ToneBy | None = None
    guaranteed: bool = False

    @property
    def entry(self) -> str:
        """The best entry's id, or empty when there is none."""
        return self.candidates[0].entry if self.candidates else ""

    @property
    def top(self) -> tuple[tuple[str, float], ...]:
        """At most five (entry, score) pairs, best first."""
        return tuple((candidate.entry, candidate.score) for candidate in self.candidates[:5])


class Reason(StrEnum):
    """Why the bot does not simply answer."""

    ASKED = "asked"  # the customer wants a person
    UNSURE = "unsure"  # nothing good enough
    UNREADABLE = "unreadable"  # nothing that could be read
    LANGUAGE = "language"  # a language the knowledge base does not speak
    ENTRY = "entry"  # the entry says: answer, then hand over
    BRAIN = "brain"  # no worker answered in time
    UNSENT = "unsent"  # the platform refused the answer
    WRONG = "wrong"  # "that's not it", and nothing else to offer
    AGENT = "agent"  # a human has the conversation
    DESK = "desk"  # the conversation waits for a human
    STALE = "stale"  # the question is too old to be answered by a bot


@dataclass(frozen=True, slots=True)
class Answer:
    """Say the entry's answer; `then_escalate` when the entry asks for a human afterwards; `builtin` for small talk."""

    entry: str = ""
    builtin: str = ""
    then_escalate: bool = False


@dataclass(frozen=True, slots=True)
class Clarify:
    """Ask "did you mean ...?" between these entries."""

    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Escalate:
    """A human should answer.

    `offer` is True the first time nothing was good enough: the bot says so, names the `nearest` topics and offers a
    person, and hands over only if that fails too.
    """

    reason: Reason
    offer: bool = False
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """Say nothing to the customer: the prediction becomes a draft for the human who has the conversation."""

    reason: Reason


Decision = Answer | Clarify | Escalate | Hold
