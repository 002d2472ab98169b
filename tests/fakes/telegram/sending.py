"""The Bot API's methods that put new messages into chats."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from tests.fakes.telegram import media
from tests.fakes.telegram.account import Desk, Files
from tests.fakes.telegram.checks import ApiError, bad_request, caption_text, keyboard, message_text
from tests.fakes.telegram.media import Content, Upload
from tests.fakes.telegram.objects import message_json
from tests.fakes.telegram.world import Chat, Message

UPLOAD_LIMIT = 50 * 1024 * 1024


class Sending:
    """sendMessage and its relatives; each answers the message it made."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def send_message(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        text, entities = message_text(arguments)
        body: dict[str, Any] = {"text": text}
        if entities:
            body["entities"] = entities
        return message_json(self._say(arguments, "text", body))

    async def send_photo(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        return await self._send_file("photo", arguments, files)

    async def send_document(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        return await self._send_file("document", arguments, files)

    async def send_audio(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        return await self._send_file("audio", arguments, files)

    async def send_video(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        return await self._send_file("video", arguments, files)

    async def send_voice(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        return await self._send_file("voice", arguments, files)

    async def send_media_group(self, arguments: dict[str, Any], files: Files) -> list[dict[str, Any]]:
        items = arguments["media"]
        if not 2 <= len(items) <= 10:
            raise bad_request("media group must include 2-10 items")
        kinds = {item["type"] for item in items}
        if len(kinds) > 1 and not kinds <= {"photo", "video"}:
            raise bad_request("documents and audio can be grouped only with items of the same type")
        ready = []
        for item in items:
            caption, entities = caption_text(item)
            body, stored = self._content(item["type"], item["media"], files)
            ready.append((item["type"], _captioned(body, caption, entities), stored))
        chat = self._desk.writable(arguments, weight=len(items))
        reply_to = self._reply_to(chat, arguments)
        album = str(secrets.randbits(53))
        thread = int(arguments.get("message_thread_id") or 0)
        sent = [
            self._desk.world.add(
                chat, self._desk.world.bot, kind, body, files=stored, reply_to=reply_to, album=album, thread=thread
            )
            for kind, body, stored in ready
        ]
        return [message_json(message) for message in sent]

    async def send_message_draft(self, arguments: dict[str, Any], files: Files) -> bool:
        chat = self._desk.writable(arguments, weight=0)
        if not chat.private:
            raise bad_request("method is available only in private chats")
        chat.draft = str(arguments.get("text") or "")
        return True

    async def copy_message(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        source = self._desk.chat({"chat_id": arguments["from_chat_id"]})
        original = source.messages.get(arguments["message_id"])
        if original is None:
            raise bad_request("message to copy not found")
        copy = self._say(arguments, original.kind, dict(original.body), original.files)
        return {"message_id": copy.id}

    async def _send_file(self, kind: str, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        caption, entities = caption_text(arguments)
        self._desk.writable(arguments, weight=0)
        body, stored = self._content(kind, arguments.get(kind) or f"attach://{kind}", files)
        return message_json(self._say(arguments, kind, _captioned(body, caption, entities), stored))

    def _content(self, kind: str, source: str, files: Files) -> Content:
        """The content fields for a file that is uploaded, or named by the id of one that Telegram has."""
        world = self._desk.world
        if source.startswith("attach://"):
            upload = files.get(source.removeprefix("attach://"))
            if upload is None:
                raise bad_request(f"there is no {kind} in the request")
        else:
            known = world.files.get(source)
            if known is None:
                raise bad_request("wrong file identifier/HTTP URL specified")
            upload = Upload(known.content, known.path.rpartition("/")[2])
        if len(upload.content) > UPLOAD_LIMIT:
            raise ApiError(413, "Request Entity Too Large")
        if not upload.content:
            raise bad_request("file must be non-empty")
        makers: dict[str, Callable[[], Content]] = {
            "photo": lambda: media.checked_photo(world, upload.content),
            "document": lambda: media.document(world, upload),
            "audio": lambda: media.audio(world, upload, 1),
            "video": lambda: media.video(world, upload, 1),
            "voice": lambda: media.voice(world, upload, 1),
        }
        return makers[kind]()

    def _say(self, arguments: dict[str, Any], kind: str, body: dict[str, Any], stored: Any = ()) -> Message:
        markup, odd = keyboard(arguments)
        chat = self._desk.writable(arguments)
        for what in odd:
            self._desk.platform.complain(what)
        reply_to = self._reply_to(chat, arguments)
        thread = int(arguments.get("message_thread_id") or 0)
        return self._desk.world.add(
            chat, self._desk.world.bot, kind, body, files=tuple(stored), reply_to=reply_to, markup=markup, thread=thread
        )

    def _reply_to(self, chat: Chat, arguments: dict[str, Any]) -> Message | None:
        wanted = arguments.get("reply_parameters") or {}
        number = wanted.get("message_id")
        if number is None:
            return None
        message = chat.messages.get(number)
        if message is None and not wanted.get("allow_sending_without_reply"):
            raise bad_request("message to be replied not found")
        return message


def _captioned(body: dict[str, Any], caption: str, entities: list[dict[str, Any]]) -> dict[str, Any]:
    if caption:
        body = {**body, "caption": caption}
    return {**body, "caption_entities": entities} if entities else body
