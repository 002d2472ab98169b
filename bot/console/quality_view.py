"""How well the bot answers, counted from what people said about its answers."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bot.wiring import KB_ID, House
from core import wire
from core.asking import Answer, Prediction
from core.errors import PolydeskError
from core.history import AGENT, TAP, LabelledTurn, labelled, past_of
from core.knowledge.entries import KnowledgeBase, Release
from core.policy import alone
from core.store.store import Tx
from workers.model.basis import basis
from workers.model.selective import Selected, estimated, interval, needed, select, strictest

DAY_MS = 86_400_000
PERIODS = (30, 90)  # days
BUDGETS = (0.01, 0.02, 0.05)
MOST = 4000  # conversations that are looked at, the latest ones
_PAGE = 25  # of them at once, so that whoever waits for the database does not wait long

_PEOPLE = (AGENT, TAP)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the past, as far as quality is concerned.

    `sure` is the confidence of what a lower threshold would answer by itself, 0 where none would; `automatic` whether
    it was answered so. `wrong` says whether that answer was wrong, None when nobody told; `mistaken` whether the
    model's best entry was, also where it was not said. `release` is the blob of the release that it was asked of.
    """

    at: int
    model: str
    sure: float
    automatic: bool
    wrong: bool | None
    mistaken: bool | None
    release: str = ""


@dataclass(frozen=True, slots=True)
class Period:
    """The automatic answers of the last `days`: what is known of them."""

    days: int
    questions: int
    automatic: int
    checked: int
    wrong: int

    @property
    def share(self) -> float:
        """Of the questions, how many were answered automatically."""
        return self.automatic / self.questions if self.questions else 0.0

    @property
    def error(self) -> float:
        """Of the automatic answers, how many are known to be wrong."""
        return self.wrong / self.automatic if self.automatic else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the error lies if nobody kept silent about a mistake: Clopper-Pearson, 95 %."""
        return interval(self.wrong, self.automatic)


@dataclass(frozen=True, slots=True)
class Offer:
    """What an error budget would mean.

    `share` of the past questions would be answered automatically. When not `guaranteed`: `surest` labelled questions
    lie where the proof begins, `mistakes` of them wrong; about `wanted` labelled questions are needed, 0 when nobody
    can tell because no past question was sure enough.
    """

    budget: float
    threshold: float
    share: float
    guaranteed: bool
    surest: int
    mistakes: int
    needed: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Everything the page shows.

    `at` is when it was read, `budget` the one in force then. `offers` count the `questions` that the present `model`
    predicted, of which `labelled` are; `left_out` are those of earlier models. Labelled questions that were asked
    before what is live was edited prove nothing about it: `edited` counts them, `labelled` does not. `capped` when not
    all were read.
    """

    at: int
    budget: float
    periods: tuple[Period, ...]
    offers: tuple[Offer, ...]
    questions: int
    labelled: int
    left_out: int
    model: str
    capped: bool
    edited: int = 0


async def look(home: House) -> Quality:
    """Read the last 90 days; some pages at a time, seconds for thousands of conversations.

    Raises:
        Retry, Broken: as `Store.read`.
    """
    now = home.store.clock.now()
    since = now - max(PERIODS) * DAY_MS
    live = await home.live.or_nothing(KB_ID)
    knowledge = live.knowledge
    ids = await home.store.read(lambda tx: tx.turns.talks(since=since, limit=100 * MOST))
    found: list[Asked] = []
    latest = ids[-MOST:]
    for start in range(0, len(latest), _PAGE):
        found += await home.store.read(partial(_read, ids=latest[start : start + _PAGE], knowledge=knowledge))
    recent = [one for one in found if one.at >= since]
    others = {one.release for one in recent if one.mistaken is not None} - {live.blob}
    edited = await _edited(home, knowledge, others)
    figures = partial(judged, recent, knowledge.error_budget, now, capped=len(ids) > len(latest), edited=edited)
    return await asyncio.to_thread(figures)


async def _edited(home: House, knowledge: KnowledgeBase, releases: Collection[str]) -> frozenset[str]:
    """Those of some releases whose questions were scored by other entries than these."""
    ours, found = await asyncio.to_thread(basis, knowledge), set()
    for blob in releases:
        try:
            theirs = await asyncio.to_thread(_basis, await home.store.fetch(blob))
        except PolydeskError:
            theirs = ""  # whatever it was, nobody can tell any longer
        if theirs != ours:
            found.add(blob)
    return frozenset(found)


def _basis(release: bytes) -> str:
    return basis(wire.loads(Release, release).knowledge)


def judged(
    asked: Sequence[Asked], budget: float, now: int, *, capped: bool = False, edited: Collection[str] = ()
) -> Quality:
    """The figures of questions; `budget` is the one in force, `now` UTC ms, `edited` releases of other entries."""
    latest = max(asked, key=lambda one: one.at, default=None)
    model = latest.model if latest else ""
    ours = [one for one in asked if one.model == model]
    known = [one for one in ours if one.mistaken is not None]
    proving = [one for one in known if one.release not in edited]
    budgets = sorted({*BUDGETS, budget} - {0.0, 1.0})
    return Quality(
        at=now,
        budget=budget,
        periods=tuple(_period(asked, days, now - days * DAY_MS) for days in PERIODS),
        offers=tuple(_offer(ours, proving, one) for one in budgets),
        questions=len(ours),
        labelled=len(proving),
        left_out=len(asked) - len(ours),
        model=model,
        capped=capped,
        edited=len(known) - len(proving),
    )


def _period(asked: Sequence[Asked], days: int, since: int) -> Period:
    here = [one for one in asked if one.at >= since]
    told = Counter(one.wrong for one in here if one.automatic)
    return Period(days, len(here), sum(told.values()), told[True] + told[False], told[True])


def _offer(asked: Sequence[Asked], known: Sequence[Asked], budget: float) -> Offer:
    """The threshold that the labelled questions `known` prove, or else the one that the confidences promise."""
    found: Selected = select([one.sure for one in known], [bool(one.mistaken) for one in known], budget)
    threshold = found.threshold if found.guaranteed else estimated([one.sure for one in asked], budget)
    first, least = strictest(budget), needed(budget)
    surest = [one for one in known if one.sure >= first]
    begins = sum(one.sure >= first for one in asked) / len(asked) if asked else 0.0
    return Offer(
        budget=budget,
        threshold=threshold,
        share=sum(one.sure >= threshold for one in asked) / len(asked) if asked else 0.0,
        guaranteed=found.guaranteed,
        surest=len(surest),
        mistakes=sum(bool(one.mistaken) for one in surest),
        needed=least,
        wanted=_about(least / begins) if begins else 0,
    )


def _about(number: float) -> int:
    """Rounded up to two digits: more would promise too much."""
    digit = int(10 ** max(int(math.log10(number)) - 1, 0))
    return math.ceil(number / digit) * digit


async def _read(tx: Tx, *, ids: Sequence[str], knowledge: KnowledgeBase) -> list[Asked]:
    found = []
    for id in ids:
        past = await past_of(tx, id)
        if past is None or past.conversation.kb_id != KB_ID:
            continue
        thought = {turn.id: turn.prediction for turn in past.turns if turn.prediction}
        for turn in labelled(past):
            if turn.id in thought and turn.decision not in ("", "hold"):
                prediction = wire.load(Prediction, thought[turn.id])
                if not prediction.builtin:
                    found.append(_asked(turn, prediction, knowledge))
    return found


def _asked(turn: LabelledTurn, prediction: Prediction, knowledge: KnowledgeBase) -> Asked:
    decision = alone(replace(prediction, answer_at=0.0), knowledge)
    answerable = isinstance(decision, Answer) and bool(decision.entry)
    told = turn.by in _PEOPLE
    mistaken = None
    if told and turn.expect:
        mistaken = prediction.entry != turn.expect
    elif told and prediction.entry in turn.denied:
        mistaken = True
    return Asked(
        at=turn.at,
        model=turn.model,
        sure=prediction.confidence if answerable else 0.0,
        automatic=bool(turn.said),
        wrong=turn.wrong if told else None,
        mistaken=mistaken,
        release=prediction.release,
    )
