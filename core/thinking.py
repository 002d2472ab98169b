"""Asking the brain, with patience and a ladder down: whole question, again, without media, then a human."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from typing import Any

import structlog

from core.admission import Admission, Crowded
from core.asking import Prediction, Question, Unread
from core.errors import BrainGone, PolydeskError, Retry
from core.ports import Brain, Clock
from core.values import Problem

log = structlog.get_logger()

ATTEMPTS = 3
TEXT_SECONDS = 10.0  # a typed question takes milliseconds; the rest is for a release that the worker has not read yet
MEDIA_SECONDS = 30.0
_HALF = 0.5  # of the wait for a place, which words leave to the photo beside them
_PAUSE = 1.0  # seconds, growing, for whoever keeps broker and workers alive to start them again

Damaged = Callable[[Collection[str]], Coroutine[Any, Any, None]]
"""What is told of the blobs (SHA-256) with which a worker died."""


async def _forgotten(blobs: Collection[str]) -> None:
    return None


async def think(
    brain: Brain, clock: Clock, question: Question, admission: Admission, damaged: Damaged = _forgotten
) -> Prediction | None:
    """A prediction, or None when nobody answered: then a human must.

    The deadline of an attempt begins when it has a place at the brain, so that a crowd makes answers late, not void.
    The turn waits for its place once: further attempts keep it.

    The last attempt goes without media, and so does the one after a worker died with this very question in its hands:
    a photo that kills a worker kills it once. `damaged` is told of its blobs, so that no later turn asks with them.
    What was left out counts as unread, so that the customer hears of it.
    """
    blind = crowded = False
    left_out: tuple[Unread, ...] = ()
    with admission.turn() as place:
        for attempt in range(1, ATTEMPTS + 1):
            blobs = (*question.photos, *question.voices)
            if blobs and (blind or crowded or attempt == ATTEMPTS):
                if not question.text:
                    return None
                why = Problem.DAMAGED if blind else Problem.NOT_DELIVERED
                left_out = tuple(Unread(blob, why) for blob in blobs)
                question, blobs = replace(question, photos=(), voices=()), ()
            try:
                await place.take(media=bool(blobs), share=_HALF if blobs and question.text else 1.0)
                deadline = clock.now() + int((MEDIA_SECONDS if blobs else TEXT_SECONDS) * 1000)
                prediction = await brain.ask(replace(question, attempt=attempt, deadline=deadline))
                return replace(prediction, unread=prediction.unread + left_out)
            except Crowded:
                log.warning("brain.crowded", question=question.id, attempt=attempt)
                if not blobs:
                    return None
                crowded = True
            except BrainGone as gone:
                log.warning("brain.gone", question=question.id, attempt=attempt, problem=str(gone))
                blind = blind or gone.held
                if gone.held and blobs:
                    await _surely(damaged(blobs))
                elif attempt < ATTEMPTS and not gone.held:
                    await clock.sleep(_PAUSE * attempt)
            except Retry as problem:
                log.warning("brain.failed", question=question.id, attempt=attempt, problem=str(problem))
    return None


async def _surely(noting: Coroutine[Any, Any, None]) -> None:
    """Write it down, even when nobody wants the answer any more: the next turn must know."""
    task = asyncio.create_task(noting)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
    except PolydeskError as problem:
        # This turn goes on without the file all the same.
        log.error("brain.damage_not_noted", problem=str(problem))
