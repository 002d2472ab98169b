"""Making rendered calls: pictures put in, Telegram's complaints answered with a second way of saying it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from telegram import InputFile, InputMediaDocument, InputMediaPhoto

from adapters.pacing import Limit, Pace
from adapters.pictures import ending
from adapters.telegram.client import Client
from adapters.telegram.trouble import Moved
from core.errors import Blocked, OutcomeUnknown, PolydeskError, Refused, Throttled
from core.values import Address, Call, Sent

log = structlog.get_logger()

Blob = Callable[[str], bytes]

_EVERYBODY = ""  # the limit that all chats share
_EDIT = "editMessageText"
_NO_PHOTO = ("PHOTO_", "IMAGE_PROCESS_FAILED", "too big for a photo")


def limits(chat: str) -> tuple[Limit, ...]:
    """How fast a bot may write: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this.

    One message a second for a chat allows short bursts, such as an answer that comes as a picture and two messages.
    """
    most = (Limit(_EVERYBODY, 30, 1.0), Limit(f"chat {chat}", 4, 4.0))
    return (*most, Limit(f"group {chat}", 20, 60.0)) if chat.startswith("-") else most


class Sender:
    """Makes calls for one client; `moves` maps the ids of groups that became supergroups to their new ones."""

    def __init__(self, client: Client, blob: Blob, moves: dict[str, str]) -> None:
        self._client = client
        self._blob = blob
        self._moves = moves
        self._pace = Pace()

    async def send(self, call: Call) -> Sent:
        """Make a call; raises as `core.ports.Adapter.send` says."""
        try:
            return await self._paced(call)
        except Moved as news:
            old = str(call.arguments.get("chat_id"))
            self._moves[old] = news.chat
            log.warning("telegram.moved", old=old, new=news.chat)
            return await self._send(call)

    async def _paced(self, call: Call) -> Sent:
        chat = str(call.arguments.get("chat_id"))
        self._pace.enter(limits(chat))
        try:
            return await self._send(call)
        except Throttled as problem:
            self._pace.told(f"chat {chat}", problem.after, _EVERYBODY)
            raise

    async def busy(self, address: Address) -> None:
        """Show "typing ..." for some five seconds; mere decoration, so no trouble with it is worth mentioning.

        Where calls are short, words come first.
        """
        if self._pace.wait(limits(address.chat)):
            return
        arguments: dict[str, Any] = {"chat_id": self._moves.get(address.chat, address.chat), "action": "typing"}
        if address.thread:
            arguments["message_thread_id"] = address.thread
        try:
            await self._client.call("sendChatAction", arguments)
        except PolydeskError as problem:
            log.debug("telegram.busy_failed", problem=str(problem))

    async def _send(self, call: Call) -> Sent:
        chat = str(call.arguments.get("chat_id"))
        arguments = {**call.arguments, "chat_id": self._moves.get(chat, call.arguments.get("chat_id"))}
        if call.method == _EDIT:
            return await self._edit(arguments, again=not call.since)
        try:
            return await self._make(call.method, arguments)
        except Moved:
            raise
        except Refused as refusal:
            if call.method in {"sendPhoto", "sendMediaGroup"} and any(mark in str(refusal) for mark in _NO_PHOTO):
                return await self._make(call.method, arguments, as_documents=True)
            raise

    async def _edit(self, arguments: dict[str, Any], *, again: bool) -> Sent:
        """Put other words into a message; one that cannot be edited any more is said anew.

        Raises:
            OutcomeUnknown: that may have been done already, unless `again` allows it.
        """
        anew = dict(arguments)
        number = anew.pop("message_id")
        arguments.pop("message_thread_id", None)
        caption = {name: value for name, value in arguments.items() if name not in ("text", "link_preview_options")}
        try:
            try:
                return await self._make(_EDIT, arguments)
            except Refused as refusal:
                if "no text in the message to edit" not in str(refusal):
                    raise
                # What we edit was a photo with words under it.
                return await self._make("editMessageCaption", {**caption, "caption": arguments["text"]})
        except (Moved, Blocked):
            raise
        except Refused as refusal:
            why = str(refusal)
        if "message is not modified" in why:
            return Sent(str(number))
        if not again:
            raise OutcomeUnknown(f"{why}; it may have been said anew")
        log.warning("telegram.not_edited", problem=why)
        return await self._make("sendMessage", anew)

    async def _make(self, method: str, arguments: dict[str, Any], *, as_documents: bool = False) -> Sent:
        ready = dict(arguments)
        if "photo" in ready or "media" in ready:
            method, ready = await self._illustrated(ready, as_documents=as_documents)
        result = await self._client.call(method, ready)
        first = result[0] if isinstance(result, list) and result else result
        number = first.get("message_id") if isinstance(first, dict) else arguments.get("message_id")
        if number is None:
            raise OutcomeUnknown(f"{method}: Telegram gave no receipt")
        return Sent(str(number))

    async def _illustrated(self, arguments: dict[str, Any], *, as_documents: bool) -> tuple[str, dict[str, Any]]:
        """The method and arguments that show the pictures that are still there; the words go out in any case.

        Raises:
            Refused: all pictures are gone, and there are no words.
        """
        media: list[dict[str, Any]] = arguments.pop("media", None) or [{"media": arguments.pop("photo")}]
        caption = {key: arguments.pop(key, media[0].get(key)) for key in ("caption", "parse_mode")}
        words = {key: value for key, value in caption.items() if value is not None}
        pictures = [picture for item in media if (picture := await self._read(item["media"])) is not None]
        files = [InputFile(content, filename=name, attach=len(pictures) > 1) for name, content in pictures]
        kind = "document" if as_documents else "photo"
        if not files and "caption" not in words:
            raise Refused("the pictures are gone")
        if not files:
            return "sendMessage", {**arguments, "text": words.pop("caption"), **words}
        if len(files) == 1:
            return f"send{kind.capitalize()}", {**arguments, **words, kind: files[0]}
        make = InputMediaDocument if as_documents else InputMediaPhoto
        shown = [make(file, **(words if number == 0 else {})) for number, file in enumerate(files)]
        return "sendMediaGroup", {**arguments, "media": shown}

    async def _read(self, source: dict[str, str]) -> tuple[str, bytes] | None:
        """A name and the bytes for `{"blob": sha256}`, or None when the picture is gone."""
        try:
            content = await asyncio.to_thread(self._blob, source["blob"])
        except (PolydeskError, OSError, KeyError) as problem:
            log.error("telegram.picture_gone", blob=source["blob"][:12], problem=type(problem).__name__)
            return None
        return f"picture.{ending(content)}", content
