"""What every Web API method and every person needs: the world, its events, who may do what."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.faults import Window
from tests.fakes.platform import Platform
from tests.fakes.slack.checks import SlackError
from tests.fakes.slack.events import Events
from tests.fakes.slack.objects import post_json
from tests.fakes.slack.world import Post, Room, World

KINDS = {"im": "im", "channel": "channels", "group": "groups"}


@dataclass(slots=True)
class Workspace:
    """The world with its outgoing events; `per_channel` is a rate limit of chat.postMessage, off by default."""

    platform: Platform
    world: World
    events: Events
    scopes: set[str]
    upload_delay: float = 0.05
    per_channel: Window | None = None
    uploads: dict[str, int] = field(default_factory=dict)

    def room(self, name: Any, *, opening: bool = False) -> Room:
        """The conversation an argument names; with `opening`, a user's id means their direct messages.

        Raises:
            SlackError: channel_not_found.
        """
        wanted = str(name or "")
        room = self.world.rooms.get(wanted)
        if room is None and wanted.startswith("#"):
            room = next((one for one in self.world.rooms.values() if one.name == wanted[1:]), None)
        if room is None and opening and wanted in self.world.people:
            room = self.world.dm(self.world.people[wanted])
        if room is None:
            raise SlackError("channel_not_found")
        return room

    def need(self, *scopes: str) -> None:
        """Insist on one of these scopes.

        Raises:
            SlackError: missing_scope.
        """
        if not self.scopes.intersection(scopes):
            raise SlackError("missing_scope", needed=scopes[0], provided=",".join(sorted(self.scopes)))

    def need_for(self, room: Room, what: str) -> None:
        """Insist on the scope for a kind of conversation, such as `im:history`."""
        self.need(f"{KINDS[room.kind]}:{what}")

    def count(self, room: Room) -> None:
        """Count a message against the channel's rate limit.

        Raises:
            SlackError: ratelimited, with HTTP 429.
        """
        pause = self.per_channel.wait(room.id, time.monotonic()) if self.per_channel else 0.0
        if pause > 0:
            raise SlackError("ratelimited", status=429, headers={"Retry-After": str(int(pause) + 1)})

    def json(self, post: Post, **more: Any) -> dict[str, Any]:
        """A message as Slack would show it."""
        return post_json(post, self.world, self.platform.url, **more)

    def announce(self, post: Post, *, mention: bool = False) -> str:
        """Tell the app of a new message; a mention comes as a second event with an event_id of its own."""
        room = post.room
        if not room.bot_is_member:
            return ""
        place = {"channel": room.id, "event_ts": post.ts}
        event = {**self.json(post), **place, "channel_type": room.kind}
        event_id = self.events.push(event, f"message.{KINDS[room.kind]}")
        if mention and room.kind != "im":
            named = {**self.json(post), **place, "type": "app_mention"}
            self.events.push(named, "app_mention")
        return event_id

    def announce_change(self, subtype: str, post: Post, before: dict[str, Any]) -> str:
        """Tell the app that a message was changed or deleted."""
        room, now = post.room, self.world.now()
        event: dict[str, Any] = {
            "type": "message",
            "subtype": subtype,
            "channel": room.id,
            "channel_type": room.kind,
            "hidden": True,
            "ts": now,
            "event_ts": now,
            "previous_message": before,
        }
        if subtype == "message_changed":
            event["message"] = self.json(post)
        else:
            event["deleted_ts"] = post.ts
        return self.events.push(event, f"message.{KINDS[room.kind]}") if room.bot_is_member else ""
