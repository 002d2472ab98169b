"""Trying the bot out, and moving whole knowledge bases in and out."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, UploadFile
from fastapi.responses import HTMLResponse, Response

from bot.console import knowledge as pages
from bot.console.front import Front
from bot.console.sessions import Visitor
from bot.wiring import BOT_ID, KB_ID
from core import wire
from core.asking import Answer, Decision, Escalate, Prediction, Question, Reason
from core.conversation import Conversation
from core.errors import BadInput, Unreadable
from core.fetching import LARGEST, keep
from core.knowledge.entries import KnowledgeBase, Release
from core.knowledge.export import save
from core.knowledge.files import load
from core.knowledge.spreadsheet import from_csv, to_csv
from core.knowledge.zips import from_zip, to_zip
from core.policy import decide
from core.store.tables import new_id
from core.values import Address, Attachment, AttachmentKind, Author

_SECONDS = 60.0
_KEPT_MS = 24 * 3600 * 1000


def router(front: Front) -> APIRouter:
    """/console/knowledge/try, /import and /export."""
    routes = APIRouter()
    publishing = front.home.publishing

    @routes.get("/try")
    async def form(visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("knowledge_try.html", visitor, **await pages.listed(front, ""))

    @routes.post("/try")
    async def ask(
        text: Annotated[str, Form(max_length=8000)] = "",
        history: Annotated[str, Form(max_length=20_000)] = "",
        which: Annotated[str, Form()] = "draft",
        photo: Annotated[UploadFile | None, File()] = None,
        voice: Annotated[UploadFile | None, File()] = None,
        visitor: Visitor = Depends(front.admin),
    ) -> Response:
        blob, release = await _release(front, which)
        question = Question(
            id=new_id(),
            release=blob,
            text=text.strip(),
            photos=await _blobs(front, photo, AttachmentKind.PHOTO),
            voices=await _blobs(front, voice, AttachmentKind.VOICE),
            history=tuple(line.strip() for line in history.splitlines() if line.strip()),
            deadline=int((time.time() + _SECONDS) * 1000),
        )
        if not (question.text or question.photos or question.voices):
            raise BadInput("ask something: write, or add a photo or a voice note")
        prediction = await front.home.brain.ask(question)
        return front.page("knowledge_tried.html", visitor, **_told(prediction, release.knowledge))

    @routes.get("/files")
    async def files(visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("knowledge_files.html", visitor, **await pages.listed(front, ""))

    @routes.get("/export.csv")
    async def export_csv(visitor: Visitor = Depends(front.admin)) -> Response:
        raw = to_csv(await publishing.draft(), excel=True)
        return Response(raw, media_type="text/csv", headers={"Content-Disposition": "attachment; filename=kb.csv"})

    @routes.get("/export.zip")
    async def export_zip(visitor: Visitor = Depends(front.admin)) -> Response:
        draft = await publishing.draft()

        def pack() -> bytes:
            with tempfile.TemporaryDirectory() as folder:
                save(draft, Path(folder), publishing.blob)
                return to_zip(Path(folder))

        raw = await asyncio.to_thread(pack)
        return Response(
            raw, media_type="application/zip", headers={"Content-Disposition": "attachment; filename=kb.zip"}
        )

    @routes.post("/import")
    async def bring_in(
        file: Annotated[UploadFile, File()],
        merge: Annotated[str, Form()] = "",
        visitor: Visitor = Depends(front.admin),
    ) -> Response:
        raw = await file.read(200 * 1024 * 1024)
        name = (file.filename or "upload").lower()
        onto = await publishing.draft()
        with tempfile.TemporaryDirectory() as folder:
            knowledge = await asyncio.to_thread(_read, raw, name, Path(folder), onto, bool(merge))
            after = await publishing.bring_in(knowledge, merge=bool(merge), by=visitor.name)
        front.home.bell.ring(KB_ID)
        return HTMLResponse(f"The draft has {len(after.entries)} entries now. Look at the changes, then publish.")

    return routes


def _read(raw: bytes, name: str, folder: Path, onto: KnowledgeBase, merge: bool) -> KnowledgeBase:
    if name.endswith(".csv"):
        return from_csv(raw, onto, merge=merge, name=name)
    if name.endswith(".zip"):
        return load(from_zip(raw, folder, name=name), trusted=False)
    path = folder / "kb.yaml"
    path.write_bytes(raw)
    return load(path, trusted=False)


async def _release(front: Front, which: str) -> tuple[str, Release]:
    """The release to ask: the live one, or the draft as if it were one (kept for a day)."""
    store = front.home.store
    if which == "live":
        published = await front.home.live.of(KB_ID)
        return published.blob, published.release
    release = Release(KB_ID, 0, await front.home.publishing.draft())
    blob = await store.keep(wire.dumps(release).encode())
    expires = int(time.time() * 1000) + _KEPT_MS
    await store.write(lambda tx: tx.blobs.refer(blob, "trial", "trial", expires))
    return blob, release


async def _blobs(front: Front, upload: UploadFile | None, kind: AttachmentKind) -> tuple[str, ...]:
    if upload is None or not upload.filename:
        return ()
    store = front.home.store
    raw = await upload.read(LARGEST + 1)
    try:
        part = await asyncio.to_thread(keep, store.blobs, Attachment(kind), raw)
    except Unreadable as unreadable:
        raise BadInput(f"{upload.filename} cannot be read: {unreadable.problem.value}") from unreadable
    expires = int(time.time() * 1000) + _KEPT_MS
    await store.write(lambda tx: tx.blobs.refer(part.blob, "trial", "trial", expires))
    return (part.blob,)


def _told(prediction: Prediction, knowledge: KnowledgeBase) -> dict[str, Any]:
    nobody = Conversation("trial", Address("web", "web", "trial"), Author("trial"), BOT_ID, KB_ID, 0, 0)
    decision: Decision = decide(nobody, prediction, knowledge)
    reason = decision.reason if isinstance(decision, Escalate) else Reason.UNSURE
    return {
        "prediction": prediction,
        "decision": type(decision).__name__,
        "reason": reason.value if isinstance(decision, Escalate) else "",
        "builtin": decision.builtin if isinstance(decision, Answer) else prediction.builtin,
        "entry": knowledge.entry(prediction.entry),
        "candidates": [wire.dump(candidate) for candidate in prediction.candidates[:5]],
        "evidence": [(name, str(value)) for name, value in prediction.evidence.items()],
    }
