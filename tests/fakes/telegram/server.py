"""The fake Telegram: the Bot API over HTTP with people to act on its other side."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.fakes.faults import Fault, Where, Window, Wrong
from tests.fakes.platform import ApiCall, Platform
from tests.fakes.telegram.account import Account, Desk, Files
from tests.fakes.telegram.checks import ApiError, check_request, known_methods, warm_up
from tests.fakes.telegram.customer import Customer, Group
from tests.fakes.telegram.editing import Editing
from tests.fakes.telegram.media import Upload
from tests.fakes.telegram.objects import marks
from tests.fakes.telegram.sending import Sending
from tests.fakes.telegram.updates import Updates
from tests.fakes.telegram.view import Seen, view
from tests.fakes.telegram.world import Chat, Message, User, World

TOKEN = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
Method = Callable[[dict[str, Any], Files], Awaitable[Any]]


class FakeTelegram(Platform):
    """Telegram's Bot API at `url`; give the SDK `base_url=f"{url}/bot"` and `base_file_url=f"{url}/file/bot"`.

    `hurry` divides the platform's own waits (webhook retries); `privacy` is the bot's privacy mode in groups.
    """

    def __init__(
        self,
        token: str = TOKEN,
        *,
        username: str = "polydesk_bot",
        privacy: bool = True,
        hurry: float = 1.0,
        first_update: int = 1_000_001,
        strict: bool = True,
    ) -> None:
        super().__init__(strict=strict)
        self.token = token
        self.privacy = privacy
        self.world = World(User(int(token.split(":")[0]), "Polydesk", username, is_bot=True))
        self.updates = Updates(self, hurry=hurry, first_id=first_update)
        self.desk = Desk(self, self.world, self.updates, token)
        self._methods = _methods_of(Account(self.desk), Sending(self.desk), Editing(self.desk))
        self.app.router.add_route("*", "/bot{token}/{method}", self._serve_method)
        self.app.router.add_get("/file/bot{token}/{path:.+}", self._serve_file)

    async def __aenter__(self) -> Self:
        # The models take seconds to load, which must not happen while a test waits for an answer.
        await asyncio.to_thread(warm_up)
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.updates.stop()
        await super().__aexit__(kind, error, trace)

    # Who is there

    def customer(self, name: str = "Ada", language: str = "en") -> Customer:
        """A new person who has not yet written to the bot."""
        return Customer(self, self.world.new_user(name, language))

    def group(self, title: str = "Team", *, supergroup: bool = True, bot_is_admin: bool = False) -> Group:
        """A new group with the bot in it."""
        chat = self.world.new_group(title, supergroup=supergroup)
        chat.bot_is_admin = bot_is_admin
        return Group(self, chat)

    def seen(self, where: Customer | Group | Chat) -> list[Seen]:
        """What stands in a chat now, oldest first."""
        chat = where.private if isinstance(where, Customer) else where.chat if isinstance(where, Group) else where
        return [view(message, self.world) for message in chat.messages.values()]

    def sees(self, message: Message) -> bool:
        """Whether the bot is told of this message of a person; privacy mode hides most of what groups say."""
        chat = message.chat
        if chat.private or not self.privacy or chat.bot_is_admin:
            return chat.bot_is_member
        name = self.world.bot.username.lower()
        if message.reply_to is not None and message.reply_to.sender.id == self.world.bot.id:
            return True
        for mark in marks(message.text):
            word = message.text.encode("utf-16-le")[2 * mark["offset"] : 2 * (mark["offset"] + mark["length"])]
            found = word.decode("utf-16-le").lower()
            if mark["type"] == "mention" and found == f"@{name}":
                return True
            if mark["type"] == "bot_command" and found.partition("@")[2] in ("", name):
                return True
        return False

    # What can go wrong

    def fail_next(
        self,
        method: str,
        status: int = 500,
        *,
        description: str = "",
        retry_after: int | None = None,
        times: int = 1,
        where: Where | None = None,
    ) -> None:
        """Answer the next call(s) with an error and do nothing; 429 needs `retry_after`."""
        parameters = {"parameters": {"retry_after": retry_after}} if retry_after is not None else {}
        words = {429: f"Too Many Requests: retry after {retry_after}", 403: "Forbidden: bot was blocked by the user"}
        description = description or words.get(status, "Internal Server Error")
        answer = {"ok": False, "error_code": status, "description": description, **parameters}
        self.faults.plan(method, Fault(Wrong.FAIL, status, answer, left=times, where=where))

    def limit(self, *, overall: int = 30, per_chat: int = 1, per_group: int = 20) -> None:
        """Enforce flood limits: sends a second in all and per chat, and sends a minute per group."""
        limits = self.desk.limits
        limits.overall, limits.chat, limits.group = Window(overall, 1), Window(per_chat, 1), Window(per_group, 60)

    def push_update(self, update: dict[str, Any]) -> int:
        """Deliver a raw update, unchecked; it gets the next update_id unless it brings one."""
        return self.updates.push_raw(update)

    def redeliver(self, update_id: int) -> None:
        """Deliver an update once more."""
        self.updates.redeliver(update_id)

    def duplicate_next(self, times: int = 2) -> None:
        """Deliver the next update this many times in all."""
        self.updates.duplicate_next(times)

    @contextmanager
    def held(self) -> Iterator[list[int]]:
        """Keep updates back in the block; reorder the list of ids to deliver them in that order at its end."""
        with self.updates.held() as numbers:
            yield numbers

    def expire_taps(self) -> None:
        """Make every tapped button too old to be answered."""
        for query in self.world.queries.values():
            query.expired = True

    async def post_webhook(self, update: dict[str, Any], *, secret: str) -> int:
        """Post to the webhook as a stranger would, with this secret (or "" for none); the HTTP status."""
        status, _pause = await self.updates.post(update, secret)
        return status

    async def settled(self, timeout: float = 20.0) -> None:  # noqa: ASYNC109
        """Wait until every update was confirmed.

        Raises:
            AssertionError: some were not in time.
        """
        await self.until(lambda: self.updates.pending == 0, timeout)

    # The server

    async def _serve_method(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        if request.match_info["token"] != self.token:
            return _error(ApiError(401, "Unauthorized"))
        raw, files = await _read(request)
        call = ApiCall(name, dict(raw), {key: upload.content for key, upload in files.items()})
        self.calls.append(call)
        fault = self.faults.take(name, raw)
        if await self.dropped(request, fault, done=False):
            return web.Response()
        if fault is not None and fault.wrong is Wrong.FAIL:
            call.status, call.answer = fault.status, fault.answer
            self.changed()
            return web.json_response(fault.answer, status=fault.status)
        try:
            call.answer = {"ok": True, "result": await self._perform(name, raw, files, call)}
            call.status = 200
            response = web.json_response(call.answer)
        except ApiError as error:
            response = _error(error)
            call.status, call.answer = error.code, json.loads(response.text or "{}")
        except AssertionError as error:
            self.complain(f"{name}: {error}")
            response = _error(ApiError(500, "Internal Server Error"))
            call.status = 500
        self.changed()
        if await self.dropped(request, fault, done=True):
            call.status = 0
        return response

    async def _perform(self, name: str, raw: dict[str, Any], files: Files, call: ApiCall) -> Any:
        if name.lower() not in known_methods():
            raise ApiError(404, "Not Found")
        method = self._methods.get(name.lower())
        if method is None:
            self.complain(f"{name}: a method of Telegram that this fake does not speak")
            raise ApiError(501, f"Not Implemented: the fake does not speak {name}")
        # An uploaded file stands in its own field; the models know it as a reference to an attachment.
        known = known_methods()[name.lower()].model_fields
        placed = {key: f"attach://{key}" for key in files if key in known}
        call.arguments, strangers = check_request(name, {**raw, **placed})
        for stranger in strangers:
            self.complain(f"{name}: Telegram knows no {stranger!r}")
        return await method(call.arguments, files)

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        call = ApiCall("download", {"path": path})
        self.calls.append(call)
        fault = self.faults.take("download", call.arguments)
        if await self.dropped(request, fault, done=False) or await self.dropped(request, fault, done=True):
            return web.Response()
        if fault is not None and fault.wrong is Wrong.FAIL:
            call.status = fault.status
            return web.json_response(fault.answer, status=fault.status)
        file = self.world.paths.get(path)
        if request.match_info["token"] != self.token or file is None:
            call.status = 404
            return _error(ApiError(404, "Not Found"))
        call.status, call.answer = 200, {"ok": True}
        return web.Response(body=file.content, content_type="application/octet-stream")


def _methods_of(*groups: object) -> dict[str, Method]:
    found: dict[str, Method] = {}
    for group in groups:
        for name, method in inspect.getmembers(group, inspect.iscoroutinefunction):
            found[name.replace("_", "")] = method
    return found


async def _read(request: web.Request) -> tuple[dict[str, Any], Files]:
    """Arguments and files of a request, however they were sent: query, form, multipart or JSON."""
    raw: dict[str, Any] = dict(request.query)
    files: Files = {}
    if request.content_type == "application/json":
        raw |= await request.json()
        return raw, files
    if request.can_read_body:
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                files[name] = Upload(value.file.read(), value.filename, value.content_type)
            elif isinstance(value, bytes | bytearray):
                files[name] = Upload(bytes(value))
            else:
                raw[name] = value
    return raw, files


def _error(error: ApiError) -> web.Response:
    answer: dict[str, Any] = {"ok": False, "error_code": error.code, "description": error.description}
    if error.parameters:
        answer["parameters"] = error.parameters
    return web.json_response(answer, status=error.code)
