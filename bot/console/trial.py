"""The "try it" box: what the bot would do with a question, and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from fastapi.responses import Response

from bot.console.front import Front
from bot.console.sessions import Visitor
from bot.console.uploads import chosen, refer
from bot.wiring import BOT_ID, KB_ID, House
from core import wire
from core.asking import Answer, Clarify, Decision, Escalate, Prediction, Question
from core.conversation import Conversation
from core.errors import BadInput
from core.knowledge.entries import KnowledgeBase, Release
from core.policy import decide
from core.saying import saying, voice_for
from core.store.tables import new_id
from core.thinking import MEDIA_SECONDS
from core.values import Address, AttachmentKind, Author

_SECONDS = 2 * MEDIA_SECONDS  # a worker may have to read a changed draft first
_DECISIONS = {Answer: "Answers", Clarify: "Asks back", Escalate: "Gets a person"}


def router(front: Front) -> APIRouter:
    """/console/knowledge/try."""
    routes = APIRouter()
    home = front.home

    @routes.post("/try")
    async def ask(
        text: Annotated[str, Form(max_length=8000)] = "",
        history: Annotated[str, Form(max_length=20_000)] = "",
        which: Annotated[str, Form(max_length=10)] = "draft",
        photo: Annotated[list[str], Form()] = [],  # noqa: B006
        voice: Annotated[list[str], Form()] = [],  # noqa: B006
        visitor: Visitor = Depends(front.admin),
    ) -> Response:
        blob, knowledge = await _asked(home, which)
        question = Question(
            id=new_id(),
            release=blob,
            text=text.strip(),
            photos=await chosen(home.store, photo),
            voices=await chosen(home.store, voice, AttachmentKind.VOICE),
            history=tuple(line.strip() for line in history.splitlines() if line.strip()),
            deadline=home.store.clock.now() + int(_SECONDS * 1000),
            explain=True,
        )
        if not (question.text or question.photos or question.voices):
            raise BadInput("ask something: write, or add a photo or a voice note")
        began = home.store.clock.now()
        prediction = await home.brain.ask(question)
        took = home.store.clock.now() - began
        return front.page(
            "knowledge_tried.html", visitor, asked=question, took=took, **_told(prediction, knowledge, began)
        )

    return routes


async def _asked(home: House, which: str) -> tuple[str, KnowledgeBase]:
    """The release to ask: the live one, or the draft as if it were one (kept for a day)."""
    draft = None if which == "live" else await home.publishing.draft()
    row = await home.store.read(lambda tx: tx.knowledge.live(KB_ID))
    published = await home.live.at(row.blob) if row else None
    if published is not None and draft in (None, published.knowledge):
        return published.blob, published.knowledge  # workers know it already
    if draft is None:
        raise BadInput("nothing is live yet; publish first, or ask the draft")
    model = published.release.model if published else ""
    blob = await home.store.keep(wire.dumps(Release(KB_ID, 0, draft, model)).encode())
    await refer(home.store, blob, "trial")
    return blob, draft


def _told(prediction: Prediction, knowledge: KnowledgeBase, now: int) -> dict[str, Any]:
    nobody = Conversation("trial", Address("web", "web", "trial"), Author("trial"), BOT_ID, KB_ID, now, now)
    decision: Decision = decide(nobody, prediction, knowledge)
    voice = voice_for(nobody, knowledge)
    problems = tuple(part.problem for part in prediction.unread)
    offered = isinstance(decision, Escalate) and decision.offer
    return {
        "prediction": prediction,
        "decision": "Says it is unsure" if offered else _DECISIONS.get(type(decision), type(decision).__name__),
        "kind": type(decision).__name__.lower(),
        "reason": decision.reason.value if isinstance(decision, Escalate) else "",
        "then_escalate": isinstance(decision, Answer) and decision.then_escalate,
        "reply": saying(decision, prediction, problems, voice, now),
        "entry": knowledge.entry(prediction.entry),
        "candidates": [wire.dump(one) for one in prediction.candidates[:4]],
        "questions": {one.id: one.question for one in knowledge.entries},
    }
