"""The knowledge pages: list, search, edit, disable, delete, preview."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from bot.console import moving, releases, trial
from bot.console.front import Front
from bot.console.previews import previews
from bot.console.sessions import Visitor
from bot.console.uploads import chosen
from bot.wiring import KB_ID
from core.errors import BadInput, KnowledgeError
from core.knowledge.check import check
from core.knowledge.diff import Change, diff
from core.knowledge.entries import Entry, KnowledgeBase
from core.knowledge.lint import lint
from core.store.knowledge import DraftEntry
from core.store.store import Tx
from core.store.trouble import Conflict

_FEW = 4  # a finding about more entries than this is not about the one that is open
_LARGEST_FORM = 512 * 1024  # characters of one field


def router(front: Front) -> APIRouter:
    """Everything under /console/knowledge; for admins."""
    routes = APIRouter(prefix="/knowledge", dependencies=[Depends(front.admin)])
    for part in (trial, releases, moving):
        routes.include_router(part.router(front))
    store = front.home.store

    @routes.get("")
    async def page(q: str = "", visitor: Visitor = Depends(front.admin)) -> Response:
        values = await listed(front, q)
        findings = await asyncio.to_thread(lint, values["knowledge"])
        return front.page("knowledge_overview.html", visitor, findings=findings, **values)

    @routes.get("/list")
    async def part_list(q: str = "", open: str = "", visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("knowledge_list_part.html", visitor, **await listed(front, q, open))

    @routes.get("/new")
    async def new(question: str = "", visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("knowledge_entry.html", visitor, **await _edited(front, None, question[:2000]))

    @routes.get("/entry/{id}")
    async def edit(id: str, visitor: Visitor = Depends(front.admin)) -> Response:
        known = await store.read(lambda tx: tx.knowledge.get(KB_ID, id))
        if known is None:
            raise BadInput(f"the draft has no entry {id[:200]}")
        return front.page("knowledge_entry.html", visitor, **await _edited(front, known))

    @routes.post("/entry")
    async def save(request: Request, visitor: Visitor = Depends(front.admin)) -> Response:
        async with request.form(max_part_size=_LARGEST_FORM) as form:
            revision = _revision(form)
            entry = await _entry(front, form)
        await _must_be_right(front, entry)
        try:
            kept = await store.write(lambda tx: tx.knowledge.put(KB_ID, entry, by=visitor.name, revision=revision))
        except Conflict:
            theirs = await store.read(lambda tx: tx.knowledge.get(KB_ID, entry.id))
            return front.page("knowledge_conflict.html", visitor, 409, theirs=theirs, entry=entry, is_new=not revision)
        front.home.bell.ring(KB_ID)
        if revision == 0:
            return Response(status_code=204, headers={"HX-Redirect": f"/console/knowledge/entry/{entry.id}"})
        found = await _findings(front, entry.id)
        return _told(front.page("knowledge_saved.html", visitor, revision=kept.revision, findings=found))

    @routes.post("/entry/{id}/variant")
    async def variant(
        id: str, text: Annotated[str, Form(max_length=2000)], visitor: Visitor = Depends(front.admin)
    ) -> Response:
        words = " ".join(text.split())

        async def add(tx: Tx) -> Entry:
            known = await tx.knowledge.get(KB_ID, id)
            if known is None:
                raise BadInput(f"the draft has no entry {id[:200]}")
            if words in known.entry.phrases or not words:
                return known.entry
            entry = replace(known.entry, variants=(*known.entry.variants, words))
            return (await tx.knowledge.put(KB_ID, entry, by=visitor.name, revision=known.revision)).entry

        entry = await store.write(add)
        front.home.bell.ring(KB_ID)
        return _told(front.page("knowledge_variant.html", visitor, entry=entry, text=words))

    @routes.post("/entry/{id}/delete", status_code=204)
    async def delete(
        id: str, revision: Annotated[int, Form(ge=0, lt=2**31)], visitor: Visitor = Depends(front.admin)
    ) -> Response:
        try:
            await store.write(lambda tx: tx.knowledge.delete(KB_ID, id, revision=revision))
        except Conflict as conflict:
            raise BadInput(f"{conflict}: reload this page") from conflict
        front.home.bell.ring(KB_ID)
        return Response(status_code=204, headers={"HX-Redirect": "/console/knowledge"})

    @routes.post("/preview")
    async def preview(request: Request, visitor: Visitor = Depends(front.admin)) -> Response:
        async with request.form(max_part_size=_LARGEST_FORM) as form:
            answer = next((str(value) for name, value in form.items() if name.startswith("answer_")), "")
            media = await chosen(store, map(str, form.getlist("media")))
        return front.page("knowledge_preview.html", visitor, previews=previews(answer, media), media=media)

    return routes


async def listed(front: Front, q: str = "", open: str = "") -> dict[str, Any]:
    """What the left side of every knowledge page shows."""
    draft = await front.home.publishing.draft()
    changes = await unpublished(front, draft)
    words = q.lower().split()
    found = [entry for entry in draft.entries if all(word in _searched(entry) for word in words)]
    found.sort(key=lambda entry: entry.intent or entry.id)
    groups = [(intent, list(entries)) for intent, entries in groupby(found, key=lambda one: one.intent or one.id)]
    rows = await front.home.store.read(lambda tx: tx.knowledge.live(KB_ID))
    return {
        "knowledge": draft,
        "live": rows,
        "changes": changes,
        "changed": {change.name for change in changes if change.part == "entry"},
        "groups": groups,
        "q": q,
        "open": open,
    }


async def unpublished(front: Front, draft: KnowledgeBase) -> tuple[Change, ...]:
    """How the draft differs from what is live."""
    release = await front.home.publishing.live()
    return await asyncio.to_thread(diff, release.knowledge if release else KnowledgeBase(""), draft)


def _searched(entry: Entry) -> str:
    return " ".join((entry.id, entry.intent, *entry.phrases, *entry.answer.values(), *entry.tags)).lower()


async def _edited(front: Front, known: DraftEntry | None, question: str = "") -> dict[str, Any]:
    entry = known.entry if known else Entry("", question, {})
    values = await listed(front, "", entry.id)
    knowledge: KnowledgeBase = values["knowledge"]
    return {
        **values,
        "entry": entry,
        "kept": known,
        "languages": list(dict.fromkeys((knowledge.language, *entry.answer))),
        "intents": sorted({one.intent for one in knowledge.entries if one.intent}),
        "findings": await _findings(front, entry.id) if known else (),
    }


async def _findings(front: Front, id: str) -> tuple[str, ...]:
    """What lint says about one entry."""
    found = await asyncio.to_thread(lint, await front.home.publishing.draft())
    return tuple(finding.message for finding in found if id in finding.entries and len(finding.entries) <= _FEW)


async def _must_be_right(front: Front, entry: Entry) -> None:
    """Raise KnowledgeError for what this entry would break; what was wrong before is not its fault."""
    draft = await front.home.publishing.draft()
    others = tuple(one for one in draft.entries if one.id != entry.id)
    before = set(check(draft))
    wrong = [line for line in check(replace(draft, entries=(*others, entry))) if line not in before]
    if wrong:
        raise KnowledgeError(wrong)


async def _entry(front: Front, form: FormData) -> Entry:
    """The entry as the form has it.

    Raises:
        BadInput: a photo that is none.
    """
    id = str(form.get("id", "")).strip()
    known = await front.home.store.read(lambda tx: tx.knowledge.get(KB_ID, id))
    before = known.entry.answer if known else {}
    answers = {name[7:]: _lines(str(value)) for name, value in form.items() if name.startswith("answer_")}
    return Entry(
        id=id,
        question=str(form.get("question", "")).strip(),
        answer={language: _same(before.get(language, ""), text) for language, text in answers.items() if text},
        intent=str(form.get("intent", "")).strip() or id,
        variants=_each(str(form.get("variants", "")).splitlines()),
        photos=await chosen(front.home.store, map(str, form.getlist("photos"))),
        media=await chosen(front.home.store, map(str, form.getlist("media"))),
        tags=_each(str(form.get("tags", "")).split(",")),
        escalate=bool(form.get("escalate")),
        enabled=bool(form.get("enabled")),
    )


def _revision(form: FormData) -> int:
    """Which state of the entry the form was made from; 0 for a new one."""
    given = str(form.get("revision", "0"))
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise BadInput("this page is too old; reload it")
    return int(given)


def _told(response: Response) -> Response:
    """The same, and the list beside it looks again."""
    response.headers["HX-Trigger"] = "draft"
    return response


def _lines(text: str) -> str:
    """As it was typed, however the browser ends its lines."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _same(before: str, after: str) -> str:
    """The text as it stood when nothing but the space around it would change: that is no edit."""
    return before if before.strip() == after else after


def _each(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))
