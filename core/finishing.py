"""The end of a turn: the prediction is judged against the world as it is now, then said, drafted or handed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core import conversation as moves
from core import wire
from core.amending import MISSES, Amended
from core.asking import Answer, Decision, Escalate, Hold, Prediction, Question, Reason
from core.conversation import Conversation, Owner
from core.live import Published
from core.policy import decide, kind
from core.ports import Clock
from core.saying import Saying, foreign, handed_over, introduced, met, saying, unread, voice_for
from core.speaking import SYSTEM, Mouth
from core.store.outbox import Delivery, Outgoing
from core.store.store import Tx
from core.values import EventKind, InboundEvent, Problem, Role, Turn
from core.waiting import forgotten, noted, unasked

HOLDING = "holding"  # the notice of words that only ask for a moment
STALE_MS = 2 * 3600 * 1000  # older words get an apology and a human: nobody waits for a bot that long
_JUST_NOW_MS = 10 * 60_000
_UNDER_WAY = (Delivery.READY, Delivery.SENDING, Delivery.SENT)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking; `question` is None when nothing could be read, `prediction` when nobody answered it.

    `stale` when the words were too old to be asked about.
    """

    question: Question | None
    prediction: Prediction | None
    problems: tuple[Problem, ...] = ()
    stale: bool = False


class Finishing:
    """Works inside one transaction, so that decision, words and ledger are one fact.

    `notice` is what customers read in the bot's first words about their tone being looked at; empty when it is not.
    """

    def __init__(self, mouth: Mouth, clock: Clock, notice: str = "") -> None:
        self._mouth = mouth
        self._clock = clock
        self.notice = notice

    async def finish(
        self,
        tx: Tx,
        conversation: Conversation,
        turn: Turn,
        outcome: Outcome,
        published: Published,
        amends: Amended | None = None,
    ) -> Decision:
        """Decide, now that the transaction sees who has the word, and do it.

        A turn that `amends` an answered one says nothing when nothing changes, and else replaces the reply. A human who
        was asked then has come and gone since: they are asked anew.
        """
        prediction = outcome.prediction
        if prediction is not None:
            await _note_what_was_heard(tx, turn.events, prediction)
            speaks = published.knowledge.languages
            if prediction.spoken and prediction.language in speaks and prediction.language != conversation.language:
                conversation = replace(conversation, language=prediction.language)
            conversation = noted(conversation, prediction)
        # What the first part of a turn came to is no miss of its own when the turn goes on.
        if amends and conversation.owner is Owner.BOT:
            conversation = replace(conversation, misses=amends.misses)
        decision = _judge(conversation, outcome, published)
        decided = {"kind": kind(decision), **wire.dump(decision)}
        await tx.turns.record(
            turn.id,
            conversation.id,
            events=[event.id for event in turn.events],
            question=wire.dump(unasked(outcome.question)) if outcome.question else None,
            prediction=wire.dump(forgotten(prediction)) if prediction else None,
            decision={**decided, MISSES: conversation.misses},
            release=published.blob,
        )
        if isinstance(decision, Hold):
            await self._hold(tx, conversation, turn, decision, outcome, published)
        elif amends is None or decided != amends.decision or _hands_over(decision):
            if amends is not None and await tx.outbox.withdraw(conversation.id, amends.turns):
                # Nothing of the old answer was seen, so the new one is said as if it were the only one.
                conversation = _unmet(conversation, amends.first)
                amends = None
            await self._say(tx, conversation, turn, decision, outcome, published, amends)
        return decision

    async def hand_over(
        self, tx: Tx, conversation: Conversation, reason: Reason, published: Published, turn: str = "", lead: str = ""
    ) -> Conversation:
        """Ask for a human, and tell the customer."""
        now = self._clock.now()
        voice = voice_for(conversation, published.knowledge, turn)
        words = introduced(handed_over(reason, voice, now).after(lead), conversation, voice, self.notice)
        moved = met(moves.hand_over(conversation, reason.value, now), self.notice)
        moved = await tx.conversations.put(moved)
        await tx.desk.open(conversation.id, reason.value)
        # Should one claim before these words leave, "… is here for you now" takes their place.
        await self._mouth.say(tx, moved, words, now=now, turn=turn, facts={"reason": reason.value})
        return moved

    async def _say(
        self,
        tx: Tx,
        conversation: Conversation,
        turn: Turn,
        decision: Decision,
        outcome: Outcome,
        published: Published,
        amends: Amended | None = None,
    ) -> None:
        now = self._clock.now()
        voice = voice_for(conversation, published.knowledge, turn.id)
        problems = _all_problems(outcome)
        lost = unread(problems, voice) if not _only_unread(decision) else ""
        if isinstance(decision, Escalate) and _hands_over(decision):
            if decision.reason is Reason.LANGUAGE and outcome.prediction is not None:
                lost = "\n".join(filter(None, (lost, foreign(outcome.prediction, voice))))
            await self.hand_over(tx, conversation, decision.reason, published, turn.id, lost)
            return
        if await _answered_so(tx, conversation, turn.events, decision):
            return
        words = saying(decision, outcome.prediction, problems, voice, now).before(lost)
        known = isinstance(decision, Answer) and not decision.builtin and amends is None
        if known and await _told_just_now(tx, conversation, words, now):
            # Whoever hears the same words again has read them, and needs something else.
            words = Saying(voice.say("repeated"), (voice.person(), *words.offers)).before(lost)
        if amends and not amends.reply and amends.decision["kind"] != "hold":
            words = words.after(voice.say("corrected"))
        edits = amends.reply if amends else ""
        again = bool(amends and amends.first and edits)  # the words that said who is speaking are replaced
        words = introduced(words, _unmet(conversation, again), voice, self.notice)
        misses = 0 if isinstance(decision, Answer) else conversation.misses + _counts(decision)
        moved = await tx.conversations.put(replace(met(conversation, self.notice), misses=misses))
        await self._mouth.say(tx, moved, words, now=now, turn=turn.id, facts=_facts(decision, outcome), edits=edits)
        if isinstance(decision, Answer) and decision.then_escalate:
            await self.hand_over(tx, moved, Reason.ENTRY, published, turn.id)

    async def _hold(
        self,
        tx: Tx,
        conversation: Conversation,
        turn: Turn,
        decision: Hold,
        outcome: Outcome,
        published: Published,
    ) -> None:
        """A human has the word, had it last, or will have: the bot's idea becomes a draft.

        The first words of whoever waits get a receipt. A closed conversation gets no words: the last ones told the
        customer how to go on.
        """
        now = self._clock.now()
        voice = voice_for(conversation, published.knowledge, turn.id)
        prediction = outcome.prediction
        known = published.knowledge.entry(prediction.entry) if prediction else None
        if prediction is not None and known is not None:
            text = known.answer_in(voice.language, published.knowledge.language)
            await tx.transcript.draft(conversation.id, text, _facts(decision, outcome))
        if not conversation.open:
            return
        if not conversation.acknowledged:
            conversation = replace(conversation, acknowledged=True)
            if decision.reason is Reason.DESK:
                words = Saying(voice.say("waiting"))
                words = words if conversation.noticed else words.before(self.notice)
                conversation = met(conversation, self.notice)
                await self._mouth.say(tx, conversation, words, now=now)
            else:  # they blocked us when it was said
                words = Saying(voice.say("claimed", name=conversation.agent_name))
                await self._mouth.say(tx, conversation, words, now=now, author=SYSTEM)
        await tx.conversations.put(conversation)


def _judge(conversation: Conversation, outcome: Outcome, published: Published) -> Decision:
    if not conversation.open or conversation.owner is Owner.AGENT:
        return Hold(Reason.AGENT)
    if conversation.owner is Owner.DESK:
        return Hold(Reason.DESK)
    if outcome.stale:
        return Escalate(Reason.STALE)
    if outcome.question is None:
        return Escalate(Reason.UNREADABLE, offer=True)
    if outcome.prediction is None:
        return Escalate(Reason.BRAIN)
    return decide(conversation, outcome.prediction, published.knowledge)


async def _answered_so(tx: Tx, conversation: Conversation, events: Sequence[InboundEvent], decision: Decision) -> bool:
    """Whether only edits were heard, and what was edited has this answer already: then it is not said again.

    Unless it may not have arrived: an edit is also how people ask again when we said that something may be missing.
    """
    if not isinstance(decision, Answer) or any(event.kind is not EventKind.EDITED for event in events):
        return False
    for event in events:
        said: tuple[Outgoing, ...] = ()
        for turn in await tx.ledger.turns_of(conversation.id, event.message):
            kept = await tx.turns.get(turn)
            judged = kept.decision if kept else None
            if judged is None or judged["kind"] != "answer":
                return False
            if (judged["entry"], judged["builtin"]) != (decision.entry, decision.builtin):
                return False
            if said := await tx.outbox.list(conversation.id, turn=turn):
                break  # those after it said nothing new
        if not said or any(row.state not in _UNDER_WAY for row in said):
            return False
    return True


async def _told_just_now(tx: Tx, conversation: Conversation, words: Saying, now: int) -> bool:
    """Whether these are the last words that the customer has read from us."""
    latest = await tx.transcript.latest(conversation.id, limit=6)
    said = [message for message in latest if message.author.role is not Role.CUSTOMER]
    return bool(
        said
        and said[-1].author.role is Role.BOT
        and said[-1].text.endswith(words.text)
        and not said[-1].facts.get("delivery")
        and now - said[-1].at < _JUST_NOW_MS
    )


def _unmet(conversation: Conversation, first: bool) -> Conversation:
    """The conversation without its introduction, where the words that held it, the first, are gone."""
    return replace(conversation, welcomed=False, noticed=False) if first else conversation


def _all_problems(outcome: Outcome) -> tuple[Problem, ...]:
    worker = tuple(part.problem for part in outcome.prediction.unread) if outcome.prediction else ()
    return outcome.problems + worker


def _hands_over(decision: Decision) -> bool:
    return isinstance(decision, Escalate) and not decision.offer


def _only_unread(decision: Decision) -> bool:
    """Whether the words of the decision name by themselves what could not be read."""
    return isinstance(decision, Escalate) and decision.reason is Reason.UNREADABLE and decision.offer


def _counts(decision: Decision) -> int:
    """Whether it is a miss; asking back is none, nor is a sticker, however many follow it."""
    return int(isinstance(decision, Escalate) and decision.reason is not Reason.UNREADABLE)


def _facts(decision: Decision, outcome: Outcome) -> dict[str, Any]:
    """What the desk shows about a message of the bot."""
    facts: dict[str, Any] = {"decision": kind(decision)}
    if isinstance(decision, Answer):
        facts |= {"entry": decision.entry, "builtin": decision.builtin}
    if isinstance(decision, Escalate | Hold):
        facts["reason"] = decision.reason.value
    prediction = outcome.prediction
    if prediction is not None:
        facts |= {
            "confidence": prediction.confidence,
            "answer_at": prediction.answer_at,
            "candidates": [wire.dump(candidate) for candidate in prediction.candidates[:5]],
            "ocr": list(prediction.ocr),
            "transcript": prediction.transcript,
            "language": prediction.language,
            "evidence": prediction.evidence,
            "model": prediction.model,
            "release": prediction.release,
        }
    return facts


async def _note_what_was_heard(tx: Tx, events: Sequence[InboundEvent], prediction: Prediction) -> None:
    """Put the transcript of the voice notes and the words read in the photos beside the customer's message."""
    facts: dict[str, Any] = {}
    if prediction.transcript:
        facts["transcript"] = prediction.transcript
    if prediction.ocr:
        facts["ocr"] = list(prediction.ocr)
    spoken = [event for event in events if event.attachments]
    if facts and spoken:
        message = await tx.transcript.of_event(spoken[-1].id)
        if message is not None:
            await tx.transcript.add_facts(message.id, facts)
