"""One question as it was heard: its parts, each with the vectors that scoring needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files

import numpy as np
import yaml

from workers.model.fusion.opinions import HISTORY, OCR, PHOTO, TEXT, VOICE, WORDS
from workers.model.heads import Floats
from workers.model.lexical import Counts, count
from workers.model.ports import TextEncoder
from workers.model.spelling import Spelling

LONGEST = 2000  # characters of a message that are read
SCREEN = 600  # characters of everything written in a picture, taken together
LINES = 24  # of a picture
BEFORE = 2  # earlier messages that a short one may lean on
_SAYS = 4  # letters in a picture from which on it says anything
_SILENT = 0.5  # how much a photo without a word leans on what was said before it
BRIEF = 8  # words of the longest message that may lean on an earlier one; twice as many after "and", "what about"
ELLIPSIS = 5  # words of a continuation that says next to nothing itself
PLEA = 40  # words of the longest message that is searched for the wish for a person
PARTS = 3  # of a message that may be that wish
_STOPS = re.compile(r"[.,;:!?()\n]+|\s[-–—]+\s")
_LETTER = re.compile(r"[^\W_]")
_WORD = re.compile(r"\w+")
_WIDE = re.compile(r"[぀-ヿ㐀-鿿가-힣฀-๿]")  # scripts that put no blanks between words


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What one question holds.

    `certainty` is the recogniser's confidence in `transcript`, `segments` are its parts (start, end, text) with the
    seconds between which they were said, none where the recogniser does not tell; `english` whether it is taken for
    English, whose words are known by their sounds; `ocr` the lines of text in the photos; `photos` (m, dim) the image
    encoder's vectors; `shown` (m, d) what the photos show in the space of words: ConSE vectors, or the photos' own
    vectors where the image encoder is a word tower; `history` earlier messages, oldest first.
    """

    text: str = ""
    transcript: str = ""
    certainty: float = 1.0
    ocr: tuple[str, ...] = ()
    photos: Floats | None = None
    shown: Floats | None = None
    history: tuple[str, ...] = ()
    segments: tuple[tuple[float, float, str], ...] = ()
    english: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A text as it was written, with the vector (dim,) and the features of what it was read as."""

    text: str
    vector: Floats
    counts: Counts


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A question ready to be scored.

    `screen` is what is written in the photos: all of it, all that looks like words, then passages. `thread` is the
    message together with what was said before; `leaning` in [0, 1] how much the message leans on that, or on a photo;
    `wishes` parts of the message that may ask for a person.
    """

    said: Said
    typed: Piece | None = None
    voice: Piece | None = None
    screen: tuple[Piece, ...] = ()
    thread: Piece | None = None
    leaning: float = 0.0
    wishes: tuple[Piece, ...] = ()


@dataclass(slots=True)
class _Plan:
    """The texts of one question before they are encoded."""

    typed: str = ""
    voice: str = ""
    screen: list[str] = field(default_factory=list)
    thread: str = ""
    leaning: float = 0.0
    wishes: list[str] = field(default_factory=list)


def hear(questions: Sequence[Said], encoder: TextEncoder, spelling: Spelling) -> list[Heard]:
    """Encode the texts of all questions in one call of the encoder; each different text once.

    Args:
        questions: of customers of one knowledge base.
        encoder: the one it was adapted with.
        spelling: its own, mends typing errors; what a recogniser wrote needs no mending.
    """
    plans = [_plan(said) for said in questions]
    # The same words may be typed by one customer and spoken by another: each is read in its own way.
    read: dict[tuple[str, bool], str] = {}
    for plan in plans:
        others = ((text, False) for text in (plan.thread, *plan.screen, *plan.wishes))
        for text, spoken in ((plan.typed, False), (plan.voice, True), *others):
            if text:
                read[text, spoken] = text if spoken else spelling.mended(text)
    different = {text: i for i, text in enumerate(dict.fromkeys(read.values()))}
    vectors = encoder.encode(list(different)) if different else np.zeros((0, encoder.dim), dtype=np.float32)
    pieces = {key: Piece(key[0], vectors[different[meant]], count(meant)) for key, meant in read.items()}
    return [
        Heard(
            said,
            typed=pieces.get((plan.typed, False)),
            voice=pieces.get((plan.voice, True)),
            screen=tuple(pieces[text, False] for text in plan.screen),
            thread=pieces.get((plan.thread, False)),
            leaning=plan.leaning,
            wishes=tuple(pieces[text, False] for text in plan.wishes),
        )
        for said, plan in zip(questions, plans, strict=True)
    ]


def less(heard: Heard, channel: str) -> Heard:
    """The question had nothing come by a channel (a name of `workers.model.fusion.opinions`)."""
    if channel == PHOTO:
        return replace(heard, said=replace(heard.said, photos=None))
    if channel == WORDS:
        return replace(heard, said=replace(heard.said, shown=None))
    if channel == OCR:
        return replace(heard, screen=())
    gone = {TEXT: "typed", VOICE: "voice", HISTORY: "thread"}[channel]
    return replace(heard, **{gone: None})  # type: ignore[arg-type]


def _plan(said: Said) -> _Plan:
    typed, voice = _readable(said.text), _readable(said.transcript)
    now = typed or voice
    plan = _Plan(typed, voice, passages(said.ocr), leaning=leaning(now) if now else _SILENT, wishes=wishes(now))
    before = [_readable(said.history[i]) for i in leant_on(said.history)]
    if before and plan.leaning:
        plan.thread = " ".join([*(text[-SCREEN:] for text in before), now]).strip()
    return plan


def leant_on(history: Sequence[str]) -> list[int]:
    """The places of the earlier messages that a short one may lean on: the last ones that hold words."""
    found: list[int] = []
    for place in range(len(history) - 1, -1, -1):
        if _readable(history[place]):
            found.insert(0, place)
            if len(found) == BEFORE:
                break
    return found


def _readable(text: str) -> str:
    """A message as it is read: cut, blanks tidied; empty when it holds no letter or digit."""
    tidy = " ".join(text[:LONGEST].split())
    return tidy if _LETTER.search(tidy) else ""


def passages(lines: Sequence[str]) -> list[str]:
    """What to score of the text in a picture: all, all that looks like words, then lines and neighbouring lines.

    One line alone may say it ("Payment declined"); a sentence may be broken over three; the clock, the battery and the
    buttons round it say nothing. Measured on messages of BANKING77 and HWU64 set as screenshots.
    """
    tidy = [text for text in map(_readable, lines) if text][:LINES]
    if sum(letter.isalpha() for text in tidy for letter in text) < _SAYS:
        return []
    spoken = [text for text in tidy if wordy(text)] or tidy
    found = [" ".join(tidy)[:SCREEN], " ".join(spoken)[:SCREEN]]
    for size in (1, 2, 3):
        found += [" ".join(spoken[i : i + size])[:SCREEN] for i in range(len(spoken) - size + 1)]
    return found[:2] + [text for text in dict.fromkeys(found[2:]) if text not in found[:2]]


def wordy(text: str) -> bool:
    """Whether a line looks like words rather than like a clock or a button."""
    letters = sum(letter.isalpha() for letter in text)
    return letters >= 4 if _WIDE.search(text) else letters >= 6 and len(_WORD.findall(text)) >= 2


def leaning(text: str) -> float:
    """How much a message leans on what was said before, in [0, 1].

    "and for jackets?" does, "write me a poem" does not: a brief message leans when it begins like a continuation, or
    holds a word that points back, or is hardly more than a word. Without such a sign history is not looked at.
    """
    if _WIDE.search(text):
        size = len(_LETTER.findall(text)) / 2
        opens = any(text.startswith(cue) for cue in _cues("opening_wide"))
        points = any(cue in text for cue in _cues("pointing_wide"))
        whole = bare = False
    else:
        words = [word.casefold() for word in _WORD.findall(text)]
        size = float(len(words))
        line = " ".join(words) + " "
        opens = any(line.startswith(cue + " ") for cue in _cues("opening"))
        points = any(word in _cues("pointing") for word in words)
        whole = any(line.startswith(cue + " ") for cue in _cues("whole"))
        bare = bool(words) and all(word in _cues("pointing") or word in _cues("empty") for word in words)
    if whole or size > (2 * BRIEF if opens else BRIEF):
        return 0.0
    if bare:
        return 1.0
    if opens:
        return min(1.0, (2 * BRIEF - size) / (2 * BRIEF - ELLIPSIS))
    if points:
        return 0.6
    return 0.5 if size <= 2 else 0.0


def wishes(text: str) -> list[str]:
    """The parts of a brief message that name a human, without what the wish is about.

    "Please connect me with a colleague, the tent is torn" as a whole is about a tent, its first part is not. A message
    that is one such part has none beside itself.
    """
    if len(text.split()) > PLEA:
        return []
    found = []
    for part in _STOPS.split(text):
        words = _WORD.findall(part)
        plain = [word.casefold() for word in words]
        ends = (i for i in range(1, len(words)) for n in (1, 2, 3) if " ".join(plain[i : i + n]) in _cues("about"))
        end = next(ends, len(words))
        if set(plain[:end]) & _cues("human"):
            found.append(" ".join(words[:end]))
    return [one for one in dict.fromkeys(found) if one.casefold() != " ".join(_WORD.findall(text)).casefold()][:PARTS]


@cache
def _cues(name: str) -> frozenset[str]:
    file = "asking.yaml" if name in ("human", "about") else "leaning.yaml"
    stored = yaml.safe_load((files("workers.model.materials") / file).read_text(encoding="utf-8"))
    return frozenset(" ".join(_WORD.findall(cue.casefold())) for cues in stored[name].values() for cue in cues)


def stacked(pieces: Sequence[Piece]) -> tuple[Floats, list[Counts]]:
    """The vectors (q, dim) and features of pieces."""
    return np.stack([piece.vector for piece in pieces]), [piece.counts for piece in pieces]
