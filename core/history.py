"""What past turns teach: each with the entry that it turned out to be about."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush

from core.conversation import Conversation
from core.knowledge.entries import NONE
from core.knowledge.rules import id_problem
from core.store.desk import Handoff
from core.store.labels import Label, LabelKind
from core.store.outbox import Delivery
from core.store.store import Store, Tx
from core.store.transcript import Message, MessageKind
from core.store.turns import TurnRecord
from core.values import Role

AGENT = "agent"  # an agent chose or corrected it
TAP = "tap"  # the customer tapped it
SILENCE = "silence"  # nobody objected to the automatic answer: weak
PAGE = 100  # conversations that are read at once
_MESSAGES = 1000  # of one conversation that are read at once


@dataclass(frozen=True, slots=True)
class LabelledTurn:
    """A question of a customer, what the bot did with it, and what people said about that.

    `id` and `conversation` name it; `at` is when it was decided, UTC ms. `text`, `photos` and `voices` (blobs) and
    `history` (the customer's earlier words) are what was asked.

    `expect` is the entry it was about, `none` when it was about none of them, empty when nobody knows; `by` is who
    said so: AGENT before TAP before SILENCE, of the same kind the later one; empty when nothing is known. `denied` are
    the entries that somebody said are wrong, in the order in which it was said, never `expect`.

    `decision` is answer, clarify, escalate or hold; `said` is the entry whose answer the customer got automatically,
    empty when it got none (small talk, a topic that was tapped and an answer that was withheld are none). `confidence`
    is the calibrated probability with which the model put its best entry forward, None when no worker answered.
    `release` is the blob that was live, `model` what predicted, `language` what was spoken, each possibly empty.
    """

    id: str
    conversation: str
    at: int
    text: str = ""
    photos: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    expect: str = ""
    by: str = ""
    denied: tuple[str, ...] = ()
    decision: str = ""
    said: str = ""
    confidence: float | None = None
    language: str = ""
    release: str = ""
    model: str = ""

    @property
    def labelled(self) -> bool:
        """Whether anything is known about the right answer."""
        return bool(self.expect or self.denied)

    @property
    def wrong(self) -> bool | None:
        """Whether the automatic answer was wrong; None when there was none, or nobody knows."""
        if not self.said or not self.labelled:
            return None
        if self.expect:
            return self.expect != self.said
        return True if self.said in self.denied else None


@dataclass(frozen=True, slots=True)
class Past:
    """What a conversation left behind, each part oldest first."""

    conversation: Conversation
    turns: Sequence[TurnRecord]
    labels: Sequence[Label]
    messages: Sequence[Message]
    handoffs: Sequence[Handoff]


async def turns_since(tx: Tx, since: int = 0, *, ended: bool = False, page: int = PAGE) -> AsyncIterator[LabelledTurn]:
    """Every turn asked at `since` (UTC ms) or later, conversation by conversation; `ended` leaves out the open ones.

    Turns about which nothing is known come too: `LabelledTurn.labelled` and `wrong` tell them apart. Silence is a
    label only once a conversation has ended.
    """
    after = ""
    while ids := await tx.turns.talks(since=since, ended=ended, after=after, limit=page):
        for id in ids:
            past = await past_of(tx, id)
            for turn in labelled(past) if past else ():
                if turn.at >= since:
                    yield turn
        after = ids[-1]


async def oldest_first(
    store: Store, since: int = 0, *, resolved_since: int = 0, page: int = PAGE
) -> AsyncIterator[LabelledTurn]:
    """The turns of ended conversations about which something is known, asked at `since` or later, oldest first.

    Conversations that ended before `resolved_since` are left out. Each page is a read transaction of its own, so that
    nobody waits for whoever takes the turns; in memory are those of conversations that went on at the same time.
    """
    after, waiting = "", list[tuple[int, str, LabelledTurn]]()
    while True:
        look = partial(_ended, since=since, resolved_since=resolved_since, after=after, page=page)
        pasts = await store.read(look)
        if not pasts:
            break
        after = pasts[-1].conversation.id
        for turn in (turn for past in pasts for turn in labelled(past)):
            if turn.labelled and turn.at >= since:
                heappush(waiting, (turn.at, turn.id, turn))
        # A later conversation has an id that sorts later, and no turn before it began.
        while waiting and waiting[0][0] < pasts[-1].conversation.opened_at:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


async def past_of(tx: Tx, id: str) -> Past | None:
    """Everything about one conversation; None when it is gone."""
    conversation = await tx.conversations.get(id)
    if conversation is None:
        return None
    messages: list[Message] = []
    while more := await tx.transcript.list(id, after=messages[-1].seq if messages else 0, limit=_MESSAGES):
        messages += more
        if len(more) < _MESSAGES:
            break
    return Past(conversation, await tx.turns.list(id), await tx.labels.of(id), messages, await tx.desk.history(id))


def labelled(past: Past) -> tuple[LabelledTurn, ...]:
    """The turns of a conversation with what is known about each, oldest first.

    A turn that went on (late photos of an album) counts once, as what it became. Left out is a turn of which nothing
    could be read, and one whose words or files the customer deleted or changed since.
    """
    return tuple(turn for turn, _ in placed(past))


def placed(past: Past) -> tuple[tuple[LabelledTurn, tuple[Message, ...]], ...]:
    """As `labelled`, each turn with the customer's messages that it consists of."""
    became = _became(past.turns)
    told: dict[str, list[Label]] = {}
    for label in past.labels:
        told.setdefault(became.get(label.turn, label.turn), []).append(label)
    talk = _Talk(past.messages)
    turns = [turn for turn in past.turns if turn.id not in became]
    found = []
    for place, turn in enumerate(turns):
        own = talk.own(turn) if turn.question else None
        if own is None:
            continue
        near = (*turns[max(place - 1, 0) : place], *turns[place + 1 : place + 2])
        delivery = talk.delivery(turn.opened_at, turns[place + 1].opened_at if place + 1 < len(turns) else None)
        said = "" if delivery in (Delivery.SUPERSEDED, Delivery.REFUSED) else _answered(turn)
        expect, by, denied = _judged(told.get(turn.id, ()), said)
        if said and not (expect or denied or delivery) and _content(past, turn, near):
            expect, by = said, SILENCE
        judged = LabelledTurn(
            turn.id, turn.conversation, turn.opened_at, expect=expect, by=by, denied=denied, said=said
        )
        found.append((_with_question(judged, turn, past, talk.earlier(turn, own)), own))
    return tuple(found)


class _Talk:
    """A transcript, so that its messages are found without looking through all of them for every turn."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._by_event: dict[str, list[Message]] = {}
        for message in messages:
            self._by_event.setdefault(message.event, []).append(message)
        self._edited = [message for message in messages if message.edited_at and message.text.strip()]
        customers = [message for message in messages if message.author.role is Role.CUSTOMER]
        self._words = Counter(_words(message) for message in customers if not message.deleted_at)
        self._answers = sorted(
            (message.at, str(message.facts.get("delivery", "")))
            for message in messages
            if message.author.role is Role.BOT and message.kind is MessageKind.SAID and "candidates" in message.facts
        )

    def own(self, turn: TurnRecord) -> tuple[Message, ...] | None:
        """The messages of a turn; None when one was deleted, or says or shows something else by now.

        An edit is an event without a message of its own: it is known by its words.
        """
        question = turn.question or {}
        text = str(question.get("text", ""))
        own = [message for event in turn.events for message in self._by_event.get(event, ())]
        if len({message.event for message in own}) < len(set(turn.events)):
            edited = [message for message in self._edited if message.text.strip() in text]
            if not edited:
                return None
            own += [message for message in edited if message.event not in turn.events]
        if any(message.deleted_at or message.text.strip() not in text for message in own):
            return None
        there = {part.blob for message in own for part in message.attachments}
        wanted = {*question.get("photos", ()), *question.get("voices", ())}
        return tuple(own) if wanted <= there or not turn.events else None

    def earlier(self, turn: TurnRecord, own: Sequence[Message]) -> tuple[str, ...]:
        """The turn's history, without what the customer took back since."""
        ours = Counter(_words(message) for message in own)
        history = (turn.question or {}).get("history", ())
        return tuple(str(line) for line in history if self._words[line] > ours[line])

    def delivery(self, since: int, until: int | None) -> str:
        """What became of the answer on its way to the customer; empty when nothing went wrong."""
        place = bisect_left(self._answers, (since, ""))
        at, delivery = self._answers[place] if place < len(self._answers) else (since, "")
        return delivery if until is None or at < until else ""


def _words(message: Message) -> str:
    """What a message says, as a question's history has it."""
    return " ".join(part for part in (message.text, str(message.facts.get("transcript", ""))) if part)


async def _ended(tx: Tx, *, since: int, resolved_since: int, after: str, page: int) -> list[Past]:
    ids = await tx.turns.talks(since=since, ended=True, resolved_since=resolved_since, after=after, limit=page)
    return [past for id in ids if (past := await past_of(tx, id)) is not None]


def _became(turns: Sequence[TurnRecord]) -> dict[str, str]:
    """The turns that went on, each with the last one that holds all its events."""
    holding: dict[str, list[TurnRecord]] = {}
    for turn in turns:
        for event in turn.events:
            holding.setdefault(event, []).append(turn)
    became: dict[str, str] = {}
    for turn in turns:
        later = [one for one in holding[turn.events[0]] if set(turn.events) <= set(one.events)] if turn.events else []
        if later and later[-1] is not turn:
            became[turn.id] = later[-1].id
    return became


def _answered(turn: TurnRecord) -> str:
    """The entry that the bot decided to answer; empty for anything else, small talk included."""
    decision = turn.decision or {}
    return str(decision.get("entry", "")) if decision.get("kind") == "answer" and not decision.get("builtin") else ""


def _judged(labels: Sequence[Label], said: str) -> tuple[str, str, tuple[str, ...]]:
    """What people said about a turn: the entry, who said so, the entries that it is not."""
    chosen = named = ""  # by the customer, by an agent
    corrected = False
    denied: dict[str, None] = {}  # a set in order
    for label in labels:
        known = bool(label.entry) and not id_problem(label.entry)
        if label.kind == LabelKind.CHOSEN and known:
            chosen = label.entry
            denied.pop(chosen, None)
        elif label.kind in (LabelKind.WRONG, LabelKind.NONE_OF_THESE):
            shown = label.detail.get("shown")
            offered = (label.entry, *(map(str, shown) if isinstance(shown, list) else ()))
            denied |= dict.fromkeys(entry for entry in offered if entry and not id_problem(entry))
            chosen = "" if chosen in denied else chosen
        elif label.kind == LabelKind.AGENT_ENTRY and known:
            named = label.entry
        elif label.kind == LabelKind.CORRECTED and (known or label.entry in ("", NONE)):
            named, corrected = label.entry, bool(label.entry)
    if corrected and said:  # whoever corrects an answer says that it was wrong
        denied[said] = None
    expect = named or chosen
    denied.pop(expect, None)
    by = AGENT if named else TAP if chosen or denied else ""
    return expect, by, tuple(denied)


def _content(past: Past, turn: TurnRecord, near: Sequence[TurnRecord]) -> bool:
    """Whether a conversation ended as if the answer had been right: nobody was asked for, nor the same asked again."""
    over = not past.conversation.open and not past.conversation.blocked
    alone = _answered(turn) not in {_answered(one) for one in near}
    return over and alone and all(handoff.opened_at < turn.opened_at for handoff in past.handoffs)


def _with_question(judged: LabelledTurn, turn: TurnRecord, past: Past, history: tuple[str, ...]) -> LabelledTurn:
    asked, thought = turn.question or {}, turn.prediction or {}
    return replace(
        judged,
        text=str(asked.get("text", "")),
        photos=tuple(map(str, asked.get("photos", ()))),
        voices=tuple(map(str, asked.get("voices", ()))),
        history=history,
        decision=str((turn.decision or {}).get("kind", "")),
        confidence=float(thought["confidence"]) if "confidence" in thought else None,
        language=str(thought.get("language") or asked.get("language") or past.conversation.language),
        release=str(thought.get("release") or turn.release),
        model=str(thought.get("model", "")),
    )
