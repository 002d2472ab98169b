"""People and channels in the fake Slack workspace, as tests make them act."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.slack.checks import elements_of
from tests.fakes.slack.objects import rich_text, typed
from tests.fakes.slack.sockets import new_trigger
from tests.fakes.slack.view import Seen
from tests.fakes.slack.world import HostedFile, Person, Post, Room

if TYPE_CHECKING:
    from tests.fakes.slack.server import FakeSlack


@dataclass(slots=True)
class Tap:
    """A tapped button: whether it was acknowledged within three seconds, and where to answer it."""

    action_id: str
    value: str
    response_url: str
    payload: dict[str, Any] = field(repr=False)
    acked: bool | None = None


class Customer:
    """A person who talks to the bot in direct messages, or in a channel where `channel` names one."""

    def __init__(self, slack: FakeSlack, person: Person) -> None:
        self.slack = slack
        self.person = person
        self.dm = slack.world.dm(person)
        self._heard: dict[str, str] = {}

    @property
    def id(self) -> str:
        """The person's user id."""
        return self.person.id

    @property
    def seen(self) -> list[Seen]:
        """What stands in the direct messages now, threads apart."""
        return self.slack.seen(self)

    async def says(
        self, text: str, *, thread_ts: str | None = None, channel: Room | None = None, broadcast: bool = False
    ) -> Post:
        """Type a message, in a thread where `thread_ts` names its root; `broadcast` shows it in the channel too."""
        words = typed(text)
        post = self._post(words, channel, thread_ts, blocks=rich_text(words))
        if broadcast:
            post.broadcast, post.subtype = True, "thread_broadcast"
        self.slack.workspace.announce(post, mention=f"<@{self.slack.world.bot.id}>" in words)
        return post

    def writes_unheard(self, text: str, *, thread_ts: str | None = None, channel: Room | None = None) -> Post:
        """Type a message of which Slack never tells, as after its incidents: it stands in the history alone."""
        words = typed(text)
        return self._post(words, channel, thread_ts, blocks=rich_text(words))

    async def mentions(self, text: str, *, channel: Room, thread_ts: str | None = None) -> Post:
        """Say something to the bot in a channel: a message and an app_mention, one ts, two event_ids."""
        return await self.says(f"<@{self.slack.world.bot.id}> {text}", channel=channel, thread_ts=thread_ts)

    async def shares_photo(
        self,
        content: bytes,
        text: str = "",
        *,
        name: str = "photo.jpg",
        mime: str = "image/jpeg",
        thread_ts: str | None = None,
        channel: Room | None = None,
        size: int | None = None,
        connect: bool = False,
    ) -> Post:
        """Share a picture; with `connect` the event carries only its id, as from another workspace."""
        access = "check_file_info" if connect else "visible"
        file = self._file(name, mime, content, size=size, access=access)
        return await self._shares([file], text, thread_ts, channel)

    async def shares_photos(
        self, contents: Sequence[bytes], text: str = "", *, thread_ts: str | None = None, channel: Room | None = None
    ) -> Post:
        """Share several pictures in one message."""
        files = [self._file(f"photo{number}.jpg", "image/jpeg", one) for number, one in enumerate(contents)]
        return await self._shares(files, text, thread_ts, channel)

    async def shares_file(
        self,
        content: bytes,
        text: str = "",
        *,
        name: str,
        mime: str,
        thread_ts: str | None = None,
        channel: Room | None = None,
        size: int | None = None,
    ) -> Post:
        """Share any file; `size` claims another size than the content has."""
        return await self._shares([self._file(name, mime, content, size=size)], text, thread_ts, channel)

    async def shares_clip(
        self,
        content: bytes,
        text: str = "",
        *,
        seconds: float = 5.0,
        mime: str = "video/mp4",
        transcript: str = "",
        thread_ts: str | None = None,
        channel: Room | None = None,
    ) -> Post:
        """Record a voice clip, which Slack may mislabel as a video; `transcript` is Slack's own, if it has one."""
        milliseconds = int(seconds * 1000)
        file = self._file(
            "audio_message.mp4", mime, content, subtype="slack_audio", milliseconds=milliseconds, transcript=transcript
        )
        return await self._shares([file], text, thread_ts, channel)

    async def edits(self, post: Post, text: str) -> Post:
        """Change the words of a message."""
        before = self.slack.workspace.json(post)
        post.text = typed(text)
        post.blocks = rich_text(post.text)
        post.edited_ts = self.slack.world.now()
        self.slack.workspace.announce_change("message_changed", post, before)
        return post

    async def unfurls(self, post: Post, title: str = "A page") -> Post:
        """Let Slack unfurl a link: the message changes, its words do not."""
        before = self.slack.workspace.json(post)
        post.attachments = [{"id": 1, "title": title, "fallback": title, "service_name": "shop.example"}]
        self.slack.workspace.announce_change("message_changed", post, before)
        return post

    async def deletes(self, post: Post) -> None:
        """Delete a message."""
        before = self.slack.workspace.json(post)
        post.room.posts.pop(post.ts, None)
        self.slack.workspace.announce_change("message_deleted", post, before)

    async def taps(self, label: str, *, on: Seen | Post | None = None, channel: Room | None = None) -> Tap:
        """Tap the button with this label on the newest message that has it, or on the given one.

        Raises:
            AssertionError: there is no such button to tap.
        """
        room = channel or self.dm
        shown = [room.posts[on.ts]] if on is not None else list(reversed(room.posts.values()))
        for post in shown:
            for block, element in elements_of(post.blocks):
                if element["type"] == "button" and element["text"]["text"] == label:
                    return self._tap(post, block, element)
        there = [
            one["text"]["text"] for post in shown for _, one in elements_of(post.blocks) if one["type"] == "button"
        ]
        raise AssertionError(f"no button {label!r} to tap, there are {there}")

    async def opens_home(self, tab: str = "home") -> None:
        """Open the app's page, `home` or `messages`."""
        now = self.slack.world.now()
        event = {"type": "app_home_opened", "user": self.id, "channel": self.dm.id, "tab": tab, "event_ts": now}
        self.slack.events.push(event, "app_home_opened")

    async def joins(self, channel: Room) -> None:
        """Join a channel."""
        channel.members[self.id] = self.person
        now = self.slack.world.now()
        event = {
            "type": "member_joined_channel",
            "user": self.id,
            "channel": channel.id,
            "channel_type": "C",
            "team": self.person.team,
            "event_ts": now,
        }
        self.slack.events.push(event, "member_joined_channel")

    async def hears(
        self,
        containing: str = "",
        *,
        timeout: float = 20.0,  # noqa: ASYNC109
        channel: Room | None = None,
        thread_ts: str | None = None,
    ) -> Seen:
        """The next message of the bot that was not heard before and shows these words, waited for.

        Raises:
            AssertionError: none came in time; says what came instead.
        """
        room = channel or self.dm

        def found() -> Seen | None:
            for one in self.slack.everything(room):
                new = one.by_bot and one.ts > self._heard.get(room.id, "")
                placed = thread_ts is None or one.thread_ts == thread_ts
                if new and placed and (containing in one.shown or containing in one.text):
                    return one
            return None

        try:
            one = await self.slack.until(found, timeout)
        except AssertionError as error:
            shown = [(one.ts, one.shown[:80]) for one in self.slack.everything(room) if one.by_bot]
            raise AssertionError(f"heard nothing with {containing!r}; the bot's messages: {shown}; {error}") from error
        self._heard[room.id] = one.ts
        return one

    async def sees(self, containing: str, *, timeout: float = 20.0, channel: Room | None = None) -> Seen:  # noqa: ASYNC109
        """The newest message of the bot that contains these words, edits included, waited for.

        Raises:
            AssertionError: there was none in time.
        """
        room = channel or self.dm
        return await self.slack.until(
            lambda: next(
                (one for one in reversed(self.slack.everything(room)) if one.by_bot and containing in one.shown), None
            ),
            timeout,
        )

    async def hears_nothing(self, seconds: float = 0.5, *, channel: Room | None = None) -> None:
        """Wait and make sure that the bot says nothing new.

        Raises:
            AssertionError: it did.
        """
        try:
            one = await self.hears(timeout=seconds, channel=channel)
        except AssertionError:
            return
        raise AssertionError(f"the bot should have been silent, but said {one.shown!r}")

    def _file(self, name: str, mime: str, content: bytes, **more: Any) -> HostedFile:
        return self.slack.world.add_file(self.person, name, mime, content, **more)

    async def _shares(self, files: list[HostedFile], text: str, thread_ts: str | None, channel: Room | None) -> Post:
        words = typed(text)
        post = self._post(words, channel, thread_ts, files=files, subtype="file_share")
        self.slack.workspace.announce(post, mention=f"<@{self.slack.world.bot.id}>" in words)
        return post

    def _post(self, words: str, channel: Room | None, thread_ts: str | None, **more: Any) -> Post:
        room = channel or self.dm
        room.members.setdefault(self.id, self.person)
        return self.slack.world.add(room, self.person, words, thread=thread_ts or "", **more)

    def _tap(self, post: Post, block: dict[str, Any], element: dict[str, Any]) -> Tap:
        slack = self.slack
        url = slack.responses.new_url(post)
        action: dict[str, Any] = {
            name: element[name] for name in ("action_id", "text", "value", "style", "type") if name in element
        }
        action |= {"block_id": block["block_id"], "action_ts": f"{time.time():.6f}"}
        container = {"type": "message", "message_ts": post.ts, "channel_id": post.room.id, "is_ephemeral": False}
        payload: dict[str, Any] = {
            "type": "block_actions",
            "user": {"id": self.id, "username": self.person.name.lower(), "team_id": self.person.team},
            "api_app_id": slack.world.app_id,
            "token": slack.events.verification_token,
            "container": container | ({"thread_ts": post.thread} if post.thread else {}),
            "trigger_id": new_trigger(),
            "team": {"id": slack.world.team, "domain": "northwind"},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": post.room.id, "name": post.room.name or "directmessage"},
            "message": slack.workspace.json(post),
            "state": {"values": {}},
            "response_url": url,
            "actions": [action],
        }
        tap = Tap(str(element.get("action_id")), str(element.get("value") or ""), url, payload)
        slack.spawn(self._interact(tap))
        return tap

    async def _interact(self, tap: Tap) -> None:
        tap.acked = await self.slack.events.interact(tap.payload)
        self.slack.changed()
