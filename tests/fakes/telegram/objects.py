"""The Bot API's JSON objects for what exists in the world."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.telegram.checks import check_answer
from tests.fakes.telegram.markup import units
from tests.fakes.telegram.world import Chat, Message, Query, User

_MARKS = (
    ("bot_command", re.compile(r"(?<!\S)/[A-Za-z0-9_]{1,32}(?:@\w+)?")),
    ("mention", re.compile(r"(?<!\w)@[A-Za-z0-9_]{4,32}")),
    ("url", re.compile(r"https?://\S+")),
    ("hashtag", re.compile(r"(?<!\w)#\w+")),
)


def user_json(user: User) -> dict[str, Any]:
    """A User."""
    answer: dict[str, Any] = {"id": user.id, "is_bot": user.is_bot, "first_name": user.name}
    if user.username:
        answer["username"] = user.username
    if user.language:
        answer["language_code"] = user.language
    return answer


def chat_json(chat: Chat) -> dict[str, Any]:
    """A Chat, as it stands in messages."""
    if chat.owner is not None:
        person = {"first_name": chat.owner.name}
        if chat.owner.username:
            person["username"] = chat.owner.username
        return {"id": chat.id, "type": chat.type, **person}
    return {"id": chat.id, "type": chat.type, "title": chat.title}


def chat_full_json(chat: Chat) -> dict[str, Any]:
    """A ChatFullInfo, as getChat answers."""
    gifts = dict.fromkeys(
        ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"), True
    )
    extra = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": gifts}
    return check_answer("ChatFullInfo", {**chat_json(chat), **extra})


def message_json(message: Message, *, quoted: bool = False) -> dict[str, Any]:
    """A Message; the one it replies to is included once, never deeper."""
    answer: dict[str, Any] = {
        "message_id": message.id,
        "from": user_json(message.sender),
        "chat": chat_json(message.chat),
        "date": message.date,
        **message.body,
    }
    if message.edited:
        answer["edit_date"] = message.edited
    if message.thread:
        answer |= {"message_thread_id": message.thread, "is_topic_message": True}
    if message.album:
        answer["media_group_id"] = message.album
    if message.markup:
        answer["reply_markup"] = message.markup
    if message.reply_to is not None and not quoted:
        answer["reply_to_message"] = message_json(message.reply_to, quoted=True)
    return answer if quoted else check_answer("Message", answer)


def query_json(query: Query, user: User) -> dict[str, Any]:
    """A CallbackQuery without its data."""
    return {
        "id": query.id,
        "from": user_json(user),
        "message": message_json(query.message),
        "chat_instance": str(hash(query.message.chat.id) & 0xFFFFFFFF),
    }


def member_json(user: User, status: str) -> dict[str, Any]:
    """A ChatMember in one of the states the tests need."""
    answer: dict[str, Any] = {"user": user_json(user), "status": status}
    if status == "kicked":
        answer["until_date"] = 0
    if status == "administrator":
        rights = (
            "can_be_edited can_manage_chat can_delete_messages can_manage_video_chats can_restrict_members "
            "can_promote_members can_change_info can_invite_users can_post_stories can_edit_stories "
            "can_delete_stories can_pin_messages can_manage_topics"
        )
        answer |= dict.fromkeys(rights.split(), True)
        answer["is_anonymous"] = False
    return answer


def marks(text: str) -> list[dict[str, Any]]:
    """The entities that Telegram's apps find by themselves in what a person types."""
    found = []
    for kind, pattern in _MARKS:
        for match in pattern.finditer(text):
            found.append({"type": kind, "offset": units(text[: match.start()]), "length": units(match.group())})
    return sorted(found, key=lambda one: one["offset"])
