"""Receiving events and taps over HTTP, signed by Slack.

Reference: https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import time

import structlog
from slack_bolt.adapter.starlette.async_handler import to_starlette_response
from slack_sdk.signature import SignatureVerifier
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router

from adapters.slack.dispatch import Dispatch
from adapters.slack.trouble import WRONG_SECRET

log = structlog.get_logger()

PATH = "/slack/events"
LARGEST_REQUEST = 2 * 1024 * 1024  # bytes; a message of 40,000 characters, with its blocks and a tap on it, has less

_MINUTE = 60.0


class EventsApi:
    """The address that Slack posts events and taps to."""

    def __init__(self, signing_secret: str, dispatch: Dispatch) -> None:
        self._verifier = SignatureVerifier(signing_secret)
        self._dispatch = dispatch
        self._told = -_MINUTE
        self.router = Router([Route(PATH, self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response("the request broke off", 400)
        if body is None:
            return Response("too large for an event", 413)
        if not self._signed(request, body):
            self._tell()
            return Response("the signature is wrong, or too old", 401)
        # Its retry headers mean nothing: after a restart the retry is the only delivery that we get.
        return to_starlette_response(await self._dispatch.over_http(body.decode("utf-8"), request.headers))

    def _signed(self, request: Request, body: bytes) -> bool:
        """Whether Slack signed these very bytes within the last five minutes."""
        moment = request.headers.get("X-Slack-Request-Timestamp")
        signature = request.headers.get("X-Slack-Signature")
        try:
            return self._verifier.is_valid(body, moment, signature)
        except (ValueError, TypeError, OverflowError):  # a time that is no number, a signature or body that is no text
            return False

    def _tell(self) -> None:
        """Say it once a minute at most: it may be a stranger, who must not fill the log."""
        if time.monotonic() - self._told > _MINUTE:
            self._told = time.monotonic()
            log.warning("slack.turned_away", do=WRONG_SECRET)


async def _body(request: Request) -> bytes | None:
    """The body, or None as soon as it is too large."""
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > LARGEST_REQUEST:
            return None
    return bytes(found)
