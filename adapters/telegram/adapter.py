"""The adapter to Telegram: its life cycle around parse, render and the Bot API.

```
getUpdates | webhook -> Intake.read (parse) -> Intake.take (hear, commits) -> confirmed | 200
render(reply) -> Call -> outbox -> Sender.send -> Bot API
```
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import structlog

from adapters.telegram.client import API, Client
from adapters.telegram.commands import announce
from adapters.telegram.content import LARGEST_FILE
from adapters.telegram.intake import Intake
from adapters.telegram.parse import BotIdentity
from adapters.telegram.polling import Polling
from adapters.telegram.render import render
from adapters.telegram.sending import Blob, Sender
from adapters.telegram.webhook import Webhook
from core import wire
from core.errors import BadInput, OutcomeUnknown, PolydeskError, Retry
from core.ports import Hear
from core.values import Address, Attachment, Call, Reply, Sent

log = structlog.get_logger()

_FAREWELL = 10.0  # seconds that a hearing in progress gets when the adapter closes
_GLANCE = 1.0  # seconds that an answer to a tap gets then


class TelegramAdapter:
    """Telegram under one bot account, implementing `core.ports.Adapter`.

    `token` is @BotFather's; `api_url` another Bot API server like `http://host:port`; `webhook_url` the public address
    of our HTTP server (None: long polling), where `/telegram/webhook` is appended when it has no path; `secret` guards
    the webhook; `blob` reads a picture by its SHA-256.
    """

    platform = "telegram"

    def __init__(
        self,
        token: str,
        *,
        blob: Blob,
        api_url: str | None = None,
        webhook_url: str | None = None,
        secret: str | None = None,
    ) -> None:
        self._token = token.strip()
        self._api = (api_url or API).rstrip("/")
        self._blob = blob
        self._webhook = Webhook(self._token, webhook_url, secret) if webhook_url else None
        self.router: Any = self._webhook.router if self._webhook else None
        self.identity: BotIdentity | None = None
        self._client: Client | None = None
        self._intake: Intake | None = None
        self._sender: Sender | None = None
        self._moves: dict[str, str] = {}
        self._beside: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"TelegramAdapter({self._api})"

    async def whoami(self) -> BotIdentity:
        """Ask Telegram who the token belongs to, without receiving anything.

        Raises:
            Broken: the token is refused. Retry: Telegram cannot be reached.
        """
        client = Client(self._token, self._api)
        try:
            return await client.me()
        finally:
            await client.close()

    async def checked(self) -> str:
        """What `polydesk doctor` says about the token; raises as `whoami`."""
        return f"@{(await self.whoami()).username}"

    def running(self, hear: Hear) -> AbstractAsyncContextManager[None]:
        """Receive while the context is open; see `core.ports.Adapter.running`.

        Raises:
            Broken: on entry, the token is refused or an address is malformed. Retry: on entry, Telegram cannot be
                reached now.
        """
        return self._running(hear)

    def connected(self, hear: Hear) -> AbstractAsyncContextManager[None]:
        """Send, and take what is posted to the webhook; see `core.ports.Shared`."""
        return self._connected(hear)

    def receiving(self) -> AbstractAsyncContextManager[None]:
        """Poll, where there is no webhook; see `core.ports.Shared`."""
        return self._receiving()

    @asynccontextmanager
    async def _running(self, hear: Hear) -> AsyncIterator[None]:
        async with self._connected(hear), self._receiving():
            yield

    @asynccontextmanager
    async def _connected(self, hear: Hear) -> AsyncIterator[None]:
        client = Client(self._token, self._api)
        try:
            self.identity = await client.me()
            self._client, self._sender = client, Sender(client, self._blob, self._moves)
            self._intake = Intake(self.identity, hear, now=_now, tapped=self._answer_tap, relocated=self._follow)
            if self._webhook is not None:
                self._webhook.intake = self._intake
                await self._webhook.register(client)
            self._do_beside(announce(client))
            log.info("telegram.running", bot=self.identity.username, webhook=self._webhook is not None)
            yield
        finally:
            if self._webhook is not None:
                self._webhook.intake = None
            if self._beside:
                await asyncio.wait(self._beside, timeout=_GLANCE)
            await _ended(self._beside)
            self._client = self._sender = self._intake = None
            await client.close()

    @asynccontextmanager
    async def _receiving(self) -> AsyncIterator[None]:
        client, intake = self._client, self._intake
        if client is None or intake is None:
            raise Retry("Telegram is not connected", 2.0)
        if self._webhook is not None:
            yield
            return
        await client.call("deleteWebhook", {"drop_pending_updates": False})
        stop = asyncio.Event()
        polling = asyncio.create_task(Polling(client, intake, stop).run(), name="telegram polling")
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait({polling}, timeout=_FAREWELL)  # what is being heard is heard
            await _ended({polling})

    def render(self, address: Address, reply: Reply) -> tuple[Call, ...]:
        """Turn a reply into Bot API calls; see `adapters.telegram.render`."""
        return render(address, reply)

    async def send(self, call: Call) -> Sent:
        """Make one call; see `core.ports.Adapter.send`. The receipt of an album is its first message's id."""
        sender = self._sender
        if sender is None:
            raise Retry("Telegram is not connected", 2.0)
        if call.method == "busy":
            await sender.busy(wire.load(Address, call.arguments.get("address")))
            return Sent()
        if not call.method.startswith(("send", "edit")):
            raise BadInput(f"{call.method} is not a call that this adapter renders")
        if call.since and not call.method.startswith("edit"):
            raise OutcomeUnknown(f"{call.method} may have arrived; the Bot API has no way to read a chat back")
        return await sender.send(call)

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file of at most 20 MB; see `core.ports.Adapter.fetch`."""
        if self._client is None:
            raise Retry("Telegram is not connected", 2.0)
        return await self._client.download(attachment.ref, LARGEST_FILE)

    def _follow(self, old: str, new: str) -> None:
        """A group became a supergroup: what is still addressed to the old id goes to the new one."""
        if self._moves.get(old) != new:
            log.warning("telegram.moved", old=old, new=new)
            self._moves[old] = new

    def _answer_tap(self, query: str) -> None:
        """Stop the button's spinner, whatever becomes of the tap."""
        if self._client is not None:
            self._do_beside(_ignoring(self._client.call("answerCallbackQuery", {"callback_query_id": query})))

    def _do_beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    left = tuple(tasks)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _ignoring(work: Awaitable[Any]) -> None:
    try:
        await work
    except PolydeskError as problem:
        log.debug("telegram.tap_not_answered", problem=str(problem))


def _now() -> int:
    return time.time_ns() // 1_000_000
