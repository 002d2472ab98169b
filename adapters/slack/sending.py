"""Making rendered calls: pictures uploaded, and waited for until they can be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import structlog

from adapters.fields import child, items, string
from adapters.pacing import Limit, Pace
from adapters.pictures import ending
from adapters.slack.client import Client
from adapters.slack.downloads import Downloads
from adapters.slack.render import POST, UPDATE, UPLOAD
from core.errors import BadInput, Blocked, Broken, OutcomeUnknown, PolydeskError, Refused, Throttled
from core.values import Address, Call, Sent

log = structlog.get_logger()

Blob = Callable[[str], bytes]

STATUS = "is typing…"  # stands behind the bot's name

_EVENT = "polydesk_reply"  # the metadata by which a message can be found again: its payload's `key` is the call's
_A_CHANNEL = (4, 4.0)  # a message a second, with bursts: https://docs.slack.dev/apis/web-api/rate-limits
_A_METHOD = (300, 60.0)  # "several hundred messages a minute" for a workspace
_PAGES = 5  # of a hundred messages, in which a call that may have been made is looked for
_SKEW_MS = 300_000  # by how much Slack's clock and ours may differ


class Shares:
    """Files of ours that are about to appear: Slack shows them some time after it took the call."""

    def __init__(self) -> None:
        self._awaited: dict[str, asyncio.Future[str]] = {}

    def expect(self, files: Iterable[str]) -> asyncio.Future[str]:
        """A future for the ts of the message that will show these files."""
        appeared: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        names = tuple(files)
        self._awaited.update(dict.fromkeys(names, appeared))
        appeared.add_done_callback(lambda _: [self._awaited.pop(name, None) for name in names])
        return appeared

    def seen(self, files: Iterable[str], ts: str) -> None:
        """A message of ours showed these files."""
        for file in files:
            appeared = self._awaited.get(file)
            if appeared is not None and not appeared.done():
                appeared.set_result(ts)


class Sender:
    """Makes calls for one client; `patience` is how many seconds it waits for a picture to appear."""

    def __init__(self, client: Client, blob: Blob, shares: Shares, *, patience: float = 3.0) -> None:
        self._client = client
        self._downloads = Downloads(client)
        self._blob = blob
        self._shares = shares
        self._patience = patience
        self._shows_status = True
        self._pace = Pace()

    async def send(self, call: Call) -> Sent:
        """Make a call; raises as `core.ports.Adapter.send` says."""
        place = f"{call.method} {call.arguments.get('channel') or call.arguments.get('channel_id')}"
        self._pace.enter([Limit(place, *_A_CHANNEL), Limit(call.method, *_A_METHOD)])
        try:
            return await self._send(call)
        except Throttled as problem:
            self._pace.told(place, problem.after, call.method)
            raise

    async def _send(self, call: Call) -> Sent:
        if call.method == UPLOAD:
            if call.since:
                raise OutcomeUnknown("the pictures may have arrived; they carry no mark to look for")
            return await self._pictures(call.arguments)
        if call.method not in {POST, UPDATE}:
            raise BadInput(f"{call.method} is not a call that this adapter renders")
        if call.method == UPDATE:
            try:
                alone = {name: value for name, value in call.arguments.items() if name != "thread_ts"}
                return Sent(string(await self._client.call(UPDATE, alone), "ts"))
            except Blocked:
                raise
            except Refused as refusal:
                # Workspaces may limit for how long messages can be edited: then it is said anew.
                log.warning("slack.not_edited", problem=str(refusal))
            anew = {name: value for name, value in call.arguments.items() if name != "ts"}
            call = replace(call, method=POST, arguments={**anew, "unfurl_links": False, "unfurl_media": False})
        if call.since and (found := await self._found(call)):
            return Sent(found)
        mark = {"metadata": {"event_type": _EVENT, "event_payload": {"key": call.key}}} if call.key else {}
        try:
            return Sent(string(await self._client.call(POST, call.arguments | mark), "ts"))
        except OutcomeUnknown as problem:
            raise OutcomeUnknown(str(problem), readable=bool(call.key)) from problem

    async def _found(self, call: Call) -> str:
        """The ts of the message that this call made before, empty when there is none.

        Reference: https://docs.slack.dev/reference/methods/conversations.history, `include_all_metadata`

        Raises:
            OutcomeUnknown: Slack does not let us read. Retry: not now.
        """
        thread = call.arguments.get("thread_ts")
        oldest = (call.since - _SKEW_MS) / 1000
        where: dict[str, Any] = {"channel": call.arguments.get("channel"), "oldest": f"{oldest:.6f}", "limit": 100}
        where |= {"include_all_metadata": True} | ({"ts": thread} if thread else {})
        for _ in range(_PAGES):
            try:
                page = await self._client.call(f"conversations.{'replies' if thread else 'history'}", where)
            except (Refused, Broken) as problem:
                raise OutcomeUnknown(f"it may have arrived, and cannot be looked for: {problem}") from problem
            for message in items(page, "messages"):
                payload = child(child(message, "metadata"), "event_payload")
                if string(payload, "key") == call.key:
                    return string(message, "ts")
            where["cursor"] = string(child(page, "response_metadata"), "next_cursor")
            if not where["cursor"]:
                return ""
        raise OutcomeUnknown(f"it may have arrived, and is not among the last {_PAGES * 100} messages")

    async def busy(self, address: Address) -> None:
        """Show that somebody is typing, which Slack can in threads only; no trouble with it is worth mentioning.

        Reference: https://docs.slack.dev/reference/methods/assistant.threads.setStatus
        """
        if not address.thread or not self._shows_status:
            return
        place = {"channel_id": address.chat, "thread_ts": address.thread}
        try:
            await self._client.call("assistant.threads.setStatus", {**place, "status": STATUS})
        except Broken as problem:
            self._shows_status = False
            log.info("slack.no_status", problem=str(problem))
        except PolydeskError as problem:
            log.debug("slack.busy_failed", problem=str(problem))

    async def _pictures(self, arguments: dict[str, Any]) -> Sent:
        files = []
        for number, source in enumerate(items(arguments, "files"), start=1):
            try:
                content = await asyncio.to_thread(self._blob, string(source, "blob"))
            except (OSError, KeyError, PolydeskError) as problem:
                log.warning("slack.picture_gone", blob=string(source, "blob")[:12], problem=type(problem).__name__)
                continue
            name = f"picture-{number}.{ending(content)}"
            files.append({"id": await self._downloads.upload(name, content), "title": name})
        if not files:
            raise Refused("the pictures are gone")
        appeared = self._shares.expect(file["id"] for file in files)
        unknown: OutcomeUnknown | None = None
        try:
            try:
                await self._client.call(UPLOAD, {**arguments, "files": files})
            except OutcomeUnknown as problem:
                unknown = problem
            await asyncio.wait({appeared}, timeout=self._patience)
            if unknown is not None and not appeared.done():
                raise unknown
            return Sent(appeared.result() if appeared.done() else "")
        finally:
            appeared.cancel()
