"""Slack's Web API over slack_sdk's client, its errors translated."""

from __future__ import annotations

import logging
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from adapters.fields import string
from adapters.slack.parse import BotIdentity
from adapters.slack.trouble import NO_API, WRONG_APP_TOKEN, WRONG_BOT_TOKEN, broken_off, told
from core.errors import Broken

API = AsyncWebClient.BASE_URL
PATIENCE = 20.0  # seconds for a call, the connection included

_CONNECT = 8.0
_WRITES = ("chat.postMessage", "files.completeUploadExternal")  # made twice, they are seen twice
_AS_JSON = ("chat.", "assistant.", "files.completeUploadExternal")  # the other methods take forms only


def silent() -> logging.Logger:
    """A logger for the SDK, which would write down what people say; whatever it knows it also raises."""
    return logging.Logger("slack", logging.CRITICAL + 1)


class Client:
    """One bot token on one API address; close it when done."""

    def __init__(self, bot_token: str, api_url: str | None = None, *, patience: float = PATIENCE) -> None:
        """`api_url` ends in `/api/`, like Slack's own; `patience` is in seconds.

        Raises:
            Broken: a token that no Slack could have given out, or an address that is none.
        """
        check_token(bot_token, WRONG_BOT_TOKEN)
        try:
            self.api = URL(api_url or API)
        except ValueError as problem:
            raise Broken(NO_API) from problem
        if self.api.scheme not in {"http", "https"} or not self.api.host:
            raise Broken(NO_API)
        timeout = aiohttp.ClientTimeout(total=patience, sock_connect=min(_CONNECT, patience))
        self.session = aiohttp.ClientSession(timeout=timeout)
        self._web = self._client(bot_token)
        self.token = bot_token

    def __repr__(self) -> str:
        return f"Client({self.api})"

    @property
    def proxy(self) -> str | None:
        """The proxy of the environment, as slack_sdk understands it."""
        return self._web.proxy

    async def close(self) -> None:
        """Close every connection."""
        await self.session.close()

    async def call(self, method: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make a call and return its answer.

        Raises:
            PolydeskError: as `core.ports.Adapter.send` says, and Broken when the token is refused.
        """
        answer, _headers = await self._call(self._web, method, arguments or {})
        return answer

    async def me(self) -> tuple[BotIdentity, frozenset[str]]:
        """Who we are, and which scopes we have: https://docs.slack.dev/reference/methods/auth.test.

        Raises:
            Broken: the token is refused, or is not a bot's. Retry: Slack cannot be reached.
        """
        answer, headers = await self._call(self._web, "auth.test", {})
        bot = BotIdentity(*(string(answer, key) for key in ("team_id", "user_id", "bot_id", "user")))
        if not (bot.team and bot.user and bot.bot):
            raise Broken(f"{WRONG_BOT_TOKEN} (this one is not a bot's)" if bot.user else NO_API)
        granted = next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), "")
        return bot, frozenset(scope.strip() for scope in granted.split(",") if scope.strip())

    async def socket_address(self, app_token: str) -> str:
        """A WebSocket address for Socket Mode, good for one connection.

        Raises:
            Broken: the app-level token is refused. Retry: Slack cannot be reached.
        """
        check_token(app_token, WRONG_APP_TOKEN)
        answer, _headers = await self._call(self._client(app_token), "apps.connections.open", {})
        return string(answer, "url")

    def _client(self, token: str) -> AsyncWebClient:
        # Its retries would post a message twice when the connection breaks after the message left.
        return AsyncWebClient(token, base_url=str(self.api), session=self.session, logger=silent(), retry_handlers=[])

    async def _call(
        self, web: AsyncWebClient, method: str, arguments: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, str]]:
        repeatable = method not in _WRITES
        try:
            if method.startswith(_AS_JSON):
                answer = await web.api_call(method, json=dict(arguments))
            else:
                answer = await web.api_call(method, data=dict(arguments))
        except SlackApiError as problem:
            body = getattr(problem.response, "data", None)
            status = int(getattr(problem.response, "status_code", 0) or getattr(problem.response, "status", 0))
            raise told(method, status, body, problem.response.headers, repeatable=repeatable) from problem
        except (aiohttp.ClientError, OSError) as problem:
            raise broken_off(method, problem, repeatable=repeatable) from problem
        except (ValueError, TypeError, AttributeError) as problem:
            # JSON, but no object; or bytes that are no text: the SDK stumbles over both.
            raise told(method, 200, None, {}, repeatable=repeatable) from problem
        if not isinstance(answer.data, dict):
            raise told(method, 200, None, {}, repeatable=repeatable)
        return answer.data, dict(answer.headers)


def check_token(token: str, otherwise: str) -> None:
    """Refuse what cannot stand in a header.

    Raises:
        Broken: with the words of `otherwise`.
    """
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Broken(otherwise)
