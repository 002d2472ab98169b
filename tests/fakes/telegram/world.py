"""Who and what exists on the fake Telegram: users, chats, messages, files."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

DOWNLOAD_LIMIT = 20 * 1024 * 1024
"""getFile serves at most this many bytes: https://core.telegram.org/bots/api#getfile."""


@dataclass(slots=True)
class User:
    """A person or a bot."""

    id: int
    name: str
    username: str = ""
    language: str = ""
    is_bot: bool = False


@dataclass(slots=True)
class StoredFile:
    """A file on Telegram's servers; `size` may be larger than `content`, so that tests need no 20 MB in memory."""

    id: str
    unique: str
    content: bytes
    size: int
    path: str


@dataclass(slots=True)
class Message:
    """One message as it stands now; `body` holds the content fields of the Bot API's Message."""

    id: int
    chat: Chat
    sender: User
    date: int
    kind: str
    body: dict[str, Any]
    files: tuple[StoredFile, ...] = ()
    reply_to: Message | None = None
    markup: dict[str, Any] | None = None
    thread: int = 0
    album: str = ""
    edited: int = 0

    @property
    def text(self) -> str:
        """The words of the message: its text, or the caption under its file."""
        return str(self.body.get("text") or self.body.get("caption") or "")


@dataclass(slots=True, eq=False)
class Chat:
    """A private chat or a group, with its messages in order."""

    id: int
    type: str
    title: str = ""
    owner: User | None = None
    members: dict[int, User] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    threads: set[int] = field(default_factory=set)
    blocked: bool = False
    started: bool = False
    bot_is_admin: bool = False
    bot_is_member: bool = True
    moved_to: int = 0
    actions: list[str] = field(default_factory=list)
    draft: str = ""

    @property
    def private(self) -> bool:
        """Whether this is a chat of one person with the bot."""
        return self.type == "private"


@dataclass(slots=True)
class Query:
    """A button somebody tapped, waiting for answerCallbackQuery."""

    id: str
    message: Message
    answered: bool = False
    text: str = ""
    alert: bool = False
    expired: bool = False


class World:
    """Everything the fake Telegram knows."""

    def __init__(self, bot: User) -> None:
        self.bot = bot
        self.users: dict[int, User] = {bot.id: bot}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, StoredFile] = {}
        self.paths: dict[str, StoredFile] = {}
        self.queries: dict[str, Query] = {}
        self.commands: dict[str, list[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._user_ids = itertools.count(500_001)
        self._group_ids = itertools.count(700_001)
        self._file_numbers = itertools.count()

    def new_user(self, name: str, language: str, username: str = "") -> User:
        """A person with a fresh id."""
        user = User(next(self._user_ids), name, username or name.lower().replace(" ", "_"), language)
        self.users[user.id] = user
        return user

    def private_chat(self, user: User) -> Chat:
        """The chat of this person with the bot, whose id is the person's."""
        chat = self.chats.get(user.id)
        if chat is None:
            chat = Chat(user.id, "private", owner=user, members={user.id: user})
            self.chats[chat.id] = chat
        return chat

    def new_group(self, title: str, *, supergroup: bool) -> Chat:
        """A group with the bot in it."""
        number = next(self._group_ids)
        chat = Chat(
            -1_000_000_000_000 - number if supergroup else -number, "supergroup" if supergroup else "group", title
        )
        self.chats[chat.id] = chat
        return chat

    def upgrade(self, chat: Chat) -> Chat:
        """Turn a group into a supergroup, which gives it a new id."""
        successor = self.new_group(chat.title, supergroup=True)
        successor.members = dict(chat.members)
        successor.bot_is_admin = chat.bot_is_admin
        chat.moved_to = successor.id
        return successor

    def add(self, chat: Chat, sender: User, kind: str, body: dict[str, Any], **more: Any) -> Message:
        """Put a message into a chat, with the next message id.

        Supergroups count for themselves; private chats and basic groups share the bot's own counter.
        """
        number = max(chat.messages, default=0) + 1 if chat.type == "supergroup" else next(self._numbers)
        message = Message(number, chat, sender, int(time.time()), kind, body, **more)
        chat.messages[number] = message
        if message.thread:
            chat.threads.add(message.thread)
        return message

    def store(self, content: bytes, folder: str, extension: str = "", size: int | None = None) -> StoredFile:
        """Keep a file under a fresh file id; the same bytes always get the same unique id."""
        unique = "AgAD" + hashlib.sha256(content + str(size).encode()).hexdigest()[:11]
        name = f"file_{next(self._file_numbers)}"
        path = f"{folder}/{name}.{extension}" if extension else f"{folder}/{name}"
        file = StoredFile(
            "AgACAgIAAx" + secrets.token_urlsafe(40), unique, content, len(content) if size is None else size, path
        )
        self.files[file.id] = file
        self.paths[path] = file
        return file
