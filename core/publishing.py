"""Publishing: one draft that people edit, and immutable releases that the bot answers from."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace as replaced
from pathlib import Path

import structlog

from core import wire
from core.bell import Bell
from core.errors import BadInput, KnowledgeError, NotAllowed, Retry, Unreadable
from core.fetching import keep
from core.knowledge.check import check
from core.knowledge.entries import KnowledgeBase, Release
from core.knowledge.files import load
from core.knowledge.merge import merge as laid_onto
from core.knowledge.packing import files, pack
from core.ports import Brain, Clock
from core.store.blobs import valid_sha
from core.store.releases import ReleaseRow
from core.store.store import Store, Tx
from core.store.trouble import Conflict
from core.values import Attachment, AttachmentKind

log = structlog.get_logger()

WARM_SECONDS = 120.0  # a worker may have to encode a whole knowledge base first


class Publishing:
    """What admins do with one knowledge base; everything raises BadInput with what to mend."""

    def __init__(self, store: Store, bell: Bell, clock: Clock, kb_id: str, brain: Brain | None = None) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock
        self._kb_id = kb_id
        self._brain = brain
        self.prepared = False

    async def draft(self) -> KnowledgeBase:
        """The knowledge base as it is being edited; its files are blobs."""
        draft = await self._store.read(lambda tx: tx.knowledge.draft(self._kb_id))
        if draft is None:
            raise BadInput("there is no knowledge base yet: polydesk kb import PATH")
        return draft.knowledge

    async def live(self) -> Release | None:
        """The release that answers now, if anything was ever published."""
        row = await self._store.read(lambda tx: tx.knowledge.live(self._kb_id))
        return wire.loads(Release, await self._store.fetch(row.blob)) if row else None

    def blob(self, sha: str) -> bytes:
        """A photo or picture of the draft or a release."""
        return self._store.blobs.get(sha)

    async def keep(self, model: bytes) -> str:
        """Store a packed model, for `publish` to name within the hour; its blob."""
        return await self._store.keep(model)

    async def seed(self, path: Path) -> bool:
        """Import and publish `path` where nothing was ever published; False, with nothing read, where something was."""
        if await self._store.read(lambda tx: tx.knowledge.live(self._kb_id)) is not None:
            return False
        await self.bring_in(await asyncio.to_thread(load, path), by="seed")
        await self.publish(by="seed", note=f"from {path.name}")
        return True

    async def bring_in(self, knowledge: KnowledgeBase, *, merge: bool = False, by: str = "") -> KnowledgeBase:
        """Replace the draft by `knowledge`, whose files are paths or blobs; `merge` keeps what it does not name.

        Files are looked at and stripped as a customer's are, before anything is changed.

        Raises:
            KnowledgeError: naming every file that is neither a photo nor a recording.
        """
        packed = await asyncio.to_thread(self._packed, knowledge)
        if merge and (before := await self._store.read(lambda tx: tx.knowledge.draft(self._kb_id))):
            packed = laid_onto(before.knowledge, packed)
        await self._replace(packed, by)
        return packed

    async def discard(self, *, by: str = "") -> KnowledgeBase:
        """Make the draft what is live; whatever was not published is gone.

        Raises:
            BadInput: nothing was ever published.
        """
        release = await self.live()
        if release is None:
            raise BadInput("nothing was published yet, so there is nothing to go back to")
        await self._replace(release.knowledge, by)
        self._bell.ring(self._kb_id)
        return release.knowledge

    async def publish(self, *, by: str = "", note: str = "", model: str | None = None) -> ReleaseRow:
        """Make the draft the next release, live for the next question.

        The trained model in the blob `model` answers it, the shipped one where that is empty; None keeps what is in
        force.

        A worker prepares it first, so that no customer waits for the encoding of a changed entry; without a worker it
        goes live all the same and is prepared by the first question.

        Raises:
            KnowledgeError: the draft breaks a rule of the format; nothing was published. BadInput: there is no draft,
                or the model's blob is gone.
        """
        knowledge = await self.draft()
        problems = check(knowledge)
        if problems:
            raise KnowledgeError(problems)
        live, count = await self._seen()
        if model is None:
            model = live.model if live else ""
        return await self._release(knowledge, model, count, by=by, note=note)

    async def answer_with(self, model: str, *, compared: str | None = None, by: str = "", note: str = "") -> ReleaseRow:
        """Publish what is live again, answered with the trained model in this blob; empty: with the shipped one.

        Drafts that are published later keep it, and rolling back brings the model of the old release back too.
        `compared` is the model it was compared with, where it was: it takes no other one's place.

        Raises:
            BadInput: nothing was ever published, it is in force already, or its blob is gone. NotAllowed: another model
                is in force than the one it was compared with.
        """
        live, count = await self._seen()
        if live is None:
            raise BadInput("there is no release yet that a model could answer: publish the draft first")
        if live.model == model:
            raise BadInput("this model is in force already" if model else "the shipped model is in force already")
        if compared not in (None, live.model):
            raise NotAllowed(
                "this model was compared with another one than is in force now: start a training that compares anew"
            )
        return await self._release(live.knowledge, model, count, by=by, note=note)

    async def _seen(self) -> tuple[Release | None, int]:
        """What is live, if anything, and the number of the last release, seen at the same moment."""
        rows = await self._store.read(lambda tx: tx.knowledge.releases(self._kb_id))
        live = next((row for row in rows if row.live), None)
        return wire.loads(Release, await self._store.fetch(live.blob)) if live else None, rows[0].number if rows else 0

    async def _release(self, knowledge: KnowledgeBase, model: str, last: int, *, by: str, note: str) -> ReleaseRow:
        if model and not self._store.blobs.exists(model):
            raise BadInput("this model was deleted meanwhile, since no release used it: train again")
        number = last + 1
        blob = await self._store.keep(wire.dumps(Release(self._kb_id, number, knowledge, model)).encode())
        await self._warm(blob)
        digest = hashlib.sha256((wire.dumps(knowledge) + model).encode()).hexdigest()

        async def publish(tx: Tx) -> ReleaseRow:
            if await tx.knowledge.release(self._kb_id, number) is not None:
                # Another model may be in force, or other entries be live, than were read.
                raise Conflict("somebody else has published meanwhile")
            # The photos of cases too, and of an entry that left the draft this very moment.
            uses = _blobs(knowledge) | ({model} if model else set())
            return await tx.knowledge.publish(self._kb_id, blob, digest=digest, by=by, note=note, uses=uses)

        row = await self._store.write(publish)
        log.info("knowledge.published", number=row.number, entries=len(knowledge.live), model=model[:12])
        self._bell.ring(self._kb_id)
        return row

    async def rollback(self, number: int, *, by: str = "") -> ReleaseRow:
        """Publish an old release again under a new number; the draft stays as it is."""
        old = await self._store.read(lambda tx: tx.knowledge.release(self._kb_id, number))
        if old is not None:
            await self._warm(old.blob)
        row = await self._store.write(lambda tx: tx.knowledge.rollback(self._kb_id, number, by=by))
        self._bell.ring(self._kb_id)
        return row

    async def _replace(self, knowledge: KnowledgeBase, by: str) -> None:
        owner = f"cases:{self._kb_id}"

        async def replace(tx: Tx) -> None:
            await tx.knowledge.replace(self._kb_id, knowledge, by=by)
            await tx.blobs.release(owner)
            for sha in _blobs(replaced(knowledge, entries=())):  # entries refer to theirs by themselves
                await tx.blobs.refer(sha, owner, "draft")

        await self._store.write(replace)

    def _packed(self, knowledge: KnowledgeBase) -> KnowledgeBase:
        problems: list[str] = []

        def put(path: Path) -> str:
            if valid_sha(str(path)):
                return str(path)  # a blob already: a spreadsheet keeps the photos of the draft it is laid onto
            try:
                return keep(self._store.blobs, Attachment(AttachmentKind.OTHER), path.read_bytes()).blob
            except Unreadable as unreadable:
                problems.append(f"{path.name}: expected a photo or a recording: {unreadable.problem.value}")
                return ""

        packed = pack(knowledge, put)
        if problems:
            raise KnowledgeError(problems)
        return packed

    async def prepare(self, *, media: bool) -> None:
        """Have the workers read the live release, so that the first customer does not wait for it.

        `prepared` is set once typed questions can be answered.

        Raises:
            Retry: no worker is there yet.
        """
        row = await self._store.read(lambda tx: tx.knowledge.live(self._kb_id))
        if self._brain is not None and row is not None:
            await self._brain.prepare(row.blob, WARM_SECONDS, media=media)
        self.prepared = self.prepared or not media

    async def _warm(self, blob: str) -> None:
        if self._brain is None or not self.prepared:
            return  # at the very start workers are still loading; `prepare` follows
        try:
            for media in (True, False):
                await self._brain.prepare(blob, WARM_SECONDS, media=media)
        except Retry as problem:
            log.warning("knowledge.not_prepared", problem=str(problem))


def _blobs(knowledge: KnowledgeBase) -> frozenset[str]:
    return frozenset(name for name in files(knowledge) if valid_sha(name))
