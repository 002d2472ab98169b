"""The adapter to Slack: its life cycle around parse, render and the Web API.

```
Socket Mode | /slack/events -> Dispatch (Bolt) -> Intake (parse, hear, commits) -> acknowledged | 200
after an interruption: Gaps (conversations.history, .replies) -> Intake
render(reply) -> Call -> outbox -> Sender.send -> Web API
```
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from adapters.slack.client import Client
from adapters.slack.dispatch import Dispatch
from adapters.slack.downloads import Downloads
from adapters.slack.events import EventsApi
from adapters.slack.gaps import Gaps
from adapters.slack.intake import Intake
from adapters.slack.parse import BotIdentity
from adapters.slack.people import People
from adapters.slack.render import render
from adapters.slack.scopes import compared
from adapters.slack.sending import Blob, Sender, Shares
from adapters.slack.sockets import Sockets
from adapters.slack.trouble import NO_SECRET
from core import wire
from core.errors import Broken, Retry
from core.ports import Hear, Memory, Standing
from core.values import Address, Attachment, Call, Reply, Sent

log = structlog.get_logger()

_FRESH = 30.0  # seconds for which it is still true where the conversations stood


class SlackAdapter:
    """Slack under one bot of one workspace, implementing `core.ports.Adapter`.

    `bot_token` is the app's xoxb token; `app_token` its xapp token, which chooses Socket Mode; `signing_secret` guards
    `/slack/events` where there is none; `api_url` another Web API, ending in `/api/`; `blob` reads a picture by its
    SHA-256.
    """

    platform = "slack"

    def __init__(
        self,
        bot_token: str,
        *,
        blob: Blob,
        app_token: str | None = None,
        signing_secret: str | None = None,
        api_url: str | None = None,
    ) -> None:
        self._bot_token = bot_token.strip()
        self._app_token = (app_token or "").strip()
        self._api_url = api_url or None
        self._blob = blob
        self._dispatch = Dispatch()
        secret = (signing_secret or "").strip()
        self._over_http = bool(secret) and not self._app_token
        self.router: Any = EventsApi(secret, self._dispatch).router if self._over_http else None
        self.identity: BotIdentity | None = None
        self._client: Client | None = None
        self._sender: Sender | None = None
        self._downloads: Downloads | None = None
        self._memory: Memory | None = None
        self._gaps: Gaps | None = None
        self._stood: tuple[float, Sequence[Standing]] = (0.0, ())

    def __repr__(self) -> str:
        return f"SlackAdapter({'Events API' if self._over_http else 'Socket Mode'})"

    async def checked(self) -> str:
        """Look at tokens and scopes without receiving anything; a sentence about what was found.

        Raises:
            Broken: a token is refused, or the app lacks scopes. Retry: Slack cannot be reached.
        """
        self._must_be_reachable()
        client = Client(self._bot_token, self._api_url)
        try:
            bot, granted = await client.me()
            if self._app_token:
                await client.socket_address(self._app_token)
        finally:
            await client.close()
        how = "Socket Mode" if self._app_token else "Events API at /slack/events"
        return f"{bot.name} in workspace {bot.team}, {how}, {compared(granted).told()}"

    def catch_up_from(self, memory: Memory) -> None:
        """Read the open conversations after an interruption; see `core.ports.CatchesUp`."""
        self._memory = memory

    def running(self, hear: Hear) -> AbstractAsyncContextManager[None]:
        """Receive while the context is open; see `core.ports.Adapter.running`.

        Raises:
            Broken: on entry, a token is refused or there is none to receive with. Retry: on entry, Slack cannot be
                reached now.
        """
        return self._running(hear)

    def connected(self, hear: Hear) -> AbstractAsyncContextManager[None]:
        """Send, and take what is posted to the Events API; see `core.ports.Shared`."""
        return self._connected(hear)

    def receiving(self) -> AbstractAsyncContextManager[None]:
        """Socket Mode, where it is chosen; see `core.ports.Shared`."""
        return self._receiving()

    @asynccontextmanager
    async def _running(self, hear: Hear) -> AsyncIterator[None]:
        async with self._connected(hear), self._receiving():
            yield

    @asynccontextmanager
    async def _connected(self, hear: Hear) -> AsyncIterator[None]:
        self._must_be_reachable()
        client = Client(self._bot_token, self._api_url)
        people = People(client)
        try:
            self.identity, granted = await client.me()
            missing = compared(granted).missing
            if missing:
                log.warning("slack.scopes_missing", scopes=sorted(missing), do="polydesk doctor says what to do")
            shares = Shares()
            self._sender, self._downloads = Sender(client, self._blob, shares), Downloads(client)
            intake = Intake(self.identity, hear, people, shares)
            if self._memory is not None:
                self._gaps = Gaps(client, self.identity, intake, self._memory)
                if self._over_http:  # what Slack posts from now on must not pass for all that was written
                    self._stood = time.monotonic(), await self._gaps.standing()
            self._dispatch.intake, self._client = intake, client
            log.info("slack.running", bot=self.identity.name, team=self.identity.team, sockets=not self._over_http)
            yield
        finally:
            self._dispatch.intake = self._sender = self._downloads = self._client = self._gaps = None
            await people.close()
            await client.close()

    @asynccontextmanager
    async def _receiving(self) -> AsyncIterator[None]:
        if self._client is None:
            raise Retry("Slack is not connected", 2.0)
        async with AsyncExitStack() as stack:
            if self._gaps is not None:
                await stack.enter_async_context(self._gaps.reading())
            if self._app_token:
                sockets = Sockets(self._client, self._app_token, self._dispatch, self._gaps)
                await stack.enter_async_context(sockets.connected())
            elif self._gaps is not None:
                since, standing = self._stood
                fresh = time.monotonic() - since < _FRESH
                self._gaps.read(standing if fresh else await self._gaps.standing())
            yield

    def render(self, address: Address, reply: Reply) -> tuple[Call, ...]:
        """Turn a reply into Web API calls; see `adapters.slack.render`."""
        return render(address, reply)

    async def send(self, call: Call) -> Sent:
        """Make one call; see `core.ports.Adapter.send`. Pictures have a receipt once they can be seen."""
        sender = self._sender
        if sender is None:
            raise Retry("Slack is not connected", 2.0)
        if call.method == "busy":
            await sender.busy(wire.load(Address, call.arguments.get("address")))
            return Sent()
        return await sender.send(call)

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file of at most 20 MB; see `core.ports.Adapter.fetch`."""
        if self._downloads is None:
            raise Retry("Slack is not connected", 2.0)
        return await self._downloads.fetch(attachment.ref)

    def _must_be_reachable(self) -> None:
        if not (self._app_token or self._over_http):
            raise Broken(NO_SECRET)
