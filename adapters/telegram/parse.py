"""Telegram's updates turned into events.

Pure, fed with the raw JSON of https://core.telegram.org/bots/api#update (Bot API 10). Nothing here raises on JSON of
any shape: what cannot be understood is None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from adapters.fields import child, items, string, whole
from adapters.telegram.content import attachments_of, is_service, text_of
from core.values import Address, Author, EventKind, InboundEvent

UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")
"""The kinds of update that we ask Telegram for, and understand."""

COMMANDS = ("start", "help", "human")

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,64})(?:@([A-Za-z0-9_]{1,64}))?(?=\s|$)\s*")
_GROUPS = frozenset({"group", "supergroup"})
_GONE = frozenset({"left", "kicked"})


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """Our own account: `id` as decimal digits, `username` without the @."""

    id: str
    username: str


def parse(update: object, bot: BotIdentity, now: int = 0) -> InboundEvent | None:
    """Turn one update into an event, or None where nobody said anything to us.

    `now` (UTC ms) stands in where Telegram gives no time, as for taps. None comes of unknown kinds, service messages,
    channel posts, other bots, anonymous admins and malformed JSON.
    """
    number = whole(update, "update_id")
    if number is None:
        return None
    key = f"telegram:{bot.id}:{number}"
    if tap := child(update, "callback_query"):
        return _tapped(key, tap, bot, now)
    if change := child(update, "my_chat_member"):
        return _membership(key, change, bot, now)
    if message := child(update, "message"):
        return _said(key, EventKind.CREATED, message, bot, now)
    if message := child(update, "edited_message"):
        return _said(key, EventKind.EDITED, message, bot, now)
    return None


def tap_id(update: object) -> str:
    """What answerCallbackQuery needs to stop the button's spinner; empty when nothing was tapped."""
    return string(child(update, "callback_query"), "id")


def moved(update: object) -> tuple[str, str] | None:
    """The old and the new chat id when a group became a supergroup, which changes its id."""
    message = child(update, "message")
    here = whole(child(message, "chat"), "id")
    new, old = whole(message, "migrate_to_chat_id"), whole(message, "migrate_from_chat_id")
    if here is None or (new is None and old is None):
        return None
    return (str(here), str(new)) if new is not None else (str(old), str(here))


def _said(id: str, kind: EventKind, message: dict[str, Any], bot: BotIdentity, now: int) -> InboundEvent | None:
    address, author = _address(message, bot), _author(child(message, "from"))
    number = whole(message, "message_id")
    if address is None or author is None or number is None or is_service(message) or "sender_chat" in message:
        return None
    private = string(child(message, "chat"), "type") == "private"
    text, named = (text_of(message), True) if private else _without_mentions(message, bot)
    command = ""
    if call := _COMMAND.match(text):
        name, whom = call[1].lower(), (call[2] or bot.username).lower()
        ours = whom == bot.username.lower()
        if ours and name in COMMANDS and kind is EventKind.CREATED:
            # What follows /start is the payload of a deep link, a code that nobody typed.
            command, text, named = name, "" if name == "start" else text[call.end() :], True
        elif ours and call[2]:
            text, named = f"/{call[1]} {text[call.end() :]}".rstrip(), True
    seconds = whole(message, "edit_date") if kind is EventKind.EDITED else None
    return InboundEvent(
        id=id,
        kind=kind,
        address=address,
        author=author,
        at=_milliseconds(seconds or whole(message, "date"), now),
        text=text,
        attachments=attachments_of(message),
        group=string(message, "media_group_id"),
        message=str(number),
        command=command,
        addressed=private or named or _answers_us(message, bot),
        order=f"{number:020}",
    )


def _tapped(id: str, tap: dict[str, Any], bot: BotIdentity, now: int) -> InboundEvent | None:
    message = child(tap, "message")
    address, author = _address(message, bot), _author(child(tap, "from"))
    number, key = whole(message, "message_id"), string(tap, "data")
    if address is None or author is None or number is None or not key:
        return None
    return InboundEvent(
        id=id, kind=EventKind.TAPPED, address=address, author=author, at=now, message=str(number), tap=key
    )


def _membership(id: str, change: dict[str, Any], bot: BotIdentity, now: int) -> InboundEvent | None:
    """Blocked or unblocked by a customer; removed from or added to a group. A mere change of rights is nothing."""
    address, author = _address(change, bot), _author(child(change, "from"))
    before, after = (string(child(change, f"{when}_chat_member"), "status") for when in ("old", "new"))
    if address is None or author is None or not after or (before in _GONE) == (after in _GONE):
        return None
    kind = EventKind.BLOCKED if after in _GONE else EventKind.UNBLOCKED
    return InboundEvent(id=id, kind=kind, address=address, author=author, at=_milliseconds(whole(change, "date"), now))


def _address(message: dict[str, Any], bot: BotIdentity) -> Address | None:
    chat = child(message, "chat")
    number = whole(chat, "id")
    if number is None or string(chat, "type") not in {"private", *_GROUPS}:
        return None
    # Without is_topic_message the thread id of a supergroup only names a chain of replies, not a topic.
    topic = whole(message, "message_thread_id") if message.get("is_topic_message") is True else None
    return Address("telegram", bot.id, str(number), "" if topic is None else str(topic))


def _author(person: dict[str, Any]) -> Author | None:
    number = whole(person, "id")
    if number is None or person.get("is_bot") is True:
        return None
    name = f"{string(person, 'first_name')} {string(person, 'last_name')}".strip()
    return Author(id=str(number), name=name or string(person, "username"), language=string(person, "language_code"))


def _milliseconds(seconds: int | None, now: int) -> int:
    return seconds * 1000 if seconds and seconds > 0 else now


def _answers_us(message: dict[str, Any], bot: BotIdentity) -> bool:
    """Whether it replies to a message of ours.

    Everything in a forum topic replies, formally, to the notice that created the topic; where we created it, that
    would make every word in it ours.
    """
    original = child(message, "reply_to_message")
    return str(whole(child(original, "from"), "id")) == bot.id and "forum_topic_created" not in original


def _without_mentions(message: dict[str, Any], bot: BotIdentity) -> tuple[str, bool]:
    """The text without "@our_name", and whether it was there. Entities count in UTF-16 units."""
    text = text_of(message)
    units = text.encode("utf-16-le", "surrogatepass")
    kept: list[str] = []
    start, named = 0, False
    marks = items(message, "entities") or items(message, "caption_entities")
    for mark in sorted(marks, key=lambda one: whole(one, "offset") or 0):
        offset, length = 2 * (whole(mark, "offset") or 0), 2 * (whole(mark, "length") or 0)
        if offset < start or length <= 0 or offset + length > len(units):
            continue
        word = _decoded(units[offset : offset + length])
        kind = string(mark, "type")
        if (kind == "mention" and word.lower() == f"@{bot.username}".lower()) or (
            kind == "text_mention" and str(whole(child(mark, "user"), "id")) == bot.id
        ):
            kept.append(_decoded(units[start:offset]))
            start, named = offset + length, True
    if not named:
        return text, False
    return _joined([*kept, _decoded(units[start:])]), True


def _decoded(units: bytes) -> str:
    return units.decode("utf-16-le", "replace")


def _joined(pieces: list[str]) -> str:
    """Join what was left and right of a mention, without the hole: "hey @us, where?" becomes "hey, where?"."""
    joined = pieces[0].strip()
    for piece in pieces[1:]:
        right = piece.lstrip(" \t")
        if not joined:
            joined = right.lstrip(" \t\n,:;–—-")
        elif joined.endswith("\n"):
            joined += right
        else:
            gap = "" if not right or right[0] in ",.!?;:\n" else " "
            joined = joined.rstrip(" \t") + gap + right
    return joined.strip()
