"""The knowledge pages: list, search, edit, preview, publish, roll back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from markupsafe import Markup
from starlette.datastructures import FormData, UploadFile

from bot.console import trial
from bot.console.desk import clock, photo_blob
from bot.console.front import Front
from bot.console.previews import previews
from bot.console.sessions import Visitor
from bot.wiring import KB_ID
from core.errors import BadInput, KnowledgeError
from core.knowledge.check import check
from core.knowledge.diff import diff, lines
from core.knowledge.entries import Entry, KnowledgeBase
from core.knowledge.lint import lint
from core.store.knowledge import DraftEntry


def router(front: Front) -> APIRouter:
    """Everything under /console/knowledge; for admins."""
    routes = APIRouter(prefix="/knowledge")
    routes.include_router(trial.router(front))
    publishing = front.home.publishing
    store = front.home.store

    @routes.get("")
    async def page(q: str = "", visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("knowledge.html", visitor, **await listed(front, q))

    @routes.get("/list")
    async def part_list(q: str = "", visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("knowledge_list.html", visitor, **await listed(front, q))

    @routes.get("/new")
    async def new(visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("knowledge_entry.html", visitor, **await _edited(front, None))

    @routes.get("/entry/{id}")
    async def edit(id: str, visitor: Visitor = Depends(front.admin)) -> Response:
        known = await store.read(lambda tx: tx.knowledge.get(KB_ID, id))
        if known is None:
            raise BadInput(f"the draft has no entry {id}")
        return front.page("knowledge_entry.html", visitor, **await _edited(front, known))

    @routes.post("/entry")
    async def save(request: Request, visitor: Visitor = Depends(front.admin)) -> Response:
        async with request.form(max_files=40, max_part_size=64 * 1024) as form:
            entry = await _entry(front, form)
            revision = int(str(form.get("revision") or 0))
        draft = await publishing.draft()
        wrong = [problem for problem in check(_with(draft, entry)) if problem not in check(draft)]
        if wrong:
            raise KnowledgeError(wrong)
        kept = await store.write(lambda tx: tx.knowledge.put(KB_ID, entry, by=visitor.name, revision=revision))
        front.home.bell.ring(KB_ID)
        if revision == 0 or request.headers.get("hx-request") is None or form.get("more"):
            return Response(status_code=204, headers={"HX-Redirect": f"/console/knowledge/entry/{entry.id}"})
        return front.page("knowledge_saved.html", visitor, revision=kept.revision)

    @routes.post("/entry/{id}/delete", status_code=204)
    async def delete(id: str, visitor: Visitor = Depends(front.admin)) -> Response:
        await store.write(lambda tx: tx.knowledge.delete(KB_ID, id))
        return Response(status_code=204, headers={"HX-Redirect": "/console/knowledge"})

    @routes.post("/preview")
    async def preview(request: Request, visitor: Visitor = Depends(front.admin)) -> Response:
        async with request.form() as form:
            answers = [str(value) for name, value in form.items() if name.startswith("answer_")]
        shown = [(name, [Markup(text) for text in texts]) for name, texts in previews(answers[0] if answers else "")]
        return front.page("knowledge_preview.html", visitor, previews=shown)

    @routes.get("/releases")
    async def releases(visitor: Visitor = Depends(front.admin)) -> Response:
        rows = await store.read(lambda tx: tx.knowledge.releases(KB_ID))
        values = await listed(front, "")
        findings = await asyncio.to_thread(lint, values["knowledge"])
        told = lines(values["changes"])
        return front.page(
            "knowledge_releases.html", visitor, rows=rows, findings=findings, lines=told, clock=clock, **values
        )

    @routes.post("/publish", status_code=204)
    async def publish(
        note: Annotated[str, Form(max_length=200)] = "", visitor: Visitor = Depends(front.admin)
    ) -> Response:
        await publishing.publish(by=visitor.name, note=note)
        return Response(status_code=204, headers={"HX-Redirect": "/console/knowledge/releases"})

    @routes.post("/rollback/{number}", status_code=204)
    async def rollback(number: int, visitor: Visitor = Depends(front.admin)) -> Response:
        await publishing.rollback(number, by=visitor.name)
        return Response(status_code=204, headers={"HX-Redirect": "/console/knowledge/releases"})

    return routes


async def listed(front: Front, q: str, open: str = "") -> dict[str, Any]:
    """What the left side of every knowledge page shows."""
    draft = await front.home.publishing.draft()
    release = await front.home.publishing.live()
    changes = diff(release.knowledge if release else KnowledgeBase(""), draft)
    words = q.lower().split()
    found = [entry for entry in draft.entries if all(word in _searched(entry) for word in words)]
    found.sort(key=lambda entry: entry.intent or entry.id)
    groups = [(intent, list(entries)) for intent, entries in groupby(found, key=lambda one: one.intent or one.id)]
    return {
        "knowledge": draft,
        "changes": changes,
        "changed": {change.name for change in changes},
        "groups": groups,
        "q": q,
        "open": open,
    }


def _searched(entry: Entry) -> str:
    return " ".join((entry.id, entry.intent, *entry.phrases, *entry.answer.values(), *entry.tags)).lower()


async def _edited(front: Front, known: DraftEntry | None) -> dict[str, Any]:
    entry = known.entry if known else Entry("", "", {})
    values = await listed(front, "", entry.id)
    knowledge: KnowledgeBase = values["knowledge"]
    languages = dict.fromkeys((knowledge.language, *sorted(knowledge.languages), *entry.answer))
    return {
        **values,
        "entry": entry,
        "revision": known.revision if known else 0,
        "languages": list(languages),
        "intents": sorted({one.intent for one in knowledge.entries if one.intent}),
    }


def _with(draft: KnowledgeBase, entry: Entry) -> KnowledgeBase:
    others = tuple(one for one in draft.entries if one.id != entry.id)
    return replace(draft, entries=(*others, entry))


async def _entry(front: Front, form: FormData) -> Entry:
    """The entry as the form has it.

    Raises:
        BadInput: a photo that is none.
    """
    answers = {name[7:]: str(value).strip() for name, value in form.items() if name.startswith("answer_")}
    answers = {language: text for language, text in answers.items() if text}
    more = str(form.get("more", "")).strip()
    if more:
        answers.setdefault(more, next(iter(answers.values()), ""))
    files: dict[str, tuple[str, ...]] = {}
    for kind in ("photos", "media"):
        fresh = [one for one in form.getlist(f"new_{kind}") if isinstance(one, UploadFile) and one.filename]
        blobs = [await photo_blob(front, one) for one in fresh]
        files[kind] = (*dict.fromkeys([*map(str, form.getlist(f"keep_{kind}")), *blobs]),)
    id = str(form.get("id", "")).strip()
    return Entry(
        id=id,
        question=str(form.get("question", "")).strip(),
        answer=answers,
        intent=str(form.get("intent", "")).strip() or id,
        variants=tuple(line.strip() for line in str(form.get("variants", "")).splitlines() if line.strip()),
        photos=files["photos"],
        media=files["media"],
        tags=tuple(tag.strip() for tag in str(form.get("tags", "")).split(",") if tag.strip()),
        escalate=bool(form.get("escalate")),
        enabled=bool(form.get("enabled")),
    )
