"""Bolt as the adapter uses it: one app, one middleware, which answers only after the event was committed.

Bolt's own listeners answer first and work afterwards, which loses what a crash interrupts.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.client import silent
from adapters.slack.intake import Intake
from core.errors import Retry


class Dispatch:
    """Takes requests of either kind while `intake` is set."""

    def __init__(self) -> None:
        self.intake: Intake | None = None
        # Signatures are checked before Bolt parses anything; our own messages tell when pictures appear.
        self._app = AsyncApp(
            name="polydesk",
            logger=silent(),
            client=AsyncWebClient(logger=silent()),
            authorize=_authorized,
            request_verification_enabled=False,
            ssl_check_enabled=False,
            ignoring_self_events_enabled=False,
            attaching_function_token_enabled=False,
        )
        self._app.use(_Committing(self))

    async def over_http(self, body: str, headers: Mapping[str, str]) -> BoltResponse:
        """Answer a request whose signature is right; 400 for a body that is not Slack's."""
        return await self._dispatch(lambda: AsyncBoltRequest(body=body, headers=dict(headers)))

    async def over_socket(self, payload: dict[str, Any], headers: dict[str, Any]) -> BoltResponse:
        """Answer an envelope; it is to be acknowledged when the status is 200."""
        return await self._dispatch(lambda: AsyncBoltRequest(body=payload, headers=headers, mode="socket_mode"))

    async def _dispatch(self, build: Callable[[], AsyncBoltRequest]) -> BoltResponse:
        try:
            request = build()
            # Bolt stumbles over an event that is no object before anybody of ours is asked.
            if not isinstance(request.body, dict) or not isinstance(request.body.get("event", {}), dict):
                return BoltResponse(status=400, body="not a payload")
        except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
            return BoltResponse(status=400, body="not a payload")
        return await self._app.async_dispatch(request)


class _Committing(AsyncMiddleware):
    """Has the event heard, then answers; nothing comes after it."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: Callable[[], Awaitable[BoltResponse]],
    ) -> BoltResponse:
        intake = self._dispatch.intake
        if intake is None:
            return _later("not connected", 5.0)
        try:
            await intake.take(req.body)
        except Retry as trouble:
            return _later("not committed, deliver it again", trouble.after)
        return BoltResponse(status=200, body="")


async def _authorized() -> AuthorizeResult:
    """There is one workspace, and its token was checked at the start."""
    return AuthorizeResult(enterprise_id=None, team_id=None)


def _later(why: str, seconds: float) -> BoltResponse:
    return BoltResponse(status=503, body=why, headers={"Retry-After": str(max(math.ceil(seconds), 1))})
