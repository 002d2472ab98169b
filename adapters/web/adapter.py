"""The web chat's life cycle: its server is the gateway itself, its platform a table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.routing import Mount, Router

from adapters.web.api import build_api
from adapters.web.chats import Chats
from adapters.web.page import routes as page_routes
from adapters.web.render import render
from core.bell import Bell
from core.composing import Composing
from core.errors import Refused, Retry, Unreadable
from core.ports import Hear
from core.store.store import Store, Tx
from core.values import Address, Attachment, Call, Problem, Reply, Sent


class WebAdapter:
    """Speaks to browsers through the store: what is sent is a row, and the bell tells the open page."""

    platform = "web"

    def __init__(self, store: Store, bell: Bell, composing: Composing | None = None) -> None:
        self._store = store
        self._bell = bell
        self._chats = Chats(store, bell, composing or Composing())
        self._doubtful: set[str] = set()  # keys of lines that may be there
        self.router = Router([Mount("/api", build_api(self._chats)), *page_routes(store)])

    @asynccontextmanager
    async def running(self, hear: Hear) -> AsyncIterator[None]:
        """Take messages until the context ends."""
        self._chats.hear = hear
        try:
            yield
        finally:
            self._chats.hear = None

    def render(self, address: Address, reply: Reply) -> tuple[Call, ...]:
        """One line of the chat."""
        return render(address, reply)

    async def send(self, call: Call) -> Sent:
        """Put a line into the chat.

        Raises:
            Refused: the chat is gone, deleted with its conversation.
        """
        if call.method == "busy":
            address = call.arguments["address"]
            assert isinstance(address, dict)
            self._chats.busy(str(address["chat"]))
            return Sent()
        session, line = str(call.arguments["session"]), call.arguments["line"]
        if not isinstance(line, dict):
            raise Refused("not a line of the web chat")
        if call.method == "replace":
            seq = int(str(call.arguments["edits"]))
            await self._store.write(lambda tx: tx.web.replace(session, seq, line))
        else:
            look = bool(call.since) or call.key in self._doubtful
            try:
                seq = await self._store.write(lambda tx: _show(tx, session, {**line, "key": call.key}, look=look))
            except Retry:
                self._doubtful.add(call.key)  # the connection may have broken after the line was written
                raise
            self._doubtful.discard(call.key)
        self._bell.ring(session)
        return Sent(str(seq))

    async def fetch(self, attachment: Attachment) -> bytes:
        """Nothing to fetch: a browser's files are blobs before the message is acknowledged."""
        raise Unreadable(Problem.NOT_DELIVERED, "the upload is gone")


async def _show(tx: Tx, session: str, line: dict[str, Any], *, look: bool) -> int:
    """Add a line; `look` whether the chat has it already."""
    for shown in await tx.web.after(session, 0) if look else ():
        if shown.payload.get("key") == line["key"]:
            return shown.seq
    return await tx.web.append(session, line)
