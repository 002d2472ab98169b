"""The Bot API's methods that change, remove or react to what is in chats already."""

from __future__ import annotations

import time
from typing import Any

from tests.fakes.telegram.account import Desk, Files
from tests.fakes.telegram.checks import bad_request, caption_text, keyboard, message_text
from tests.fakes.telegram.markup import units
from tests.fakes.telegram.objects import message_json
from tests.fakes.telegram.world import Message

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
STALE_QUERY = "query is too old and response timeout expired or query ID is invalid"


class Editing:
    """Methods about messages that exist."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def edit_message_text(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        text, entities = message_text(arguments)
        message = self._mine(arguments)
        if "text" not in message.body:
            raise bad_request("there is no text in the message to edit")
        return self._change(message, arguments, {"text": text, **({"entities": entities} if entities else {})})

    async def edit_message_caption(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        caption, entities = caption_text(arguments)
        message = self._mine(arguments)
        if "text" in message.body:
            raise bad_request("there is no caption in the message to edit")
        body = {key: value for key, value in message.body.items() if key not in ("caption", "caption_entities")}
        if caption:
            body["caption"] = caption
        if entities:
            body["caption_entities"] = entities
        return self._change(message, arguments, body)

    async def edit_message_reply_markup(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        message = self._mine(arguments)
        return self._change(message, arguments, message.body)

    async def delete_message(self, arguments: dict[str, Any], files: Files) -> bool:
        chat = self._desk.chat(arguments)
        message = chat.messages.get(arguments["message_id"])
        if message is None:
            raise bad_request("message to delete not found")
        mine = message.sender.id == self._desk.world.bot.id
        if not (mine or chat.private or chat.bot_is_admin):
            raise bad_request("message can't be deleted")
        del chat.messages[message.id]
        return True

    async def delete_messages(self, arguments: dict[str, Any], files: Files) -> bool:
        chat = self._desk.chat(arguments)
        for number in arguments["message_ids"]:
            chat.messages.pop(number, None)
        return True

    async def set_message_reaction(self, arguments: dict[str, Any], files: Files) -> bool:
        chat = self._desk.chat(arguments)
        if arguments["message_id"] not in chat.messages:
            raise bad_request("message to react not found")
        return True

    async def answer_callback_query(self, arguments: dict[str, Any], files: Files) -> bool:
        query = self._desk.world.queries.get(str(arguments["callback_query_id"]))
        if query is None or query.expired:
            raise bad_request(STALE_QUERY)
        text = str(arguments.get("text") or "")
        if units(text) > 200:
            raise bad_request("MESSAGE_TOO_LONG")
        query.answered, query.text, query.alert = True, text, bool(arguments.get("show_alert"))
        return True

    def _mine(self, arguments: dict[str, Any]) -> Message:
        chat = self._desk.writable(arguments, weight=0)
        message = chat.messages.get(arguments.get("message_id") or 0)
        if message is None:
            raise bad_request("message to edit not found")
        if message.sender.id != self._desk.world.bot.id:
            raise bad_request("message can't be edited")
        return message

    def _change(self, message: Message, arguments: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        markup, odd = keyboard(arguments)
        if body == message.body and markup == message.markup:
            raise bad_request(NOT_MODIFIED)
        for what in odd:
            self._desk.platform.complain(what)
        # Leaving reply_markup out of an edit takes the keyboard away, as on Telegram.
        message.body, message.markup = body, markup
        message.edited = int(time.time())
        return message_json(message)
