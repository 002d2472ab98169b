"""The fake Slack: the Web API, Events API and Socket Mode with people to act on their other side."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from aiohttp import web

from tests.fakes.faults import Fault, Where, Window, Wrong
from tests.fakes.platform import ApiCall, Platform
from tests.fakes.slack.chat import Chat
from tests.fakes.slack.checks import SlackError, decoded, known_arguments
from tests.fakes.slack.customer import Customer
from tests.fakes.slack.events import Events
from tests.fakes.slack.files import Files
from tests.fakes.slack.reading import Reading
from tests.fakes.slack.responses import Responses
from tests.fakes.slack.sockets import Sockets
from tests.fakes.slack.view import Seen, view
from tests.fakes.slack.workspace import Workspace
from tests.fakes.slack.world import Room, World

BOT_TOKEN = "xoxb-1234567890-0987654321-fakefakefake"
APP_TOKEN = "xapp-1-A0FAKE-1234567890-fakefakefake"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SCOPES = (
    "chat:write",
    "app_mentions:read",
    "im:history",
    "channels:history",
    "groups:history",
    "files:read",
    "files:write",
    "reactions:write",
    "users:read",
    "assistant:write",
)
SUBSCRIPTIONS = (
    "message.im",
    "message.channels",
    "message.groups",
    "app_mention",
    "app_home_opened",
    "member_joined_channel",
    "app_uninstalled",
    "tokens_revoked",
)
Method = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class FakeSlack(Platform):
    """Slack's Web API at `api_url`; events go to Socket Mode, or to the URL given to `use_events_api`.

    `hurry` divides the waits between retries; `scopes` and `subscriptions` are what the app was installed with.
    """

    def __init__(
        self,
        *,
        bot_token: str = BOT_TOKEN,
        app_token: str = APP_TOKEN,
        signing_secret: str = SIGNING_SECRET,
        scopes: Iterable[str] = SCOPES,
        subscriptions: Iterable[str] = SUBSCRIPTIONS,
        hurry: float = 1.0,
        seed: int = 0,
        strict: bool = True,
    ) -> None:
        super().__init__(strict=strict)
        self.bot_token = bot_token
        self.app_token = app_token
        self.signing_secret = signing_secret
        self.revoked = ""
        self.world = World()
        self.sockets = Sockets(self, self.world, seed=seed)
        self.events = Events(self, self.world, self.sockets, secret=signing_secret, hurry=hurry)
        self.workspace = Workspace(self, self.world, self.events, set(scopes))
        self.events.scopes = self.workspace.scopes
        self.events.subscribed = set(subscriptions)
        self.responses = Responses(self.workspace)
        files = Files(self.workspace, bot_token)
        self._methods = _methods_of(Reading(self.workspace, self.sockets), Chat(self.workspace), files)
        self.app.router.add_route("*", "/api/{method}", self._serve)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.sockets.close()
        await super().__aexit__(kind, error, trace)

    @property
    def api_url(self) -> str:
        """What AsyncWebClient wants as `base_url`."""
        return f"{self.url}/api/"

    async def use_events_api(self, url: str) -> None:
        """Send events and taps to this URL from now on, after it answered the challenge.

        Raises:
            AssertionError: it did not.
        """
        await self.events.verify(url)

    # Who is there

    def customer(self, name: str = "Ada", *, locale: str = "en-US", team: str = "") -> Customer:
        """A new member; with another `team`, somebody who comes by Slack Connect."""
        return Customer(self, self.world.add_person(name, locale=locale, team=team))

    def other_bot(self, name: str = "Deploybot") -> Customer:
        """Another app's bot, which posts as such."""
        return Customer(self, self.world.add_person(name, bot=True))

    def channel(self, name: str = "support", *, private: bool = False, bot_is_member: bool = True) -> Room:
        """A new channel."""
        room = self.world.add_channel(name, private=private)
        room.bot_is_member = bot_is_member
        return room

    def seen(self, where: Customer | Room, thread_ts: str | None = None) -> list[Seen]:
        """What stands in a conversation now, oldest first: its top level, or one thread with its root."""
        room = where.dm if isinstance(where, Customer) else where
        if thread_ts is not None:
            posts = [post for post in room.posts.values() if thread_ts in (post.ts, post.thread)]
        else:
            posts = [post for post in room.posts.values() if not post.is_reply or post.broadcast]
        return [view(post, self.world) for post in posts]

    def everything(self, where: Customer | Room) -> list[Seen]:
        """Every message of a conversation, threads included, oldest first."""
        room = where.dm if isinstance(where, Customer) else where
        return [view(post, self.world) for post in room.posts.values()]

    # What can go wrong

    def fail_next(
        self,
        method: str,
        error: str = "internal_error",
        *,
        status: int = 200,
        retry_after: int | None = None,
        times: int = 1,
        where: Where | None = None,
    ) -> None:
        """Answer the next call(s) with an error and do nothing; `retry_after` makes it a 429 `ratelimited`."""
        headers = {}
        if retry_after is not None:
            status, error, headers = 429, "ratelimited", {"Retry-After": str(retry_after)}
        answer = {"ok": False, "error": error}
        self.faults.plan(method, Fault(Wrong.FAIL, status, answer, headers, left=times, where=where))

    def limit(self, per_channel: int = 1) -> None:
        """Enforce the rate limit of chat.postMessage: messages a second and channel."""
        self.workspace.per_channel = Window(per_channel, 1)

    def redeliver(self, event_id: str) -> None:
        """Deliver an event once more, with the same event_id and a new envelope."""
        self.events.redeliver(event_id)

    def duplicate_next(self, times: int = 2) -> None:
        """Deliver the next event this many times at once."""
        self.events.duplicate_next(times)

    def lose_next(self, attempts: int = 1) -> None:
        """Let the next delivery attempts get lost, so that only a retry arrives."""
        self.events.lose_next(attempts)

    def ignore_acks(self, attempts: int = 3) -> None:
        """Behave for the next attempts as if no acknowledgement had come; three make four deliveries of one event."""
        self.events.ignore_acks(attempts)

    @contextmanager
    def held(self) -> Iterator[list[str]]:
        """Keep events back in the block; reorder the list of event_ids to deliver them in that order at its end."""
        with self.events.held() as event_ids:
            yield event_ids

    def uninstall(self) -> None:
        """Remove the app: it is told, and its token is dead."""
        tokens = {"oauth": [], "bot": [self.world.bot.id]}
        self.events.push({"type": "tokens_revoked", "tokens": tokens, "event_ts": self.world.now()}, "tokens_revoked")
        self.events.push({"type": "app_uninstalled", "event_ts": self.world.now()}, "app_uninstalled")
        self.revoked = "account_inactive"

    def throttle_events(self) -> None:
        """Tell the app that it gets too many events, as Slack does above 30,000 an hour."""
        minute = int(time.time()) // 60 * 60
        self.events.push_payload(
            {
                "token": self.events.verification_token,
                "type": "app_rate_limited",
                "team_id": self.world.team,
                "minute_rate_limited": minute,
                "api_app_id": self.world.app_id,
            }
        )

    async def settled(self, timeout: float = 20.0) -> None:  # noqa: ASYNC109
        """Wait until every event was acknowledged or given up.

        Raises:
            AssertionError: some were not in time.
        """
        await self.until(lambda: self.events.pending == 0, timeout)

    # The server

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        raw = await _read(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or str(raw.pop("token", ""))
        call = ApiCall(method, raw)
        self.calls.append(call)
        fault = self.faults.take(method, raw)
        if await self.dropped(request, fault, done=False):
            return web.Response()
        headers = {"X-OAuth-Scopes": ",".join(sorted(self.workspace.scopes))}
        call.status = 200
        try:
            if fault is not None and fault.wrong is Wrong.FAIL:
                raise SlackError(str(fault.answer["error"]), status=fault.status, headers=fault.headers)
            self._check_token(method, token)
            call.answer = {"ok": True, **await self._perform(method, call)}
        except SlackError as error:
            call.status, call.answer = error.status, {"ok": False, "error": error.error, **error.more}
            headers |= error.headers
        self.changed()
        if await self.dropped(request, fault, done=True):
            call.status = 0
        return web.json_response(call.answer, status=call.status or 200, headers=headers)

    def _check_token(self, method: str, token: str) -> None:
        if not token:
            raise SlackError("not_authed")
        app_level = method == "apps.connections.open"
        if token not in (self.bot_token, self.app_token):
            raise SlackError("invalid_auth")
        if (token == self.app_token) != app_level:
            raise SlackError("not_allowed_token_type")
        if self.revoked:
            raise SlackError(self.revoked)

    async def _perform(self, method: str, call: ApiCall) -> dict[str, Any]:
        known = known_arguments(method)
        if known is None:
            raise SlackError("unknown_method", req_method=method)
        function = self._methods.get(method.replace(".", "_"))
        if function is None:
            self.complain(f"{method}: a method of Slack that this fake does not speak")
            raise SlackError("unknown_method", req_method=method)
        names, required = known
        call.arguments = decoded(call.arguments)
        for name in call.arguments:
            if name not in names and name != "team_id":
                self.complain(f"{method}: Slack knows no {name!r}")
        for name in required:
            if call.arguments.get(name) in (None, ""):
                message = f"[ERROR] missing required field: {name}"
                raise SlackError("invalid_arguments", response_metadata={"messages": [message]})
        return await function(call.arguments)


def _methods_of(*groups: object) -> dict[str, Method]:
    found: dict[str, Method] = {}
    for group in groups:
        for name, method in inspect.getmembers(group, inspect.iscoroutinefunction):
            if not name.startswith("_"):
                found[name] = method
    return found


async def _read(request: web.Request) -> dict[str, Any]:
    """Arguments of a request, however they were sent: query, form or JSON."""
    raw: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        return {**raw, **await request.json()}
    if request.can_read_body:
        raw.update((name, value) for name, value in (await request.post()).items() if isinstance(value, str))
    return raw
