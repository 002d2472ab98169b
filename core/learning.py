"""Learning: what admins do about trained models, from the labelled turns to a release that names one."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from core import wire
from core.bell import Bell
from core.errors import BadInput, NotAllowed, Retry
from core.history import oldest_first
from core.knowledge.entries import english
from core.publishing import Publishing
from core.snapshot import Snapshot, kept, read
from core.store.releases import ReleaseRow
from core.store.store import Store, Tx
from core.store.sweep import DAY
from core.store.trainings import TrainingRow
from core.training import STRATEGIES, USUAL, News, Options, Order, Trainer, stopped

log = structlog.get_logger()

TOPIC = "training"  # what rings when there is something new to see
LOST = 6.0  # seconds that a training may be in no living worker's hands
LATEST = 600.0  # seconds that a training waits for a worker to be started
_OVER = {  # a training that no living worker holds, by what is known of it: how long it may be so, then why it is over
    "taken": (LOST, "the worker that trained stopped or died before it was done"),
    "lost": (LOST, "the broker forgot the training before a worker took it"),
    "behind": (LATEST, f"no train worker was free for {LATEST / 60:.0f} minutes"),
    "waits": (LATEST, f"no train worker was running for {LATEST / 60:.0f} minutes"),
}
_WAIT = 1.0
_GONE = "what this training learned from is gone by now: start a new one"


def tunable(language: str) -> bool:
    """Whether there is a text encoder that can be fine-tuned for a knowledge base in this language."""
    return english(language)


class Learning:
    """Trainings of one knowledge base, one at a time; everything raises BadInput with what to mend."""

    def __init__(
        self,
        store: Store,
        publishing: Publishing,
        bell: Bell,
        kb_id: str,
        trainer: Trainer,
        retention_days: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._publishing = publishing
        self._bell = bell
        self._kb_id = kb_id
        self._trainer = trainer
        self._retention_ms = retention_days * DAY
        self._monotonic = monotonic
        self._missed_since: tuple[str, float] | None = None
        self._held = ""

    async def taught(self) -> Counter[str]:
        """How many labelled turns there are, by who labelled them (`core.history`: agent, tap, silence)."""
        return Counter([turn.by async for turn in oldest_first(self._store, resolved_since=self._kept)])

    async def start(self, *, by: str, options: Options = USUAL) -> TrainingRow:
        """Ask a worker to train on what is live and what past turns teach.

        Raises:
            NotAllowed: a training has not ended yet. BadInput: nothing was ever published, or it cannot be trained as
                wished. Retry: the broker cannot be reached; nothing was started.
        """
        if options.strategy not in STRATEGIES:
            raise BadInput(f"there is no strategy {options.strategy!r}: choose one of {', '.join(STRATEGIES)}")
        # Before anything slow; what counts is the look when it begins.
        await self._store.read(lambda tx: tx.trainings.none_running(self._kb_id))
        row = await self._store.read(lambda tx: tx.knowledge.live(self._kb_id))
        release = await self._publishing.live()
        if row is None or release is None:
            raise BadInput("there is nothing to train on yet: publish the knowledge base first")
        if options.finetune and not tunable(release.knowledge.language):
            raise BadInput(
                "the text encoder can be fine-tuned for English knowledge bases only, and the language of this one is "
                f"{release.knowledge.language}: train without fine-tuning"
            )
        turns, taught = await kept(oldest_first(self._store, resolved_since=self._kept), self._store.blobs)
        snapshot = Snapshot(release.knowledge, turns, release.model)
        blob = await self._store.keep((await asyncio.to_thread(wire.dumps, snapshot)).encode())
        return await self._begin(row.number, blob, turns, before=release.model, taught=taught, by=by, options=options)

    async def again(self, id: str, *, by: str) -> TrainingRow:
        """Start a training that broke off once more, on what it learned from; its worker goes on where it stood.

        Raises:
            NotAllowed: a training has not ended yet, or another model is in force than when it began. BadInput: there
                is no such training, it did not break off, another one went on since with what it learned from, or that
                is gone. Retry: like `start`.
        """
        await self._store.read(lambda tx: tx.trainings.none_running(self._kb_id))
        row = await self._one(id)
        if not row.broken_off:
            raise BadInput("this training did not break off: start a new one")
        if not self._store.blobs.exists(row.snapshot):
            raise BadInput(_GONE)
        snapshot = read(await asyncio.to_thread(self._store.blobs.get, row.snapshot))
        release = await self._publishing.live()
        if release is None or release.model != row.before:
            raise NotAllowed("another model is in force than when this training began: start a new one")
        return await self._begin(
            row.release,
            row.snapshot,
            snapshot.turns,
            before=row.before,
            taught=row.taught,
            by=by,
            options=row.options,
            after=row.id,
        )

    async def _begin(
        self,
        release: int,
        blob: str,
        turns: str,
        *,
        before: str,
        taught: Mapping[str, int],
        by: str,
        options: Options,
        after: str = "",
    ) -> TrainingRow:
        async def begin(tx: Tx) -> TrainingRow:
            latest = await tx.trainings.latest(self._kb_id, blob) if after else None
            begun = await tx.trainings.begin(
                self._kb_id, release, blob, turns, before=before, taught=taught, by=by, options=options
            )
            if latest is not None and (latest.id != after or not latest.broken_off):
                raise BadInput("what this training learned from was gone on with since: look at the newest one")
            # It is wanted from here on: no sweep takes away what is still there.
            if not all(self._store.blobs.exists(one) for one in {blob, turns} - {""}):
                raise BadInput(_GONE)
            return begun

        begun = await self._store.write(begin)
        try:
            await self._trainer.send(Order(begun.id, blob, options))
        except Retry as problem:
            await self._broken_off(begun.id, f"no worker could be asked: {problem}")
            raise
        log.info("training.started", training=begun.id, turns=sum(taught.values()))
        self._bell.ring(TOPIC)
        return begun

    async def stop(self, id: str, *, by: str) -> bool:
        """End a training that waits or runs; False when it had ended before, which changes nothing.

        Raises:
            BadInput: there is no such training. Retry: the broker cannot be reached; it goes on.
        """
        row = await self._one(id)
        if not row.running:
            return False
        # The worker first: one that cannot be told would train on with nobody knowing. What this one was to go on with
        # is forgotten too, wherever it rests under an earlier one's name.
        for one in await self._store.read(lambda tx: tx.trainings.on_the_same(id)):
            await self._trainer.stop(one, by)
        if not await self._store.write(lambda tx: tx.trainings.end(id, problem=stopped(by), stopped_by=by)):
            return False
        log.info("training.stopped", training=id)
        self._bell.ring(TOPIC)
        return True

    async def attend(self) -> None:
        """Hear for a second what workers say, then look whether the running training is still in anybody's hands.

        Raises:
            Retry: the broker or the store cannot be reached.
        """
        end, all_heard = time.monotonic() + _WAIT, False
        try:
            while (left := end - time.monotonic()) > 0:
                news = await self._trainer.news(left)
                all_heard = news is None
                if news is not None:
                    try:
                        await self.hear(news)
                    except BadInput as problem:  # told again and again, it would keep all others from being heard
                        await self._broken_off(news.training, f"what its worker said cannot be noted: {problem}")
                    await self._trainer.heard()
            if all_heard:  # else its end may be among what still waits
                await self._look()
        except Retry:
            self._missed_since = None  # who lives cannot be told: what was missed so far says nothing
            raise

    async def hear(self, news: News) -> None:
        """Note what a worker says; whatever comes twice, late or after the end changes nothing."""

        async def note(tx: Tx) -> bool:
            if news.last:
                return await tx.trainings.end(
                    news.training,
                    outcome=news.outcome,
                    problem=news.problem,
                    stopped_by=news.stopped_by,
                    refused=news.refused,
                    keep_ms=self._retention_ms,
                )
            return await tx.trainings.progress(news)

        if await self._store.write(note):
            if news.last:
                passed = news.outcome.passed if news.outcome else None
                log.info("training.ended", training=news.training, passed=passed, problem=news.problem)
            self._bell.ring(TOPIC)

    async def promote(self, id: str, *, by: str) -> ReleaseRow:
        """Publish what is live with the model of this training.

        Raises:
            NotAllowed: it has not ended, not passed the gate, or was compared with another model than is in force.
                BadInput: there is no such training, its model is in force already, or was deleted.
        """
        row = await self._one(id)
        if row.outcome is None:
            raise NotAllowed("this training has made no model" if row.ended_at else "this training has not ended yet")
        if not row.outcome.passed:
            raise NotAllowed(f"this model did not pass the gate: {row.outcome.why}")
        return await self._publishing.answer_with(
            row.outcome.model, compared=row.before, by=by, note="the trained model"
        )

    async def ship(self, *, by: str) -> ReleaseRow:
        """Publish what is live with the model that ships; raises BadInput when that is in force already."""
        return await self._publishing.answer_with("", by=by, note="back to the shipped model")

    async def _one(self, id: str) -> TrainingRow:
        row = await self._store.read(lambda tx: tx.trainings.get(id))
        if row is None or row.kb_id != self._kb_id:
            raise BadInput("there is no such training")
        return row

    @property
    def _kept(self) -> int:
        """What is due to be swept teaches nothing any more, UTC ms."""
        return self._store.clock.now() - self._retention_ms

    async def _look(self) -> None:
        """Whatever dies says nothing: a training that no living worker holds for a while is over."""
        holders = await self._trainer.holders()
        row = await self._store.read(lambda tx: tx.trainings.running(self._kb_id))
        held = frozenset[str]().union(*holders.values())
        for other in held - {row.id if row else ""}:
            await self._remind(other)
        if row is None:
            self._missed_since = None
            return
        if row.id in held:
            self._held, self._missed_since = row.id, None
            return
        taken = row.seq > 0 or self._held == row.id
        # A worker takes the next order off the queue while it still ends an earlier training.
        state = "taken" if taken else "behind" if held else "lost" if holders else "waits"
        now = self._monotonic()
        if self._missed_since is None or self._missed_since[0] != row.id + state:
            self._missed_since = (row.id + state, now)
        patience, why = _OVER[state]
        # The books first: what a worker that was only cut off says, once it is told, must not be its end there.
        over = now - self._missed_since[1] > patience and await self._broken_off(row.id, why)
        if over and state == "taken":
            await self._trainer.give_up(row.id)

    async def _remind(self, id: str) -> None:
        """A worker holds what is over by the books: it was cut off, or its order came after all. It is to end it."""
        row = await self._store.read(lambda tx: tx.trainings.get(id))
        if row is None or row.kb_id != self._kb_id:
            return
        if row.broken_off:
            await self._trainer.give_up(id)
        elif row.stopped_by:
            await self._trainer.stop(id, row.stopped_by)

    async def _broken_off(self, id: str, why: str) -> bool:
        ended = await self._store.write(lambda tx: tx.trainings.end(id, problem=f"{why}. Start it again."))
        if ended:
            log.warning("training.broken_off", training=id, problem=why)
            self._bell.ring(TOPIC)
        return ended
