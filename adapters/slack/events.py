"""Receiving events and taps over HTTP, signed by Slack.

Reference: https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

from slack_bolt.adapter.starlette.async_handler import to_starlette_response
from slack_sdk.signature import SignatureVerifier
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router

from adapters.posted import Complaint, body
from adapters.slack.dispatch import Dispatch
from adapters.slack.trouble import WRONG_SECRET

PATH = "/slack/events"
LARGEST_REQUEST = 2 * 1024 * 1024  # bytes; a message of 40,000 characters, with its blocks and a tap on it, has less


class EventsApi:
    """The address that Slack posts events and taps to."""

    def __init__(self, signing_secret: str, dispatch: Dispatch) -> None:
        self._verifier = SignatureVerifier(signing_secret)
        self._dispatch = dispatch
        self._turned_away = Complaint("slack.turned_away", WRONG_SECRET)
        self.router = Router([Route(PATH, self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        try:
            posted = await body(request, LARGEST_REQUEST)
        except ClientDisconnect:
            return Response("the request broke off", 400)
        if posted is None:
            return Response("too large for an event", 413)
        if not self._signed(request, posted):
            self._turned_away.tell()
            return Response("the signature is wrong, or too old", 401)
        # Its retry headers mean nothing: after a restart the retry is the only delivery that we get.
        return to_starlette_response(await self._dispatch.over_http(posted.decode("utf-8"), request.headers))

    def _signed(self, request: Request, body: bytes) -> bool:
        """Whether Slack signed these very bytes within the last five minutes."""
        moment = request.headers.get("X-Slack-Request-Timestamp")
        signature = request.headers.get("X-Slack-Signature")
        try:
            return self._verifier.is_valid(body, moment, signature)
        except (ValueError, TypeError, OverflowError):  # a time that is no number, a signature or body that is no text
            return False
