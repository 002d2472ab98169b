"""The Web API's methods that write: chat.*, reactions.*, views.*, assistant.*."""

from __future__ import annotations

from typing import Any

from tests.fakes.slack.checks import HOME_LIMIT, TEXT_LIMIT, UPDATE_LIMIT, SlackError, check_blocks, check_text
from tests.fakes.slack.workspace import Workspace
from tests.fakes.slack.world import Post, Room, slack_id

Answer = dict[str, Any]


class Chat:
    """Methods named as in the Web API, dots as underscores."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._world = workspace.world

    async def chat_postMessage(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("chat:write")
        room = self._workspace.room(arguments.get("channel"), opening=True)
        self._check_room(room)
        text, blocks = check_text(arguments, TEXT_LIMIT)
        if blocks and not text.strip():
            self._workspace.platform.complain("chat.postMessage: blocks without text, so notifications are empty")
        thread = self._thread(room, str(arguments.get("thread_ts") or ""))
        self._workspace.count(room)
        post = self._world.add(
            room,
            self._world.bot,
            text,
            blocks=blocks,
            attachments=arguments.get("attachments") or [],
            thread=thread,
            metadata=arguments.get("metadata"),
            broadcast=_true(arguments.get("reply_broadcast")),
        )
        self._workspace.announce(post)
        return {"channel": room.id, "ts": post.ts, "message": self._workspace.json(post)}

    async def chat_update(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("chat:write")
        post = self._post(arguments, "message_not_found")
        if post.author is not self._world.bot:
            raise SlackError("cant_update_message")
        before = self._workspace.json(post)
        if "blocks" not in arguments and post.blocks:
            self._workspace.platform.complain(
                "chat.update: without `blocks` the old blocks stay; send [] to take them away"
            )
        given = {"blocks": post.blocks, **arguments}
        text, blocks = check_text(given, UPDATE_LIMIT)
        post.text, post.blocks, post.edited_ts = text, blocks, self._world.now()
        if "metadata" in arguments:
            post.metadata = arguments["metadata"]
        self._workspace.announce_change("message_changed", post, before)
        return {"channel": post.room.id, "ts": post.ts, "text": text, "message": self._workspace.json(post)}

    async def chat_delete(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("chat:write")
        post = self._post(arguments, "message_not_found")
        if post.author is not self._world.bot:
            raise SlackError("cant_delete_message")
        del post.room.posts[post.ts]
        self._workspace.announce_change("message_deleted", post, self._workspace.json(post))
        return {"channel": post.room.id, "ts": post.ts}

    async def reactions_add(self, arguments: dict[str, Any]) -> Answer:
        post, reaction = self._reaction(arguments)
        if reaction in post.reactions:
            raise SlackError("already_reacted")
        post.reactions.append(reaction)
        return {}

    async def reactions_remove(self, arguments: dict[str, Any]) -> Answer:
        post, reaction = self._reaction(arguments)
        if reaction not in post.reactions:
            raise SlackError("no_reaction")
        post.reactions.remove(reaction)
        return {}

    async def views_publish(self, arguments: dict[str, Any]) -> Answer:
        user, view = str(arguments.get("user_id")), arguments.get("view")
        if user not in self._world.people:
            raise SlackError("user_not_found")
        if not isinstance(view, dict) or view.get("type") != "home":
            raise SlackError("invalid_arguments")
        view = {**view, "blocks": check_blocks(view.get("blocks"), HOME_LIMIT), "id": slack_id("V")}
        self._world.homes[user] = view
        return {"view": view}

    async def assistant_threads_setStatus(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("assistant:write", "chat:write")
        room = self._workspace.room(arguments.get("channel_id"))
        thread = str(arguments.get("thread_ts") or "")
        if thread and thread not in room.posts:
            raise SlackError("invalid_thread_ts")
        self._world.statuses.append((room.id, thread, str(arguments.get("status") or "")))
        return {}

    async def assistant_threads_setSuggestedPrompts(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("assistant:write")
        self._workspace.room(arguments.get("channel_id"))
        if not 1 <= len(arguments.get("prompts") or []) <= 4:
            raise SlackError("invalid_arguments")
        return {}

    async def assistant_threads_setTitle(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("assistant:write")
        self._workspace.room(arguments.get("channel_id"))
        return {}

    def _post(self, arguments: dict[str, Any], missing: str) -> Post:
        room = self._workspace.room(arguments.get("channel"))
        post = room.posts.get(str(arguments.get("ts") or arguments.get("timestamp")))
        if post is None:
            raise SlackError(missing)
        return post

    def _reaction(self, arguments: dict[str, Any]) -> tuple[Post, tuple[str, str]]:
        self._workspace.need("reactions:write")
        name = str(arguments.get("name") or "")
        if not name or ":" in name or not name.isascii():
            raise SlackError("invalid_name")
        return self._post(arguments, "message_not_found"), (name, self._world.bot.id)

    def _check_room(self, room: Room) -> None:
        if not room.bot_is_member:
            raise SlackError("not_in_channel")
        if room.archived:
            raise SlackError("is_archived")

    def _thread(self, room: Room, thread: str) -> str:
        """The root a reply belongs to; Slack takes a reply's own ts too and makes a mess of it."""
        if not thread:
            return ""
        root = room.posts.get(thread)
        if root is None:
            raise SlackError("cannot_reply_to_message")
        if root.is_reply:
            self._workspace.platform.complain("chat.postMessage: thread_ts is a reply's ts, not the root's")
        return thread


def _true(value: Any) -> bool:
    return str(value).lower() in ("1", "true")
