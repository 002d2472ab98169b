"""The response_url of a tapped button: five answers within thirty minutes."""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import web

from tests.fakes.slack.checks import TEXT_LIMIT, SlackError, check_text
from tests.fakes.slack.workspace import Workspace
from tests.fakes.slack.world import Post

USES = 5


class Responses:
    """Where a response_url leads; answers may replace or delete the message, or add one."""

    def __init__(self, workspace: Workspace) -> None:
        self.ephemeral: list[tuple[str, str]] = []
        self._workspace = workspace
        self._open: dict[str, tuple[Post, int]] = {}
        workspace.platform.app.router.add_post("/actions/{name}", self._serve)

    def new_url(self, post: Post) -> str:
        """A URL for a tap on this message."""
        name = secrets.token_urlsafe(16)
        self._open[name] = (post, USES)
        return f"{self._workspace.platform.url}/actions/{name}"

    def expire(self) -> None:
        """Let the thirty minutes pass."""
        self._open.clear()

    async def _serve(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._open:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        post, left = self._open[name]
        if left <= 0:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        self._open[name] = (post, left - 1)
        try:
            self._apply(post, await request.json())
        except SlackError as error:
            return web.json_response({"ok": False, "error": error.error, **error.more}, status=400)
        self._workspace.platform.changed()
        return web.Response(text="ok")

    def _apply(self, post: Post, answer: dict[str, Any]) -> None:
        before = self._workspace.json(post)
        if answer.get("delete_original"):
            post.room.posts.pop(post.ts, None)
            self._workspace.announce_change("message_deleted", post, before)
            return
        text, blocks = check_text(answer, TEXT_LIMIT)
        if answer.get("replace_original"):
            post.text, post.blocks, post.edited_ts = text, blocks, self._workspace.world.now()
            self._workspace.announce_change("message_changed", post, before)
        elif answer.get("response_type") == "in_channel":
            thread = str(answer.get("thread_ts") or "")
            new = self._workspace.world.add(post.room, self._workspace.world.bot, text, blocks=blocks, thread=thread)
            self._workspace.announce(new)
        else:
            self.ephemeral.append((post.room.id, text))
