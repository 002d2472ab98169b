"""Files: files.* methods, uploads, downloads that need a token."""

from __future__ import annotations

import asyncio
import mimetypes
import secrets
from typing import Any

from aiohttp import web

from tests.fakes.faults import Wrong
from tests.fakes.platform import ApiCall
from tests.fakes.slack.checks import SlackError
from tests.fakes.slack.objects import file_json
from tests.fakes.slack.workspace import Workspace
from tests.fakes.slack.world import HostedFile

Answer = dict[str, Any]
LOGIN_PAGE = """<!DOCTYPE html>
<html lang="en-US"><head><title>Login | Slack</title></head><body><form id="signin_form"></form></body></html>
"""


class Files:
    """Methods named as in the Web API, dots as underscores, with the two places where bytes go in and out."""

    def __init__(self, workspace: Workspace, token: str) -> None:
        self._workspace = workspace
        self._world = workspace.world
        self._token = token
        self._tickets: dict[str, HostedFile] = {}
        router = workspace.platform.app.router
        router.add_post("/upload/v1/{ticket}", self._receive)
        router.add_get("/files-pri/{ids}/download/{name:.+}", self._serve)
        router.add_get("/files-pri/{ids}/{name:.+}", self._serve)

    async def files_info(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("files:read")
        file = self._world.files.get(str(arguments.get("file")))
        if file is None:
            raise SlackError("file_not_found")
        return {"file": file_json(file, self._world, self._workspace.platform.url, whole=True), "comments": []}

    async def files_getUploadURLExternal(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("files:write")
        name, length = str(arguments.get("filename") or ""), int(arguments.get("length") or 0)
        if not name or length <= 0:
            raise SlackError("invalid_arguments")
        mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
        file = self._world.add_file(self._world.bot, name, mime, b"", size=length, complete=False)
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = file
        return {"upload_url": f"{self._workspace.platform.url}/upload/v1/{ticket}", "file_id": file.id}

    async def files_completeUploadExternal(self, arguments: dict[str, Any]) -> Answer:
        self._workspace.need("files:write")
        chosen = []
        for named in arguments.get("files") or []:
            file = self._world.files.get(str(named.get("id")))
            if file is None or not file.content:
                raise SlackError("file_not_found")
            file.title, file.complete = str(named.get("title") or file.name), True
            chosen.append(file)
        if not chosen:
            raise SlackError("invalid_arguments")
        names = str(arguments.get("channels") or arguments.get("channel_id") or "")
        rooms = [self._workspace.room(name) for name in names.split(",") if name]
        thread = str(arguments.get("thread_ts") or "")
        for room in rooms:
            if not room.bot_is_member:
                raise SlackError("not_in_channel")
            if thread and thread not in room.posts:
                raise SlackError("invalid_thread_ts")
            self._workspace.platform.spawn(
                self._share(room.id, chosen, str(arguments.get("initial_comment") or ""), thread)
            )
        return {"files": [{"id": file.id, "title": file.title} for file in chosen]}

    async def _share(self, room_id: str, files: list[HostedFile], comment: str, thread: str) -> None:
        """The message appears some time after the call was answered."""
        await asyncio.sleep(self._workspace.upload_delay)
        room = self._world.rooms[room_id]
        post = self._world.add(room, self._world.bot, comment, files=files, thread=thread, subtype="file_share")
        self._workspace.announce(post)
        self._workspace.platform.changed()

    async def _receive(self, request: web.Request) -> web.Response:
        file = self._tickets.get(request.match_info["ticket"])
        if file is None:
            return web.Response(status=404, text="Not found")
        if request.content_type.startswith("multipart/"):
            parts = [value.file.read() for value in (await request.post()).values() if isinstance(value, web.FileField)]
            content = parts[0] if parts else b""
        else:
            content = await request.read()
        if len(content) != file.size:
            return web.Response(status=400, text="size mismatch")
        file.content = content
        return web.Response(text=f"OK - {len(content)}")

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """The bytes for a token with files:read; for anything else a login page, with status 200."""
        platform = self._workspace.platform
        file_id = request.match_info["ids"].partition("-")[2]
        call = ApiCall("download", {"file": file_id, "name": request.match_info["name"]}, status=200)
        platform.calls.append(call)
        fault = platform.faults.take("download", call.arguments)
        if await platform.dropped(request, fault, done=False) or await platform.dropped(request, fault, done=True):
            call.status = 0
            return web.Response()
        if fault is not None and fault.wrong is Wrong.FAIL:
            call.status = fault.status
            return web.json_response(fault.answer, status=fault.status, headers=fault.headers)
        allowed = request.headers.get("Authorization") == f"Bearer {self._token}"
        if not allowed or "files:read" not in self._workspace.scopes:
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
        file = self._world.files.get(file_id)
        if file is None:
            call.status = 404
            return web.Response(status=404, text="<html>not found</html>", content_type="text/html")
        return web.Response(body=file.content, content_type=file.mime)
