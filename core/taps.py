"""What needs no model: the platform's own commands, and taps on our buttons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core import conversation as moves
from core import wire
from core.asking import Prediction, Reason
from core.conversation import Conversation, Owner
from core.finishing import Finishing
from core.live import Published
from core.policy import SHOWN
from core.ports import Clock
from core.saying import Saying, Voice, answer, clarify, introduced, met, voice_for
from core.speaking import Mouth
from core.store.store import Tx
from core.values import EventKind, InboundEvent


class Taps:
    """Works inside one transaction."""

    def __init__(self, mouth: Mouth, finishing: Finishing, clock: Clock) -> None:
        self._mouth = mouth
        self._finishing = finishing
        self._clock = clock

    async def take(self, tx: Tx, conversation: Conversation, event: InboundEvent, published: Published) -> None:
        """Do what a command or a tap asks for; anything else (a block, an unknown kind) asks for nothing."""
        if event.kind is EventKind.TAPPED:
            meaning = await tx.buttons.take(event.tap) or {}
            if meaning and not await tx.buttons.spend(event.tap):
                return  # tapped twice: the first tap was acted upon
            await self._tapped(tx, conversation, event, meaning, published)
        elif event.kind is EventKind.CREATED and event.command:
            await self._command(tx, conversation, event.command, published)

    async def _command(self, tx: Tx, conversation: Conversation, command: str, published: Published) -> None:
        voice = voice_for(conversation, published.knowledge)
        if command == "human":
            await self._person(tx, conversation, published)
        elif conversation.owner is Owner.AGENT:
            return  # the human sees it in the transcript
        elif command == "start":
            words = Saying(voice.say("welcome"), (voice.person(),))
            words = words if conversation.noticed else words.before(self._finishing.notice)
            await self._say(tx, met(conversation, self._finishing.notice), words)
        else:
            await self._help(tx, conversation, voice)

    async def _help(self, tx: Tx, conversation: Conversation, voice: Voice) -> None:
        notice = self._finishing.notice
        words = introduced(Saying(voice.say("help"), (voice.person(),)), conversation, voice, notice)
        await self._say(tx, met(conversation, notice), words)

    async def _tapped(
        self, tx: Tx, conversation: Conversation, event: InboundEvent, meaning: dict[str, Any], published: Published
    ) -> None:
        """A tap is a label first; then it is acted upon, if the bot has the word."""
        turn = str(meaning.get("turn", ""))
        voice = voice_for(conversation, published.knowledge, turn)
        entry = str(meaning.get("entry", ""))
        do = meaning.get("do")
        prediction = await self._prediction(tx, turn)
        if do in ("entry", "none", "not_it"):
            await tx.labels.add(
                conversation.id,
                {"entry": "chosen", "none": "none_of_these", "not_it": "wrong"}[str(do)],
                entry=entry,
                turn=turn,
                release=prediction.release if prediction else published.blob,
                model=prediction.model if prediction else "",
                by=event.author.id,
                detail={"shown": meaning.get("shown", [])},
            )
        if do == "bot" and conversation.owner is Owner.DESK:
            moved = await tx.conversations.put(moves.ask_the_bot(conversation))
            await tx.desk.close(conversation.id)
            await self._say(tx, moved, Saying(voice.say("back")))
        elif conversation.owner is Owner.DESK and not conversation.acknowledged:
            await self._say(tx, replace(conversation, acknowledged=True), Saying(voice.say("waiting")))
        elif conversation.owner is not Owner.BOT:
            return  # the human sees the tap in the transcript
        elif do == "person":
            await self._person(tx, conversation, published)
        elif do == "entry" and (known := published.knowledge.entry(entry)) and known.enabled:
            moved = await self._say(
                tx, replace(conversation, misses=0), answer(entry, voice), decision="answer", entry=entry
            )
            if known.escalate:
                await self._finishing.hand_over(tx, moved, Reason.ENTRY, published, turn)
        elif do in ("none", "not_it"):
            await self._next(tx, conversation, meaning, prediction, voice, published)
        else:
            # An old button: its meaning has expired, or its entry is gone. Never silence.
            await self._help(tx, conversation, voice)

    async def _next(
        self,
        tx: Tx,
        conversation: Conversation,
        meaning: dict[str, Any],
        prediction: Prediction | None,
        voice: Voice,
        published: Published,
    ) -> None:
        """That was not it: offer the next candidates, or a person; the second time in a row, ask for one."""
        seen = {str(meaning.get("entry", "")), *map(str, meaning.get("shown", []))}
        left = [one.entry for one in prediction.candidates if one.entry not in seen] if prediction else []
        left = [name for name in left if (known := published.knowledge.entry(name)) and known.enabled]
        if conversation.misses or not left:
            await self._finishing.hand_over(tx, conversation, Reason.WRONG, published, voice.turn)
            return
        offered = clarify(tuple(left[:SHOWN]), voice, "wrong")
        offered = replace(offered, offers=(*offered.offers, voice.person()))
        await self._say(tx, replace(conversation, misses=1), offered, decision="clarify")

    async def _person(self, tx: Tx, conversation: Conversation, published: Published) -> None:
        if conversation.owner is Owner.BOT:
            await self._finishing.hand_over(tx, conversation, Reason.ASKED, published)
        elif conversation.owner is Owner.DESK:
            voice = voice_for(conversation, published.knowledge)
            await self._say(tx, replace(conversation, acknowledged=True), Saying(voice.say("waiting")))

    async def _say(self, tx: Tx, conversation: Conversation, words: Saying, **facts: object) -> Conversation:
        stored = await tx.conversations.put(conversation)
        await self._mouth.say(tx, stored, words, now=self._clock.now(), facts=facts)
        return stored

    @staticmethod
    async def _prediction(tx: Tx, turn: str) -> Prediction | None:
        kept = await tx.turns.get(turn) if turn else None
        return wire.load(Prediction, kept.prediction) if kept and kept.prediction else None
