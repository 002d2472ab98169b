"""What the desk shows, read from the store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bot.console.sessions import Visitor
from bot.wiring import House
from core import wire
from core.asking import Prediction, Question
from core.conversation import Conversation, Owner
from core.errors import BadInput
from core.history import LabelledTurn, Past, labelled, past_of, placed
from core.knowledge.entries import Entry, KnowledgeBase
from core.policy import alone
from core.store.store import Tx
from core.store.tables import new_id
from core.store.transcript import Message, MessageKind
from core.store.turns import TurnRecord
from core.thinking import MEDIA_SECONDS
from core.values import AttachmentKind, Role
from core.waiting import HEAD_START, in_order, moved_ahead

_TALK = 500  # messages of a conversation that are shown, the last ones
_FOUND = 50
_WAITING = 100  # who wait that are shown, of at most
_LOOKED_AT = 500  # that are put in order
_OFFERED = 8  # entries that a search among them shows
_COMMANDS = ("/human", "/help", "/start")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A conversation in the list, with the last thing that was said in it."""

    conversation: Conversation
    said: str = ""
    by: str = ""
    ahead: str = ""  # where strain was found that puts them before others who wait

    @property
    def unanswered(self) -> bool:
        """Whether an agent has it and the customer spoke last."""
        one = self.conversation
        return one.open and one.owner is Owner.AGENT and one.heard_at > one.agent_at


async def tickets(home: House, visitor: Visitor, open: str, q: str) -> dict[str, Any]:
    """The list at the left: who waits, who is with whom, or what a search finds."""
    words = q.strip()

    async def read(tx: Tx) -> dict[str, tuple[Ticket, ...]]:
        if words:
            return {"found": await _told(tx, await tx.conversations.search(words, limit=_FOUND))}
        with_agents = await tx.conversations.list(Owner.AGENT)
        now = home.store.clock.now()
        waiting = in_order(await tx.conversations.list(Owner.DESK, limit=_LOOKED_AT), now)[:_WAITING]
        told = await _told(tx, waiting)
        return {
            "waiting": tuple(replace(one, ahead=_ahead(one.conversation, now)) for one in told),
            "mine": await _told(tx, [one for one in with_agents if one.agent == visitor.name]),
            "others": await _told(tx, [one for one in with_agents if one.agent != visitor.name]),
            "bots": await _told(tx, await tx.conversations.list(Owner.BOT, limit=30)),
            "resolved": await _told(tx, await tx.conversations.list(resolved=True, limit=15)),
        }

    minutes = HEAD_START // 60_000
    return {"open": open, "q": q, "lists": await home.store.read(read), "head_start": minutes}


def _ahead(conversation: Conversation, now: int) -> str:
    return conversation.strained if moved_ahead(conversation, now) else ""


async def conversation_shown(home: House, visitor: Visitor, id: str) -> dict[str, Any]:
    """A whole conversation.

    Raises:
        BadInput: there is none.
    """

    async def read(tx: Tx) -> dict[str, Any]:
        shown = await tx.conversations.get(id)
        if shown is None:
            raise BadInput("there is no such conversation; it may have been deleted")
        earlier = await tx.conversations.search(shown.author.id, limit=6)
        return {
            "shown": shown,
            "messages": await tx.transcript.latest(id, limit=_TALK),
            "turns": await tx.turns.list(id),
            "labels": await tx.labels.of(id),
            "handoffs": await tx.desk.history(id),
            "earlier": [one for one in earlier if one.id != id and one.author.id == shown.author.id],
        }

    found = await home.store.read(read)
    knowledge = (await home.live.of(found["shown"].kb_id)).knowledge
    past = Past(found["shown"], found["turns"], found["labels"], found["messages"], found["handoffs"])
    return {
        **found,
        "candidates": _candidates(knowledge, past.conversation, past.turns[-1] if past.turns else None),
        "about": _about(past),
        "drafted": _predicted(past, (MessageKind.DRAFT,)),
        "explained": _predicted(past, (MessageKind.DRAFT, MessageKind.SAID)),
        "questions": {entry.id: entry.question for entry in knowledge.entries},
        "mine": found["shown"].owner is Owner.AGENT and found["shown"].agent == visitor.name,
        "me": visitor.name,
        "seen": max((message.seq for message in found["messages"]), default=0),
    }


async def turn_shown(home: House, id: str, turn: str) -> dict[str, Any]:
    """What an agent may say a turn was about.

    Raises:
        BadInput: there is no such turn, or the customer took it back.
    """
    past = await home.store.read(lambda tx: past_of(tx, id))
    asked = next((one for one in labelled(past) if one.id == turn), None) if past else None
    if past is None or asked is None:
        raise BadInput("this conversation has no such question any more; reload the page")
    record = next(one for one in past.turns if one.id == turn)
    prediction = wire.load(Prediction, record.prediction) if record.prediction else None
    scores = {one.entry: one.score for one in prediction.candidates[:4]} if prediction else {}
    knowledge = (await home.live.of(past.conversation.kb_id)).knowledge
    offered = dict.fromkeys(filter(None, (asked.said, *scores, asked.expect)))
    known = [entry for name in offered if (entry := knowledge.entry(name)) is not None]
    return {"shown": past.conversation, "asked": asked, "offered": known, "scores": scores}


async def turn_explained(home: House, id: str, turn: str) -> dict[str, Any]:
    """What moved the bot in a turn, found by asking it the same once more.

    Raises:
        BadInput: there is no such turn, or what was asked in it is not kept any more. Retry: no worker answered.
    """
    record = await home.store.read(lambda tx: tx.turns.get(turn))
    if record is None or record.conversation != id or not record.question or not record.prediction:
        raise BadInput("this conversation has no such question any more; reload the page")
    then = wire.load(Prediction, record.prediction)
    asked = wire.load(Question, record.question)
    if not all(home.store.blobs.exists(blob) for blob in (asked.release, *asked.photos, *asked.voices)):
        raise BadInput("what was asked then is not kept any more")
    deadline = home.store.clock.now() + int(MEDIA_SECONDS * 1000)
    again = replace(asked, id=new_id(), attempt=1, deadline=deadline, explain=True)
    now = await home.brain.ask(again)
    published = await home.live.at(asked.release)
    return {
        "evidence": now.evidence,
        "changed": alone(now, published.knowledge) != alone(then, published.knowledge),
        "questions": {entry.id: entry.question for entry in published.knowledge.entries},
    }


async def entries_found(home: House, id: str, q: str) -> dict[str, Any]:
    """The entries in which somebody's words stand.

    Raises:
        BadInput: there is no such conversation.
    """
    shown = await home.store.read(lambda tx: tx.conversations.get(id))
    if shown is None:
        raise BadInput("there is no such conversation; it may have been deleted")
    knowledge = (await home.live.of(shown.kb_id)).knowledge
    words = q.casefold().split()
    found = [entry for entry in knowledge.entries if words and _speaks_of(entry, words)]
    return {"shown": shown, "found": found[:_OFFERED], "more": max(0, len(found) - _OFFERED), "q": q.strip()}


def _speaks_of(entry: Entry, words: list[str]) -> bool:
    told = " ".join((entry.id, *entry.phrases)).casefold()
    return all(word in told for word in words)


def _about(past: Past) -> dict[str, LabelledTurn]:
    """Each turn under the customer's last message in it."""
    return {own[-1].id: turn for turn, own in placed(past) if own}


def _predicted(past: Past, kinds: tuple[MessageKind, ...]) -> dict[str, str]:
    """The turn that each message of the bot's, or draft, answers."""
    told = [message for message in past.messages if message.kind in kinds and message.facts.get("candidates")]
    before = {one.id: [turn.id for turn in past.turns if turn.opened_at <= one.at] for one in told}
    return {message: turns[-1] for message, turns in before.items() if turns}


def _candidates(knowledge: KnowledgeBase, conversation: Conversation, last: TurnRecord | None) -> list[dict[str, Any]]:
    """The bot's ideas for the last question, each with the answer an agent can take."""
    if last is None or not last.prediction:
        return []
    prediction = wire.load(Prediction, last.prediction)
    known = [(one, knowledge.entry(one.entry)) for one in prediction.candidates[:4]]
    return [
        {
            "entry": one.entry,
            "score": one.score,
            "channels": one.channels,
            "question": entry.question,
            "answer": entry.answer_in(conversation.language, knowledge.language).strip(),
            "media": entry.media,
            "turn": last.id,
        }
        for one, entry in known
        if entry is not None and entry.enabled
    ]


async def _told(tx: Tx, conversations: Any) -> tuple[Ticket, ...]:
    return tuple([Ticket(one, *_line(await tx.transcript.latest(one.id, limit=8))) for one in conversations])


def _line(messages: tuple[Message, ...]) -> tuple[str, str]:
    """The last thing that a person wrote, in one line, and which agent it was."""
    for message in reversed(messages):
        if message.kind is not MessageKind.SAID or message.deleted_at:
            continue
        if (
            message.author.role not in (Role.CUSTOMER, Role.AGENT)
            or message.facts.get("tap")
            or message.text in _COMMANDS
        ):
            continue
        by = message.author.name if message.author.role is Role.AGENT else ""
        words = " ".join((message.text or str(message.facts.get("transcript", ""))).split())
        if not words and message.attachments:
            words = {AttachmentKind.PHOTO: "Photo", AttachmentKind.VOICE: "Voice note"}.get(
                message.attachments[0].kind, "File"
            )
        if words:
            return words[:140], by
    return "", ""
