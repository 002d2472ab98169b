"""People and groups on the fake Telegram, as tests make them act."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.fakes.telegram import media
from tests.fakes.telegram.markup import units
from tests.fakes.telegram.media import Content, Upload
from tests.fakes.telegram.objects import chat_json, marks, member_json, message_json, query_json, user_json
from tests.fakes.telegram.view import Seen
from tests.fakes.telegram.world import Chat, Message, Query, User

if TYPE_CHECKING:
    from tests.fakes.telegram.server import FakeTelegram

TEXT_LIMIT = 4096


@dataclass(slots=True)
class Group:
    """A group with the bot in it."""

    telegram: FakeTelegram
    chat: Chat

    @property
    def id(self) -> int:
        """The chat id, which changes when the group is upgraded."""
        return self.chat.id

    async def upgrade(self) -> None:
        """Become a supergroup: a new id, told to the bot by two service messages."""
        old, new = self.chat, self.telegram.world.upgrade(self.chat)
        person = next(iter(old.members.values()), self.telegram.world.bot)
        for chat, body in ((old, {"migrate_to_chat_id": new.id}), (new, {"migrate_from_chat_id": old.id})):
            message = self.telegram.world.add(chat, person, "service", body)
            self.telegram.updates.push("message", message_json(message), f"chat {chat.id}")
        self.chat = new


class Customer:
    """A person who talks to the bot, privately unless `chat` names a group."""

    def __init__(self, telegram: FakeTelegram, user: User) -> None:
        self.telegram = telegram
        self.user = user
        self.private = telegram.world.private_chat(user)
        self._heard: dict[int, int] = {}

    @property
    def id(self) -> int:
        """The person's id, which is the id of the private chat too."""
        return self.user.id

    @property
    def seen(self) -> list[Seen]:
        """What stands in the private chat now."""
        return self.telegram.seen(self)

    async def says(
        self, text: str, *, chat: Group | None = None, reply_to: Message | Seen | None = None, thread: int = 0
    ) -> Message:
        """Type a message; what is longer than 4096 characters goes as several, and the last one is returned."""
        text = text.strip()
        head, rest = text, ""
        while units(head) > TEXT_LIMIT:
            cut = len(head) - max(1, (units(head) - TEXT_LIMIT) // 2)
            head, rest = head[:cut], head[cut:] + rest
        body: dict[str, Any] = {"text": head}
        if found := marks(head):
            body["entities"] = found
        message = self._post("text", (body, ()), chat, thread, reply_to=reply_to)
        return await self.says(rest, chat=chat, thread=thread) if rest else message

    async def starts(self, payload: str = "") -> Message:
        """Press Start, perhaps from a deep link."""
        return await self.says(f"/start {payload}")

    async def mentions(self, text: str, *, chat: Group, reply_to: Message | Seen | None = None) -> Message:
        """Say something in a group with the bot's name before it."""
        return await self.says(f"@{self.telegram.world.bot.username} {text}", chat=chat, reply_to=reply_to)

    async def sends_photo(
        self,
        content: bytes,
        *,
        caption: str = "",
        album: str = "",
        chat: Group | None = None,
        recompress: bool = True,
        thread: int = 0,
    ) -> Message:
        """Send a picture; those with the same `album` (any string of digits) belong together."""
        made = media.photo(self.telegram.world, content, recompress=recompress)
        return self._post("photo", _captioned(made, caption), chat, thread, album=album)

    async def album(
        self, contents: Sequence[bytes], *, caption: str = "", caption_on: int = 0, chat: Group | None = None
    ) -> list[Message]:
        """Send several pictures at once: an update each, the caption on one of them, no end mark."""
        name = str(secrets.randbits(53))
        return [
            await self.sends_photo(content, caption=caption if number == caption_on else "", album=name, chat=chat)
            for number, content in enumerate(contents)
        ]

    async def sends_voice(
        self,
        content: bytes,
        *,
        seconds: int = 5,
        mime: str = "audio/ogg",
        size: int | None = None,
        caption: str = "",
        chat: Group | None = None,
        thread: int = 0,
    ) -> Message:
        """Send a voice note; `size` claims another size than the content has, `mime` may be empty."""
        made = media.voice(self.telegram.world, Upload(content, "", mime), seconds, size)
        return self._post("voice", _captioned(made, caption), chat, thread)

    async def sends_audio(
        self, content: bytes, *, name: str = "song.mp3", mime: str = "audio/mpeg", seconds: int = 30
    ) -> Message:
        """Send a sound file as music."""
        made = media.audio(self.telegram.world, Upload(content, name, mime), seconds)
        return self._post("audio", made, None, 0)

    async def sends_video_note(self, content: bytes, *, seconds: int = 5) -> Message:
        """Send a round video."""
        return self._post("video_note", media.video_note(self.telegram.world, content, seconds), None, 0)

    async def sends_video(self, content: bytes, *, caption: str = "", mime: str = "video/mp4") -> Message:
        """Send a video."""
        made = media.video(self.telegram.world, Upload(content, "", mime), 5)
        return self._post("video", _captioned(made, caption), None, 0)

    async def sends_document(
        self,
        content: bytes,
        *,
        mime: str = "",
        name: str = "",
        size: int | None = None,
        caption: str = "",
        chat: Group | None = None,
    ) -> Message:
        """Send a file; `size` claims another size than the content has, `mime` and `name` may be missing."""
        made = media.document(self.telegram.world, Upload(content, name, mime), size)
        return self._post("document", _captioned(made, caption), chat, 0)

    async def sends_sticker(self, emoji: str = "👍") -> Message:
        """Send a sticker."""
        return self._post("sticker", media.sticker(self.telegram.world, emoji), None, 0)

    async def sends_location(self, latitude: float = 52.5, longitude: float = 13.4) -> Message:
        """Send a place."""
        return self._post("location", ({"location": {"latitude": latitude, "longitude": longitude}}, ()), None, 0)

    async def sends_contact(self, phone: str = "+4930123456") -> Message:
        """Send a contact card."""
        body = {"contact": {"phone_number": phone, "first_name": self.user.name}}
        return self._post("contact", (body, ()), None, 0)

    async def edits(self, message: Message, text: str) -> Message:
        """Change the words of a message; the same words again are one of Telegram's invisible edits."""
        name, marked = ("text", "entities") if "text" in message.body else ("caption", "caption_entities")
        message.body = {key: value for key, value in message.body.items() if key != marked} | {name: text}
        if found := marks(text):
            message.body[marked] = found
        message.edited = int(time.time())
        self.telegram.updates.push("edited_message", message_json(message), f"edits {message.chat.id}")
        return message

    async def deletes(self, message: Message) -> None:
        """Delete a message, which no bot is told."""
        message.chat.messages.pop(message.id, None)

    async def taps(self, label: str, *, on: Seen | Message | None = None, chat: Group | None = None) -> Query:
        """Tap the button with this label on the newest message that has it, or on the given one.

        Raises:
            AssertionError: there is no such button to tap.
        """
        room = chat.chat if chat is not None else self.private
        shown = [room.messages[on.id]] if on is not None else list(reversed(room.messages.values()))
        for message in shown:
            for row in (message.markup or {}).get("inline_keyboard", []):
                for button in row:
                    if button["text"] == label and "callback_data" in button:
                        return self._tap(message, button["callback_data"])
        visible = [label for one in self.telegram.seen(room) for label in one.buttons]
        raise AssertionError(f"no button {label!r} to tap, there are {visible}")

    async def taps_data(self, message: Message | Seen, callback_data: str) -> Query:
        """Send a callback query with data of one's own choosing, as a forged client may."""
        return self._tap(self.private.messages[message.id], callback_data)

    async def blocks_bot(self) -> None:
        """Stop the bot from writing."""
        self._membership("member", "kicked")
        self.private.blocked = True

    async def unblocks_bot(self) -> None:
        """Let the bot write again."""
        self.private.blocked = False
        self._membership("kicked", "member")

    async def hears(self, containing: str = "", *, timeout: float = 20.0, chat: Group | None = None) -> Seen:  # noqa: ASYNC109
        """The next message of the bot that was not heard before and contains these words, waited for.

        Raises:
            AssertionError: none came in time; says what came instead.
        """
        room = chat.chat if chat is not None else self.private

        def found() -> Seen | None:
            for one in self.telegram.seen(room):
                if one.by_bot and one.id > self._heard.get(room.id, 0) and containing in one.text:
                    return one
            return None

        try:
            one = await self.telegram.until(found, timeout)
        except AssertionError as error:
            shown = [(one.id, one.text[:80]) for one in self.telegram.seen(room) if one.by_bot]
            raise AssertionError(f"heard nothing with {containing!r}; the bot's messages: {shown}; {error}") from error
        self._heard[room.id] = one.id
        return one

    async def sees(self, containing: str, *, timeout: float = 20.0, chat: Group | None = None) -> Seen:  # noqa: ASYNC109
        """The newest message of the bot that contains these words, edits included, waited for.

        Raises:
            AssertionError: there was none in time.
        """
        room = chat.chat if chat is not None else self.private
        return await self.telegram.until(
            lambda: next(
                (one for one in reversed(self.telegram.seen(room)) if one.by_bot and containing in one.text), None
            ),
            timeout,
        )

    async def hears_nothing(self, seconds: float = 0.5, *, chat: Group | None = None) -> None:
        """Wait and make sure that the bot says nothing new.

        Raises:
            AssertionError: it did.
        """
        try:
            one = await self.hears(timeout=seconds, chat=chat)
        except AssertionError:
            return
        raise AssertionError(f"the bot should have been silent, but said {one.text!r}")

    def _post(
        self,
        kind: str,
        made: Content,
        chat: Group | None,
        thread: int,
        *,
        album: str = "",
        reply_to: Message | Seen | None = None,
    ) -> Message:
        room = chat.chat if chat is not None else self.private
        if room.blocked:
            raise AssertionError(f"{self.user.name} has blocked the bot: unblocks_bot() first")
        body, files = made
        quoted = room.messages.get(reply_to.id) if reply_to is not None else None
        room.members.setdefault(self.user.id, self.user)
        room.started = True
        message = self.telegram.world.add(
            room, self.user, kind, body, files=files, thread=thread, album=album, reply_to=quoted
        )
        if self.telegram.sees(message):
            self.telegram.updates.push("message", message_json(message), f"chat {room.id}")
        return message

    def _tap(self, message: Message, payload: str) -> Query:
        query = Query(str(secrets.randbits(62)), message)
        self.telegram.world.queries[query.id] = query
        self.telegram.updates.push(
            "callback_query", {**query_json(query, self.user), "data": payload}, f"taps {self.user.id}"
        )
        return query

    def _membership(self, before: str, after: str) -> None:
        bot = self.telegram.world.bot
        change = {
            "chat": chat_json(self.private),
            "from": user_json(self.user),
            "date": int(time.time()),
            "old_chat_member": member_json(bot, before),
            "new_chat_member": member_json(bot, after),
        }
        self.telegram.updates.push("my_chat_member", change, f"member {self.user.id}")


def _captioned(made: Content, caption: str) -> Content:
    body, files = made
    if not caption:
        return made
    found = marks(caption)
    return {**body, "caption": caption, **({"caption_entities": found} if found else {})}, files
