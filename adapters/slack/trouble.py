"""Slack's errors in our own words: what the caller can do about each.

Codes: https://docs.slack.dev/reference/methods, under "Errors" of each method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from adapters.fields import string
from core.errors import Broken, OutcomeUnknown, PolydeskError, Refused, Retry, Throttled

APPS = "https://api.slack.com/apps -> your app"
WRONG_BOT_TOKEN = (
    f"Slack refuses the bot token: copy the Bot User OAuth Token (xoxb-...) from {APPS} -> OAuth & Permissions into "
    "POLYDESK_SLACK_BOT_TOKEN"
)
WRONG_APP_TOKEN = (
    f"Slack refuses the app-level token: under {APPS} -> Basic Information -> App-Level Tokens generate one (xapp-...) "
    "with the scope connections:write, and put it into POLYDESK_SLACK_APP_TOKEN; Socket Mode must be on in "
    "Settings -> Socket Mode"
)
NO_SECRET = (
    f"there is no way for Slack to reach us: set POLYDESK_SLACK_APP_TOKEN ({APPS} -> Basic Information -> App-Level "
    "Tokens, scope connections:write) for Socket Mode, or POLYDESK_SLACK_SIGNING_SECRET (Basic Information -> App "
    "Credentials) for events over HTTP"
)
WRONG_SECRET = (
    "a request was not signed with POLYDESK_SLACK_SIGNING_SECRET; if it was Slack's, copy the Signing Secret from "
    f"{APPS} -> Basic Information -> App Credentials, and see that this machine's clock is right"
)
NO_API = "this is not Slack's Web API: check POLYDESK_SLACK_API_URL, or leave it unset for Slack's own"

_LATER = 2.0  # seconds to wait where Slack names no time
_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_TOKEN = frozenset(
    ["invalid_auth", "not_authed", "token_revoked", "token_expired", "org_login_required", "not_allowed_token_type"]
)
_ASKS_WHO = frozenset(["auth.test", "apps.connections.open"])
_BUSY = frozenset(["ratelimited", "rate_limited", "message_limit_exceeded"])
_NOT_DONE = frozenset(["service_unavailable", "request_timeout", "team_added_to_org", "accesslimited"])
# "It's possible some aspect of the operation succeeded before the error was raised."
_HALF_DONE = frozenset(["internal_error", "fatal_error"])


class RefusedBySlack(Refused):
    """Slack said no; `code` is its own word for it."""

    def __init__(self, method: str, code: str) -> None:
        self.code = code
        super().__init__(f"{method}: {code}")


class MissingScope(Broken):
    """The app was installed without the scope that a method needs."""


def told(method: str, status: int, body: object, headers: Mapping[str, str], *, repeatable: bool) -> PolydeskError:
    """What an answer that is no success means to whoever called `method`; `body` is its JSON, if it was any.

    `repeatable` calls do no harm when made twice, so an unknown outcome is a mere Retry.
    """
    code = string(body, "error")
    what = f"{method}: {code or status}"
    if status == 429 or code in _BUSY:
        return Throttled(what, _seconds(headers))
    if not code:  # a page of a proxy, or of something that is not Slack
        if status >= 500:
            return Retry(what, _LATER) if repeatable or status == 503 else OutcomeUnknown(what)
        return Broken(f"{what}: {NO_API}")
    if code in _TOKEN or (code == "account_inactive" and method in _ASKS_WHO):
        return Broken(WRONG_APP_TOKEN if method == "apps.connections.open" else f"{WRONG_BOT_TOKEN} ({code})")
    if code == "missing_scope":
        return MissingScope(
            f"{what}: the app may not do this without the scope {string(body, 'needed')}; paste the manifest into "
            f"{APPS} -> App Manifest again, then install the app anew"
        )
    if code in _HALF_DONE:
        return Retry(what, _LATER) if repeatable else OutcomeUnknown(what)
    return Retry(what, _LATER) if code in _NOT_DONE else RefusedBySlack(method, code)


def broken_off(method: str, problem: Exception, *, repeatable: bool) -> PolydeskError:
    """What an interrupted connection means."""
    what = f"{method}: {type(problem).__name__}"
    if repeatable or isinstance(problem, _NEVER_LEFT):
        return Retry(f"Slack cannot be reached ({what})", _LATER)
    return OutcomeUnknown(f"the connection to Slack broke ({what})")


def _seconds(headers: Mapping[str, Any]) -> float:
    wanted = next((str(value) for name, value in headers.items() if name.lower() == "retry-after"), "")
    return max(float(wanted), 0.1) if wanted.isascii() and wanted.isdecimal() else _LATER
