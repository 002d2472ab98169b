"""The Web API's methods that ask: auth, conversations.*, users.*, bots.*, team.*."""

from __future__ import annotations

import base64
from typing import Any

from tests.fakes.slack.checks import SlackError
from tests.fakes.slack.objects import bot_json, room_json, user_json
from tests.fakes.slack.sockets import Sockets
from tests.fakes.slack.workspace import Workspace
from tests.fakes.slack.world import Post, Room

Answer = dict[str, Any]


class Reading:
    """Methods named as in the Web API, dots as underscores."""

    def __init__(self, workspace: Workspace, sockets: Sockets) -> None:
        self._workspace = workspace
        self._world = workspace.world
        self._sockets = sockets

    async def auth_test(self, arguments: dict[str, Any]) -> Answer:
        bot = self._world.bot
        return {
            "url": "https://northwind.slack.com/",
            "team": "Northwind",
            "user": bot.name,
            "team_id": self._world.team,
            "user_id": bot.id,
            "bot_id": bot.bot_id,
            "is_enterprise_install": False,
        }

    async def apps_connections_open(self, arguments: dict[str, Any]) -> Answer:
        return {"url": self._sockets.new_url()}

    async def team_info(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("team:read")
        return {"team": {"id": self._world.team, "name": "Northwind", "domain": "northwind"}}

    async def bots_info(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("users:read")
        for person in self._world.people.values():
            if person.is_bot and person.bot_id == arguments.get("bot"):
                return {"bot": bot_json(person)}
        raise SlackError("bot_not_found")

    async def users_info(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("users:read")
        person = self._world.people.get(str(arguments.get("user")))
        if person is None:
            raise SlackError("user_not_found")
        answer = user_json(person, self._world)
        if str(arguments.get("include_locale")).lower() in ("1", "true"):
            answer["locale"] = person.locale
        return {"user": answer}

    async def conversations_open(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("im:write")
        users = str(arguments.get("users") or "")
        person = self._world.people.get(users)
        if person is None:
            raise SlackError("user_not_found" if users else "users_list_not_supplied")
        return {"channel": {"id": self._world.dm(person).id}}

    async def conversations_info(self, arguments: dict[str, Any]) -> Answer:
        room = self._workspace.room(arguments.get("channel"))
        self._workspace.need_for(room, "read")
        return {"channel": room_json(room)}

    async def conversations_list(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("channels:read", "groups:read", "im:read")
        rooms = [room_json(room) for room in self._world.rooms.values() if room.kind != "im"]
        return {"channels": rooms, "response_metadata": {"next_cursor": ""}}

    async def conversations_members(self, arguments: dict[str, Any]) -> Answer:
        room = self._workspace.room(arguments.get("channel"))
        self._workspace.need_for(room, "read")
        members = [*room.members, *([self._world.bot.id] if room.bot_is_member else [])]
        return {"members": members, "response_metadata": {"next_cursor": ""}}

    async def conversations_join(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("channels:join")
        room = self._workspace.room(arguments.get("channel"))
        room.bot_is_member = True
        return {"channel": room_json(room)}

    async def conversations_history(self, arguments: dict[str, Any]) -> Answer:
        room = self._readable(arguments)
        posts = [post for post in room.posts.values() if not post.is_reply or post.broadcast]
        return self._page(posts, arguments, newest_first=True)

    async def conversations_replies(self, arguments: dict[str, Any]) -> Answer:
        room = self._readable(arguments)
        asked = room.posts.get(str(arguments.get("ts")))
        if asked is None:
            raise SlackError("thread_not_found")
        root = room.posts.get(asked.thread, asked)
        return self._page([root, *room.replies(root.ts)], arguments, newest_first=False)

    def _readable(self, arguments: dict[str, Any]) -> Room:
        room = self._workspace.room(arguments.get("channel"))
        self._workspace.need_for(room, "history")
        if not room.bot_is_member:
            raise SlackError("not_in_channel")
        return room

    def _page(self, posts: list[Post], arguments: dict[str, Any], *, newest_first: bool) -> Answer:
        """One page of messages: `oldest`, `latest`, `inclusive`, `limit`, `cursor`."""
        oldest, latest = str(arguments.get("oldest") or "0"), str(arguments.get("latest") or "9" * 10)
        inclusive = str(arguments.get("inclusive")).lower() in ("1", "true")
        chosen = [post for post in posts if _within(post.ts, oldest, latest, inclusive)]
        chosen.sort(key=lambda post: post.ts, reverse=newest_first)
        start = _start(str(arguments.get("cursor") or ""))
        limit = min(999, max(1, int(arguments.get("limit") or 100)))
        page = chosen[start : start + limit]
        more = len(chosen) > start + limit
        with_metadata = str(arguments.get("include_all_metadata")).lower() in ("1", "true")
        answer: Answer = {
            "messages": [self._listed(post, with_metadata) for post in page],
            "has_more": more,
        }
        if more:
            answer["response_metadata"] = {"next_cursor": base64.b64encode(f"at:{start + limit}".encode()).decode()}
        return answer

    def _listed(self, post: Post, metadata: bool) -> Answer:
        answer = self._workspace.json(post, metadata=metadata)
        if post.thread == post.ts:
            replies = list(post.room.replies(post.ts))
            answer |= {"reply_count": len(replies), "latest_reply": replies[-1].ts if replies else post.ts}
        if post.reactions:
            names = {name for name, _ in post.reactions}
            answer["reactions"] = [
                {"name": name, "users": [user for one, user in post.reactions if one == name], "count": 1}
                for name in sorted(names)
            ]
        return answer


def _within(ts: str, oldest: str, latest: str, inclusive: bool) -> bool:
    if inclusive and ts in (oldest, latest):
        return True
    return float(oldest) < float(ts) < float(latest)


def _start(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        return int(base64.b64decode(cursor).decode().removeprefix("at:"))
    except ValueError as error:
        raise SlackError("invalid_cursor") from error
