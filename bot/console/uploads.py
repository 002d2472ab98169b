"""Files that people of the console add: each is checked and kept when it is chosen, so that no form can lose it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, File, Path, UploadFile
from fastapi.responses import JSONResponse, Response

from adapters.web.files import served
from bot.console import words
from bot.console.front import Front
from bot.console.sessions import Visitor
from core.errors import BadInput, Unreadable
from core.fetching import LARGEST, keep
from core.media import sniff
from core.store.blobs import valid_sha
from core.store.store import Store
from core.values import Attachment, AttachmentKind

KEPT_MS = 24 * 3600 * 1000  # how long a file waits for the form that it was chosen for

Sha = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Kind = Literal["photo", "voice"]


def router(front: Front) -> APIRouter:
    """/console/uploads and /console/files."""
    routes = APIRouter()
    store = front.home.store

    @routes.post("/uploads")
    async def add(
        file: Annotated[UploadFile, File()],
        kind: Kind = "photo",
        visitor: Visitor = Depends(front.visitor),
    ) -> Response:
        raw = await file.read(LARGEST + 1)
        name = (file.filename or "the file")[:80]
        try:
            part = await asyncio.to_thread(keep, store.blobs, Attachment(AttachmentKind(kind)), raw)
        except Unreadable as unreadable:
            why = words.problem(unreadable.problem.value)
            raise BadInput(f"{name} cannot be read ({why}): {words.readable(kind)}") from unreadable
        if part.kind.value != kind:
            what = "photo" if kind == "photo" else "voice note"
            raise BadInput(f"{name} cannot be read as a {what}: {words.readable(kind)}")
        await refer(store, part.blob, f"upload:{visitor.name}")
        return JSONResponse({"sha": part.blob, "mime": part.mime})

    @routes.get("/files/{sha}")
    async def file(sha: Sha, visitor: Visitor = Depends(front.visitor)) -> Response:
        if not await store.read(lambda tx: tx.blobs.known(sha)):
            raise BadInput("there is no such file")
        return await served(store, sha)

    return routes


async def refer(store: Store, sha: str, owner: str) -> None:
    """Keep a blob for a day."""
    expires = store.clock.now() + KEPT_MS
    await store.write(lambda tx: tx.blobs.refer(sha, owner, "upload", expires))


async def chosen(store: Store, shas: Iterable[str], kind: AttachmentKind = AttachmentKind.PHOTO) -> tuple[str, ...]:
    """The uploads that a form names, each once.

    Raises:
        BadInput: one of them is not a stored file of this kind.
    """
    wanted = tuple(dict.fromkeys(shas))
    for sha in wanted:
        if not valid_sha(sha) or not store.blobs.exists(sha):
            raise BadInput("one of the files was deleted meanwhile; add it again")
        raw = await store.fetch(sha)
        if sniff(raw).kind is not kind or sniff(raw).problem is not None:
            raise BadInput(f"one of the files is not a {kind.value}")
    return wanted
