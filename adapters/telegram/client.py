"""The Bot API as the adapter needs it: raw JSON in and out over python-telegram-bot's HTTP."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import quote

import httpx
from telegram import Bot
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from adapters.fields import string, whole
from adapters.telegram.parse import BotIdentity
from adapters.telegram.trouble import NO_API, WRONG_TOKEN, answered, is_result, translated
from core.errors import Broken, PolydeskError, Retry, Throttled, Unreadable
from core.values import Problem

API = "https://api.telegram.org"
LONG_POLL = 25  # seconds that Telegram may keep a getUpdates waiting

_DOWNLOAD_SECONDS = 120.0
_REPEATABLE = ("get", "edit", "set", "delete", "answer")


def quiet() -> None:
    """Silence the loggers that write URLs, which hold the token, and what people wrote.

    Whatever python-telegram-bot logs it also raises, so nothing is missed.
    """
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("telegram").setLevel(logging.CRITICAL)


class _Request(HTTPXRequest):
    """HTTP whose errors keep what Telegram said exactly, and hide the token that a proxy's error page may quote."""

    def __init__(self, token: str, **options: Any) -> None:
        super().__init__(**options)
        self._secrets = (token.encode(), quote(token, safe="").encode(), quote(token).encode())

    async def do_request(self, url: str, method: str, *more: Any, **options: Any) -> tuple[int, bytes]:
        code, body = await super().do_request(url, method, *more, **options)
        if 200 <= code <= 299 and is_result(body):
            return code, body
        for secret in self._secrets:
            body = body.replace(secret, b"<token>")
        raise answered(code, body)


class _Bot(Bot):
    """python-telegram-bot's client without its parsing: one strange update must not spoil a whole batch."""

    __slots__ = ()

    async def raw(self, method: str, arguments: dict[str, Any], **options: Any) -> Any:
        return await self._post(method, arguments, **options)


class Client:
    """One bot account on one Bot API server; close it when done."""

    def __init__(self, token: str, api_url: str | None = None) -> None:
        """`api_url` like `http://host:port`; the library's `/bot` and `/file/bot` are appended.

        Raises:
            Broken: no token, or one that no server could have given out.
        """
        quiet()
        if not token or not token.isascii() or not token.isprintable() or any(mark in token for mark in " /?#%{}"):
            raise Broken(WRONG_TOKEN)
        self.api = (api_url or API).rstrip("/")
        if httpx.URL(self.api).scheme not in {"http", "https"}:
            raise Broken(f"POLYDESK_TELEGRAM_API_URL must be like http://host:port, not {self.api}")
        self._files_at = f"{self.api}/file/bot{token}"
        # One poll runs at a time; one that is cancelled while it begins can keep its connection, which then is gone.
        self._polls = _Request(token, connection_pool_size=16, connect_timeout=10, read_timeout=10, pool_timeout=10)
        self._calls = _Request(
            token,
            connection_pool_size=64,
            connect_timeout=10,
            read_timeout=30,
            write_timeout=20,
            media_write_timeout=60,
            pool_timeout=20,
        )
        self._downloads = httpx.AsyncClient(timeout=httpx.Timeout(30, connect=10), follow_redirects=False)
        self._bot = _Bot(
            token,
            base_url=lambda secret: f"{self.api}/bot{secret}",
            base_file_url=lambda secret: f"{self.api}/file/bot{secret}",
            request=self._calls,
            get_updates_request=self._polls,
        )

    def __repr__(self) -> str:
        return f"Client({self.api})"

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(self._polls.shutdown(), self._calls.shutdown(), self._downloads.aclose())

    async def call(self, method: str, arguments: dict[str, Any] | None = None, **options: Any) -> Any:
        """Call a method and return its `result`; `options` are python-telegram-bot's timeouts.

        Raises:
            PolydeskError: as `core.ports.Adapter.send` says, and Broken when the token is refused.
        """
        repeatable = method.startswith(_REPEATABLE)
        try:
            return await self._bot.raw(method, dict(arguments or {}), **options)
        except TelegramError as problem:
            raise translated(problem, method, repeatable=repeatable) from problem

    async def me(self) -> BotIdentity:
        """Who we are; raises like `call`, and Broken when the server is none of Telegram's."""
        user = await self.call("getMe")
        number = whole(user, "id")
        if number is None:
            raise Broken(NO_API)
        return BotIdentity(str(number), string(user, "username"))

    async def updates(self, offset: int, kinds: tuple[str, ...], seconds: int = LONG_POLL) -> list[Any]:
        """Wait for updates from `offset` on (0: the earliest unconfirmed), which confirms all before it."""
        wanted: dict[str, Any] = {
            "timeout": seconds,
            "allowed_updates": list(kinds),
            **({"offset": offset} if offset else {}),
        }
        found = await self.call("getUpdates", wanted, read_timeout=seconds + 10)
        return found if isinstance(found, list) else []

    async def download(self, ref: str, limit: int) -> bytes:
        """The bytes of a file by its file id.

        Raises:
            Unreadable: larger than `limit` bytes, empty, or Telegram does not have it any more.
            Retry: the connection broke.
        """
        try:
            file = await self.call("getFile", {"file_id": ref})
        except Retry:
            raise
        except PolydeskError as problem:
            if "temporarily unavailable" in str(problem):
                raise Retry(str(problem)) from problem
            reason = Problem.TOO_LARGE if "too big" in str(problem) else Problem.NOT_DELIVERED
            raise Unreadable(reason, str(problem)) from problem
        path, size = string(file, "file_path"), whole(file, "file_size") or 0
        if size > limit:
            raise Unreadable(Problem.TOO_LARGE, f"{size} bytes")
        if not path or path.startswith("/"):
            raise Unreadable(Problem.NOT_DELIVERED, "a Bot API server in local mode serves no files over HTTP")
        # The address holds the token: no error may quote it, nor carry a request that does.
        try:
            async with asyncio.timeout(_DOWNLOAD_SECONDS):
                return await self._stream(f"{self._files_at}/{quote(path)}", limit)
        except (httpx.HTTPError, RuntimeError, TimeoutError) as problem:
            raise Retry(f"a download from Telegram broke ({type(problem).__name__})") from None

    async def _stream(self, address: str, limit: int) -> bytes:
        async with self._downloads.stream("GET", address) as response:
            if response.status_code == 429:
                raise Throttled("Telegram asks to wait before the next download", 2.0)
            if response.status_code >= 500:
                raise Retry(f"Telegram answered a download with {response.status_code}")
            if response.status_code != 200:
                raise Unreadable(Problem.NOT_DELIVERED, f"Telegram answered a download with {response.status_code}")
            found = bytearray()
            async for piece in response.aiter_bytes():
                found += piece
                if len(found) > limit:
                    raise Unreadable(Problem.TOO_LARGE, f"more than {limit} bytes")
        if not found:
            raise Unreadable(Problem.EMPTY)
        return bytes(found)
