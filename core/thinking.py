"""Asking the brain, with patience and a ladder down: whole question, again, without media, then a human."""

from __future__ import annotations

from dataclasses import replace

import structlog

from core.admission import Admission, Crowded
from core.asking import Prediction, Question, Unread
from core.errors import BrainGone, Retry
from core.ports import Brain, Clock
from core.values import Problem

log = structlog.get_logger()

ATTEMPTS = 3
TEXT_SECONDS = 10.0  # a typed question takes milliseconds; the rest is for a release that the worker has not read yet
MEDIA_SECONDS = 30.0
_PAUSE = 1.0  # seconds, growing, for whoever keeps broker and workers alive to start them again


async def think(brain: Brain, clock: Clock, question: Question, admission: Admission) -> Prediction | None:
    """A prediction, or None when nobody answered: then a human must.

    The deadline of an attempt begins when it has a place at the brain, so that a crowd makes answers late, not void.

    The last attempt goes without media, and so does the one after a worker died with this very question in its hands:
    a photo that kills a worker kills it once. What was left out counts as unread, so that the customer hears of it.
    """
    blind = crowded = False
    left_out: tuple[Unread, ...] = ()
    for attempt in range(1, ATTEMPTS + 1):
        media = bool(question.photos or question.voices)
        if media and (blind or crowded or attempt == ATTEMPTS):
            if not question.text:
                return None
            why = Problem.DAMAGED if blind else Problem.NOT_DELIVERED
            left_out = tuple(Unread(blob, why) for blob in (*question.photos, *question.voices))
            question = replace(question, photos=(), voices=())
            media = False
        seconds = MEDIA_SECONDS if media else TEXT_SECONDS
        try:
            async with admission.place(media=media):
                deadline = clock.now() + int(seconds * 1000)
                prediction = await brain.ask(replace(question, attempt=attempt, deadline=deadline))
            return replace(prediction, unread=prediction.unread + left_out)
        except Crowded:
            log.warning("brain.crowded", question=question.id, attempt=attempt)
            if not media:
                return None
            crowded = True
        except BrainGone as gone:
            blind = blind or gone.held
            log.warning("brain.gone", question=question.id, attempt=attempt, problem=str(gone))
            if attempt < ATTEMPTS and not gone.held:
                await clock.sleep(_PAUSE * attempt)
        except Retry as problem:
            log.warning("brain.failed", question=question.id, attempt=attempt, problem=str(problem))
    return None
