"""Files from Slack to us and from us to Slack; the token goes to Slack's own hosts only."""

from __future__ import annotations

import asyncio
import io

import aiohttp
import structlog
from yarl import URL

from adapters.fields import child, string
from adapters.slack.client import Client
from adapters.slack.files import LARGEST_FILE, attachment
from adapters.slack.trouble import MissingScope, RefusedBySlack, broken_off
from core.errors import Refused, Retry, Throttled, Unreadable
from core.values import Problem

log = structlog.get_logger()

_HOSTS = ("slack.com", "slack-gov.com")
_REDIRECTS = 4
_SECONDS = 120.0
_PAGE = (b"<!doctype html", b"<html")
_HIDDEN = frozenset(["access_denied", "not_visible", "no_permission", "file_not_visible"])


class Downloads:
    """Moves bytes for one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def fetch(self, ref: str) -> bytes:
        """The bytes behind an attachment's `ref`, which is an address or, to be asked about first, a file's id.

        Raises:
            Unreadable: larger than 20 MB, empty, gone, or a page to log in instead of a file (the scope files:read is
                missing). Retry: the connection broke.
        """
        address = ref if "://" in ref else await self._address(ref)
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._follow(address)
        # From None: the problem may quote the address.
        except ValueError:
            raise Unreadable(Problem.NOT_DELIVERED, "the file's address is none") from None
        except (aiohttp.ClientError, OSError) as problem:
            raise broken_off("download", problem, repeatable=True) from None

    async def upload(self, name: str, content: bytes) -> str:
        """Bring bytes to Slack, where nobody sees them yet; the file's id.

        Reference: https://docs.slack.dev/messaging/working-with-files#upload

        Raises:
            Retry: they did not arrive; nothing was said, so it does no harm to try again. Refused: Slack does not want
                them.
        """
        ticket = await self._client.call("files.getUploadURLExternal", {"filename": name, "length": len(content)})
        address, file = string(ticket, "upload_url"), string(ticket, "file_id")
        try:
            goal = URL(address)
            if not self._trusted(goal) or not file:
                raise Refused("files.getUploadURLExternal: the address to upload to is not Slack's")
            async with self._client.session.post(
                goal,
                data=io.BytesIO(content),
                proxy=self._client.proxy,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_SECONDS, sock_connect=8),
            ) as response:
                status = response.status
        except ValueError:
            raise Refused("files.getUploadURLExternal: the address to upload to is none") from None
        except (aiohttp.ClientError, OSError) as problem:
            raise broken_off("upload", problem, repeatable=True) from None
        if status == 429 or status >= 500:
            raise Retry(f"Slack answered an upload with {status}", 2.0)
        if status != 200:
            raise Refused(f"Slack answered an upload with {status}")
        return file

    async def _address(self, id: str) -> str:
        """Ask what a file of Slack Connect is: https://docs.slack.dev/reference/methods/files.info."""
        try:
            answer = await self._client.call("files.info", {"file": id})
        except MissingScope as problem:
            self._no_permission()
            raise Unreadable(Problem.NO_PERMISSION, "files.info: missing_scope") from problem
        except RefusedBySlack as refusal:
            hidden = refusal.code in _HIDDEN
            raise Unreadable(Problem.NO_PERMISSION if hidden else Problem.NOT_DELIVERED, str(refusal)) from refusal
        found = attachment(child(answer, "file"))
        if found.problem is not None:
            raise Unreadable(found.problem, "files.info")
        if "://" not in found.ref:
            raise Unreadable(Problem.NOT_DELIVERED, "files.info knows no more than the event did")
        return found.ref

    async def _follow(self, address: str) -> bytes:
        goal = URL(address)
        for _ in range(_REDIRECTS + 1):
            if not self._trusted(goal):
                log.warning("slack.foreign_address", host=goal.host)
                raise Unreadable(Problem.NOT_DELIVERED, "the file does not lie on Slack's own hosts")
            async with self._client.session.get(
                goal,
                headers={"Authorization": f"Bearer {self._client.token}"},
                proxy=self._client.proxy,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=8, sock_read=30),
            ) as response:
                if response.status not in {301, 302, 303, 307, 308}:
                    return await self._bytes(response)
                goal = goal.join(URL(response.headers.get("Location", "")))
        raise Unreadable(Problem.NOT_DELIVERED, "too many redirects")

    async def _bytes(self, response: aiohttp.ClientResponse) -> bytes:
        if response.status == 429:
            raise Throttled("Slack asks to wait before the next download", 2.0)
        if response.status >= 500:
            raise Retry(f"Slack answered a download with {response.status}", 2.0)
        if response.status in {401, 403}:
            self._no_permission()
            raise Unreadable(Problem.NO_PERMISSION, f"Slack answered a download with {response.status}")
        if response.status != 200:
            raise Unreadable(Problem.NOT_DELIVERED, f"Slack answered a download with {response.status}")
        if (response.content_length or 0) > LARGEST_FILE:
            raise Unreadable(Problem.TOO_LARGE, f"{response.content_length} bytes")
        found = bytearray()
        async for piece in response.content.iter_any():
            found += piece
            if len(found) > LARGEST_FILE:
                raise Unreadable(Problem.TOO_LARGE, f"more than {LARGEST_FILE} bytes")
        if not found:
            raise Unreadable(Problem.EMPTY)
        if response.content_type == "text/html" or bytes(found[:64]).lstrip().lower().startswith(_PAGE):
            self._no_permission()
            raise Unreadable(Problem.NO_PERMISSION, "a page to log in came instead of the file")
        return bytes(found)

    def _trusted(self, goal: URL) -> bool:
        """Whether the token may be shown there: Slack's hosts, and the server that takes our calls anyway."""
        if not goal.absolute or goal.scheme not in {"http", "https"}:
            return False
        if goal.origin() == self._client.api.origin():
            return True
        host = goal.host or ""
        return (
            goal.scheme == "https"
            and goal.explicit_port in {None, 443}
            and any(host == own or host.endswith(f".{own}") for own in _HOSTS)
        )

    def _no_permission(self) -> None:
        log.error("slack.no_permission", scope="files:read", do="polydesk doctor compares the app with its manifest")
