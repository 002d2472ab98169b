"""Receiving updates over HTTP, answered only after they were committed."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from urllib.parse import urlsplit, urlunsplit

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router

from adapters.fields import whole
from adapters.posted import Complaint, body
from adapters.telegram.client import Client
from adapters.telegram.intake import Intake
from adapters.telegram.parse import UPDATES
from core.errors import Broken, Refused, Retry

log = structlog.get_logger()

PATH = "/telegram/webhook"
HEADER = "X-Telegram-Bot-Api-Secret-Token"  # https://core.telegram.org/bots/api#setwebhook
LARGEST_UPDATE = 1024 * 1024  # bytes; a message of 4096 characters with all its entities has some 50,000

_WRONG_SECRET = (
    "something posts to the webhook with another secret: either a stranger, or another gateway registered it last; "
    "give all gateways the same POLYDESK_TELEGRAM_SECRET (or none), then restart them"
)
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Webhook:
    """The address that Telegram posts to; it takes updates while `intake` is set.

    Without a `secret` of the operator's own, one is derived from the token: never is the address open to anybody.
    """

    def __init__(self, token: str, url: str, secret: str | None) -> None:
        parts = urlsplit(url)
        own = parts.path if parts.path not in {"", "/"} else PATH
        self.url = urlunsplit((parts.scheme, parts.netloc, own, parts.query, ""))
        self.secret = secret or hashlib.sha256(f"polydesk webhook {token}".encode()).hexdigest()
        self.intake: Intake | None = None
        self._turned_away = Complaint("telegram.turned_away", _WRONG_SECRET)
        # A proxy may pass its own path on or rewrite it to ours; both arrive.
        self.router = Router([Route(path, self._receive, methods=["POST"]) for path in dict.fromkeys((PATH, own))])

    async def register(self, client: Client) -> None:
        """Have Telegram post here: https://core.telegram.org/bots/api#setwebhook.

        Raises:
            Broken: Telegram does not want the address or the secret. Retry: it cannot be reached.
        """
        if not _SECRET.fullmatch(self.secret):
            raise Broken("POLYDESK_TELEGRAM_SECRET may hold 1-256 letters, digits, _ and - only")
        settings = {"url": self.url, "secret_token": self.secret, "allowed_updates": list(UPDATES)}
        try:
            await client.call("setWebhook", {**settings, "drop_pending_updates": False})
        except Refused as refusal:
            raise Broken(
                f"Telegram refuses the webhook ({refusal}): POLYDESK_TELEGRAM_WEBHOOK_URL must be the public https "
                "address of this server, on port 443, 80, 88 or 8443; leave it unset for polling"
            ) from refusal

    async def _receive(self, request: Request) -> Response:
        given = request.headers.get(HEADER)
        if given is None:
            return Response("the secret token is missing", 401)
        if not hmac.compare_digest(given.encode(), self.secret.encode()):
            self._turned_away.tell()
            return Response("the secret token is wrong", 403)
        intake = self.intake
        if intake is None:
            return _later("not connected", 5.0)
        try:
            posted = await body(request, LARGEST_UPDATE)
        except ClientDisconnect:
            return Response("the request broke off", 400)
        if posted is None:
            return Response("too large for an update", 413)
        try:
            update = json.loads(posted)
        except (ValueError, RecursionError):
            return Response("not JSON", 400)
        if whole(update, "update_id") is None:
            return Response("not an update", 400)
        event = intake.read(update)
        if event is None:
            return Response(status_code=200)
        try:
            await intake.take(event)
        except Retry as trouble:
            log.warning("telegram.not_committed", event_id=event.id, seconds=trouble.after, problem=str(trouble))
            return _later("not committed, deliver it again", trouble.after)
        return Response(status_code=200)


def _later(why: str, seconds: float) -> Response:
    return Response(why, 503, {"Retry-After": str(max(math.ceil(seconds), 1))})
