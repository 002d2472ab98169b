"""Asking the brain, with patience and a ladder down: whole question, again, without media, then a human."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

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
_BUSY_EVERY = 4.0  # platforms show "typing" for about five seconds
_HOLDING_AFTER = 8.0  # until the customer hears that we are still at it


class Superseded(Exception):
    """Something newer belongs to the same turn, so this answer is not wanted any more."""


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


async def attend(
    asked: asyncio.Task[Prediction | None],
    *,
    busy: Callable[[], None],
    holding: Callable[[], Coroutine[Any, Any, None]],
    newer: Callable[[float], Coroutine[Any, Any, bool]],
) -> Prediction | None:
    """Wait for `asked`, keeping the customer company.

    `busy` shows that we are at it, again and again; `holding` says so, once; `newer(seconds)` waits at most that long
    and tells whether the turn has grown.

    Raises:
        Superseded: the turn has grown.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    shown = 0.0
    held = False
    try:
        while not asked.done():
            waited = loop.time() - began
            if waited >= shown:
                shown += _BUSY_EVERY
                busy()
            if waited >= _HOLDING_AFTER and not held:
                held = True
                await holding()
            due = min(shown, math.inf if held else _HOLDING_AFTER)
            grown = asyncio.create_task(newer(due - (loop.time() - began)))
            try:
                await asyncio.wait({asked, grown}, return_when=asyncio.FIRST_COMPLETED)
                if not asked.done() and grown.done() and grown.result():
                    raise Superseded
            finally:
                grown.cancel()
        return asked.result()
    finally:
        asked.cancel()
