"""Who and what exists in the fake Slack workspace: people, conversations, messages, files."""

from __future__ import annotations

import itertools
import secrets
import string
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_LETTERS = string.ascii_uppercase + string.digits


def slack_id(prefix: str) -> str:
    """An id as Slack makes them, such as U0AB12CD34E."""
    return prefix + "0" + "".join(secrets.choice(_LETTERS) for _ in range(9))


@dataclass(slots=True)
class Person:
    """A member of a workspace, or a bot; `team` differs from ours for people who come by Slack Connect."""

    id: str
    name: str
    team: str
    locale: str = "en-US"
    bot_id: str = ""
    app_id: str = ""

    @property
    def is_bot(self) -> bool:
        """Whether this is an app's user."""
        return bool(self.bot_id)


@dataclass(slots=True)
class HostedFile:
    """A file; `size` may be larger than `content`, `access` is `check_file_info` for some Slack Connect files."""

    id: str
    name: str
    mime: str
    content: bytes
    size: int
    owner: Person
    created: int
    subtype: str = ""
    milliseconds: int = 0
    title: str = ""
    access: str = "visible"
    transcript: str = ""
    complete: bool = True


@dataclass(slots=True)
class Post:
    """A message as it stands now; `thread` is the ts of its root, its own ts when it is one, else empty."""

    ts: str
    room: Room
    author: Person
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    files: list[HostedFile] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    thread: str = ""
    subtype: str = ""
    edited_ts: str = ""
    metadata: dict[str, Any] | None = None
    broadcast: bool = False
    reactions: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread below a root."""
        return bool(self.thread) and self.thread != self.ts


@dataclass(slots=True, eq=False)
class Room:
    """A conversation: `kind` is im, channel or group (private channel)."""

    id: str
    kind: str
    name: str = ""
    owner: Person | None = None
    members: dict[str, Person] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    bot_is_member: bool = True
    archived: bool = False

    def replies(self, root: str) -> Iterator[Post]:
        """The messages below a root, oldest first."""
        return (post for post in self.posts.values() if post.thread == root and post.ts != root)


class World:
    """Everything the fake workspace knows."""

    def __init__(self) -> None:
        self.team = slack_id("T")
        self.app_id = slack_id("A")
        self.bot = Person(slack_id("U"), "polydesk", self.team, bot_id=slack_id("B"), app_id=self.app_id)
        self.people: dict[str, Person] = {self.bot.id: self.bot}
        self.rooms: dict[str, Room] = {}
        self.files: dict[str, HostedFile] = {}
        self.homes: dict[str, dict[str, Any]] = {}
        self.statuses: list[tuple[str, str, str]] = []
        self._ticks = itertools.count(100)
        self._second = 0

    def now(self) -> str:
        """A fresh message ts: seconds, and a part that never repeats."""
        second = int(time.time())
        if second != self._second:
            self._second, self._ticks = second, itertools.count(100)
        return f"{second}.{next(self._ticks):06d}"

    def add_person(self, name: str, *, locale: str = "en-US", team: str = "", bot: bool = False) -> Person:
        """A new member, of our workspace unless `team` is given."""
        more = {"bot_id": slack_id("B"), "app_id": slack_id("A")} if bot else {}
        person = Person(slack_id("U"), name, team or self.team, locale, **more)
        self.people[person.id] = person
        return person

    def dm(self, person: Person) -> Room:
        """The direct messages of this person with the bot."""
        for room in self.rooms.values():
            if room.kind == "im" and room.owner is person:
                return room
        room = Room(slack_id("D"), "im", owner=person, members={person.id: person})
        self.rooms[room.id] = room
        return room

    def add_channel(self, name: str, *, private: bool) -> Room:
        """A channel with the bot in it."""
        room = Room(slack_id("C"), "group" if private else "channel", name)
        self.rooms[room.id] = room
        return room

    def add(self, room: Room, author: Person, text: str, **more: Any) -> Post:
        """Put a message into a conversation; a root that gets its first reply becomes a thread."""
        post = Post(self.now(), room, author, text, **more)
        room.posts[post.ts] = post
        root = room.posts.get(post.thread)
        if root is not None and root is not post:
            root.thread = root.ts
        return post

    def add_file(self, owner: Person, name: str, mime: str, content: bytes, **more: Any) -> HostedFile:
        """Keep a file."""
        size = more.pop("size", None)
        file = HostedFile(
            slack_id("F"), name, mime, content, len(content) if size is None else size, owner, int(time.time()), **more
        )
        self.files[file.id] = file
        return file
