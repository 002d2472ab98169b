"""Moving whole knowledge bases in and out."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, UploadFile
from fastapi.responses import Response

from bot.console import knowledge as pages
from bot.console.front import Front
from bot.console.guard import WHOLE
from bot.console.sessions import Visitor
from bot.wiring import KB_ID
from core.archives import to_zip
from core.errors import BadInput
from core.knowledge.entries import KnowledgeBase
from core.knowledge.export import save
from core.knowledge.files import load
from core.knowledge.spreadsheet import from_csv, to_csv
from core.knowledge.zips import from_zip


def router(front: Front) -> APIRouter:
    """/console/knowledge/files, /import and /export."""
    routes = APIRouter()
    publishing = front.home.publishing

    @routes.get("/files")
    async def files(visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("knowledge_files.html", visitor, **await pages.listed(front))

    @routes.get("/export.csv")
    async def export_csv(visitor: Visitor = Depends(front.admin)) -> Response:
        raw = to_csv(await publishing.draft(), excel=True)
        return _download(raw, "text/csv; charset=utf-8", "knowledge.csv")

    @routes.get("/export.zip")
    async def export_zip(visitor: Visitor = Depends(front.admin)) -> Response:
        raw = await asyncio.to_thread(_zipped, await publishing.draft(), front)
        return _download(raw, "application/zip", "knowledge.zip")

    @routes.post("/import")
    async def bring_in(
        file: Annotated[UploadFile, File()],
        merge: Annotated[str, Form()] = "",
        visitor: Visitor = Depends(front.admin),
    ) -> Response:
        raw = await file.read(WHOLE + 1)
        name = Path((file.filename or "upload").replace("\\", "/")).name[:120]
        before = await publishing.draft()
        with tempfile.TemporaryDirectory() as folder:
            knowledge = await asyncio.to_thread(_read, raw, name, Path(folder), before, bool(merge))
            after = await publishing.bring_in(knowledge, merge=bool(merge), by=visitor.name)
        front.home.bell.ring(KB_ID)
        changes = await pages.unpublished(front, after)
        return front.page("knowledge_imported.html", visitor, after=after, before=before, changes=changes, name=name)

    return routes


def _download(raw: bytes, mime: str, name: str) -> Response:
    return Response(raw, media_type=mime, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _zipped(draft: KnowledgeBase, front: Front) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        save(draft, Path(folder), front.home.publishing.blob)
        return to_zip(Path(folder))


def _read(raw: bytes, name: str, folder: Path, onto: KnowledgeBase, merge: bool) -> KnowledgeBase:
    """A knowledge base from what was uploaded, whose files are paths below `folder`.

    Raises:
        BadInput: it is none; KnowledgeError names every place.
    """
    kind = name.lower().rpartition(".")[2]
    if kind == "csv":
        return from_csv(raw, onto, merge=merge, name=name)
    if kind == "zip":
        return load(from_zip(raw, folder, name=name), trusted=False, look=True)
    if kind not in ("yaml", "yml"):
        raise BadInput(f"{name}: expected a .zip, .yaml or .csv file")
    path = folder / "kb.yaml"
    path.write_bytes(raw)
    return load(path, trusted=False, look=True, name=name)
