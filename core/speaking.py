"""The mouth: turns something to say into transcript, buttons and outbox rows, inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.conversation import Conversation
from core.ports import Adapter
from core.saying import Saying
from core.store.store import Tx
from core.store.transcript import Message
from core.values import Attachment, AttachmentKind, Author, Choice, Reply, Role

BOT = Author(id="bot", role=Role.BOT)
SYSTEM = Author(id="system", role=Role.SYSTEM)  # tells who has the word
BUTTON_LIFE = 30 * 24 * 3600 * 1000  # ms for which a tap on an old message still means something


@dataclass(frozen=True, slots=True)
class Mouth:
    """Speaks through the doors that are open, keyed by platform."""

    doors: Mapping[str, Adapter]

    async def say(
        self,
        tx: Tx,
        conversation: Conversation,
        said: Saying,
        *,
        now: int,
        author: Author = BOT,
        turn: str = "",
        fenced: bool = True,
        facts: Mapping[str, Any] | None = None,
        edits: str = "",
        event: str = "",
    ) -> Message:
        """Write it down and queue its calls.

        `fenced` words are dropped if a human claims before they leave; what tells who has the word now is not. While
        the customer blocks the bot, or the platform's door is shut, the words stay in the transcript alone. `edits` is
        the platform's id of the message that these words replace; `event` what they are known by in the transcript.
        """
        meanings = [{**offer.meaning, "label": offer.label} for offer in said.offers]
        keys = [await tx.buttons.make(conversation.id, meaning, now + BUTTON_LIFE) for meaning in meanings]
        pictures = [Attachment(AttachmentKind.PHOTO, blob=blob) for blob in said.pictures]
        message = await tx.transcript.append(
            conversation.id,
            author,
            said.text,
            attachments=pictures,
            event=event,
            facts={**(facts or {}), "offers": [offer.label for offer in said.offers]} if said.offers else facts,
        )
        door = self.doors.get(conversation.address.platform)
        if door is not None and not conversation.blocked:
            choices = tuple(Choice(key, offer.label) for key, offer in zip(keys, said.offers, strict=True))
            reply = Reply(said.text, choices, said.pictures, author, edits)
            calls = door.render(conversation.address, reply)
            await tx.outbox.add(conversation.id, calls, author.role, turn=turn, message=message.id, fenced=fenced)
        return message
