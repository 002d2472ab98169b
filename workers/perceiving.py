"""From a question's blobs to what the scorer works with: words, lines, vectors, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from core.asking import Question, Unread
from core.errors import Unreadable
from core.values import Problem
from workers.media import audio, images
from workers.model.heard import Said
from workers.model.ports import ImageFeatures, Picture, Transcript, Wave
from workers.recalling import Senses

log = structlog.get_logger()

READ_SIDE = 2560  # pixels; long screenshots must stay legible for OCR
SURE_LINE = 0.6  # of what is read in a picture, the least confidence that counts

Read = Callable[[str], bytes]
"""The bytes of a blob."""


@dataclass(frozen=True, slots=True, eq=False)
class Perceived:
    """What came in, after decoding and recognising.

    `transcript` joins the voice notes; `lines` are those of all photos; `features` has a row a readable photo, and is
    None without any; `cut` tells that a recording was longer than what we listen to; `waves` are the voice notes that
    could be read, kept only where tone may be looked at.
    """

    question: Question
    transcript: Transcript | None = None
    lines: tuple[str, ...] = ()
    features: ImageFeatures | None = None
    unread: tuple[Unread, ...] = ()
    cut: bool = False
    waves: tuple[Wave, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing at all to go by."""
        spoken = self.transcript is not None and bool(self.transcript.text)
        return not (self.question.text.strip() or spoken or self.features is not None)


def perceive(question: Question, shelf: Senses, read: Read) -> Perceived:
    """Decode and recognise everything; a part that cannot be read is named in `unread` and the rest goes on."""
    if not (question.photos or question.voices):
        return Perceived(question)
    unread: list[Unread] = []
    waves, cut = _waves(question.voices, read, unread)
    pictures = _pictures(question.photos, read, unread)
    transcripts = shelf.speech.transcribe([wave for _, wave in waves]) if waves else []
    for (blob, _), transcript in zip(waves, transcripts, strict=True):
        if not transcript.text:
            unread.append(Unread(blob, Problem.SILENT))
    lines = [line for picture in pictures for line in shelf.reader.read(picture) if line.confidence >= SURE_LINE]
    return Perceived(
        question,
        _joined(transcripts),
        tuple(line.text for line in lines),
        shelf.image.encode(pictures) if pictures else None,
        tuple(unread),
        cut,
        tuple(wave for _, wave in waves) if question.tone else (),
    )


def recognisers(senses: Senses, questions: Iterable[Said]) -> dict[str, str]:
    """The digests of what recognised these questions, as far as anything was, named as in `Trained.senses`."""
    some = list(questions)
    spoken, read = any(one.transcript for one in some), any(one.ocr for one in some)
    return ({"speech": senses.speech.digest} if spoken else {}) | ({"reader": senses.reader.digest} if read else {})


def _waves(blobs: Sequence[str], read: Read, unread: list[Unread]) -> tuple[list[tuple[str, Wave]], bool]:
    waves, cut = [], False
    for blob in blobs:
        try:
            sound = audio.decode(read(blob))
        except Unreadable as problem:
            unread.append(Unread(blob, problem.problem))
            continue
        waves.append((blob, sound.wave))
        cut = cut or sound.cut
    return waves, cut


def _pictures(blobs: Sequence[str], read: Read, unread: list[Unread]) -> list[Picture]:
    pictures = []
    for blob in blobs:
        try:
            pictures.append(images.decode(read(blob), side=READ_SIDE))
        except Unreadable as problem:
            unread.append(Unread(blob, problem.problem))
    return pictures


def _joined(transcripts: Sequence[Transcript]) -> Transcript | None:
    """Several notes of one turn as one, as if played one after the other; its confidence is that of the worst."""
    spoken = [one for one in transcripts if one.text]
    if not spoken:
        return None
    told = all(one.segments for one in spoken)
    begins = np.cumsum([0.0, *(one.seconds for one in transcripts)])
    return Transcript(
        " ".join(one.text for one in spoken),
        min(one.confidence for one in spoken),
        float(begins[-1]),
        tuple(
            (float(begin) + start, float(begin) + end, text)
            for begin, one in zip(begins, transcripts, strict=False)
            for start, end, text in one.segments
            if told and one.text
        ),
    )
