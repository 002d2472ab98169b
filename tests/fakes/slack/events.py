"""How Slack's events reach us: signed requests or Socket Mode envelopes, with the retry schedule."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.fakes.platform import Platform
from tests.fakes.slack.sockets import Sockets
from tests.fakes.slack.world import World, slack_id

RETRIES = (0.0, 0.0, 60.0, 300.0)
"""Seconds before each attempt: https://docs.slack.dev/apis/events-api/#retries."""

SCOPES = {
    "app_mention": "app_mentions:read",
    "message.im": "im:history",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "member_joined_channel": "channels:read",
}


@dataclass(slots=True)
class Delivery:
    """One attempt: `outcome` is `ok` or Slack's retry reason; `envelope` is empty over HTTP."""

    event_id: str
    attempt: int
    outcome: str
    envelope: str = ""
    at: float = field(default_factory=time.monotonic)


class Events:
    """Events on their way to us.

    With a `url` they are POSTed there, otherwise they go to the open sockets. `hurry` divides the waits between
    retries, `patience` is how long Slack waits for our answer.
    """

    def __init__(self, platform: Platform, world: World, sockets: Sockets, *, secret: str, hurry: float) -> None:
        self.url = ""
        self.interactivity_url = ""
        self.patience = 3.0
        self.subscribed: set[str] = set()
        self.scopes: set[str] = set()
        self.deliveries: list[Delivery] = []
        self.lost: list[str] = []
        self.log: dict[str, dict[str, Any]] = {}
        self.verification_token = slack_id("V")
        self._platform = platform
        self._world = world
        self._sockets = sockets
        self._secret = secret
        self._hurry = hurry
        self._running = 0
        self._copies = 1
        self._to_lose = 0
        self._to_ignore = 0
        self._held: list[str] | None = None

    @property
    def pending(self) -> int:
        """How many events are still being delivered."""
        return self._running + len(self._held or [])

    def push(self, event: dict[str, Any], subscription: str) -> str:
        """Deliver an event that the app is subscribed to and has the scope for; its event_id, else empty."""
        if subscription not in self.subscribed:
            return ""
        scope = SCOPES.get(subscription)
        if scope and scope not in self.scopes:
            return ""
        event_id = slack_id("Ev")
        return self.push_payload(
            {
                "token": self.verification_token,
                "team_id": self._world.team,
                "context_team_id": self._world.team,
                "context_enterprise_id": None,
                "api_app_id": self._world.app_id,
                "event": event,
                "type": "event_callback",
                "event_id": event_id,
                "event_time": int(time.time()),
                "authorizations": [
                    {
                        "enterprise_id": None,
                        "team_id": self._world.team,
                        "user_id": self._world.bot.id,
                        "is_bot": True,
                        "is_enterprise_install": False,
                    }
                ],
                "is_ext_shared_channel": False,
                "event_context": f"4-{event_id}",
            }
        )

    def push_payload(self, payload: dict[str, Any]) -> str:
        """Deliver a whole payload as it is; its event_id."""
        event_id = str(payload.setdefault("event_id", slack_id("Ev")))
        self.log[event_id] = payload
        if self._held is not None:
            self._held.append(event_id)
            return event_id
        copies, self._copies = self._copies, 1
        for _ in range(copies):
            self._send_off(event_id)
        return event_id

    def redeliver(self, event_id: str) -> None:
        """Deliver an event once more, with the same event_id."""
        self._send_off(event_id)

    def duplicate_next(self, times: int) -> None:
        """Deliver the next event this many times at once."""
        self._copies = times

    def lose_next(self, attempts: int) -> None:
        """Let the next delivery attempts get lost on the way, so that only a later one arrives."""
        self._to_lose = attempts

    def ignore_acks(self, attempts: int) -> None:
        """Behave for the next attempts as if our answer had not arrived, so that the same event comes again."""
        self._to_ignore = attempts

    @contextmanager
    def held(self) -> Iterator[list[str]]:
        """Keep events back inside the block; the list of event_ids may be reordered, and goes out at its end."""
        self._held = []
        try:
            yield self._held
        finally:
            event_ids, self._held = self._held, None
            for event_id in event_ids:
                self._send_off(event_id)

    async def verify(self, url: str) -> None:
        """Point the Events API at a URL, which must answer the challenge.

        Raises:
            AssertionError: it did not.
        """
        challenge = hashlib.sha256(url.encode()).hexdigest()
        body = {"token": self.verification_token, "challenge": challenge, "type": "url_verification"}
        status, answer, _ = await self.post(url, json.dumps(body).encode(), "application/json")
        if status != 200 or challenge not in answer:
            raise AssertionError(f"{url} did not answer the challenge: {status} {answer[:200]}")
        self.url = self.interactivity_url = url

    async def interact(self, payload: dict[str, Any]) -> bool:
        """Deliver what a person did to a button, once; whether it was acknowledged in time."""
        if not self.interactivity_url:
            _envelope, acknowledged = await self._sockets.send("interactive", payload, self.patience)
            return acknowledged
        body = urlencode({"payload": json.dumps(payload)}).encode()
        status, _answer, _ = await self.post(self.interactivity_url, body, "application/x-www-form-urlencoded")
        return status == 200

    def signed(self, body: bytes, *, at: int | None = None, secret: str | None = None) -> dict[str, str]:
        """The headers that prove a request to be Slack's, or, with another time or secret, do not."""
        stamp = str(int(time.time()) if at is None else at)
        key = (self._secret if secret is None else secret).encode()
        digest = hmac.new(key, f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}

    async def post(
        self, url: str, body: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> tuple[int, str, dict[str, str]]:
        """One request to us: status (0: no connection, -1: too slow), body, headers."""
        headers = {"Content-Type": kind, "User-Agent": "Slackbot 1.0", **self.signed(body), **(headers or {})}
        try:
            async with self._platform.session.post(
                url,
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=self.patience),
                allow_redirects=False,
            ) as response:
                text = await response.text(errors="replace")
                return response.status, text, {name.lower(): value for name, value in response.headers.items()}
        except TimeoutError:
            return -1, "", {}
        except aiohttp.ClientError:
            return 0, "", {}

    def _send_off(self, event_id: str) -> None:
        self._running += 1
        self._platform.spawn(self._deliver(event_id))

    async def _deliver(self, event_id: str) -> None:
        reason = ""
        try:
            for attempt, wait in enumerate(RETRIES):
                await asyncio.sleep(wait / self._hurry)
                outcome, retry = await self._attempt(event_id, attempt, reason)
                self._platform.changed()
                if outcome == "ok":
                    return
                if not retry and outcome != "http_timeout":
                    break
                reason = outcome
            self.lost.append(event_id)
        finally:
            self._running -= 1
            self._platform.changed()

    async def _attempt(self, event_id: str, attempt: int, reason: str) -> tuple[str, bool]:
        envelope, retry = "", True
        if self._to_lose > 0:
            self._to_lose -= 1
            outcome = "connection_failed"
        elif self.url:
            outcome, retry = await self._post_event(event_id, attempt, reason)
        else:
            more = {"retry_attempt": attempt, "retry_reason": reason}
            envelope, sent = await self._sockets.send("events_api", self.log[event_id], self.patience, **more)
            outcome = "ok" if sent else "timeout"
        if outcome == "ok" and self._to_ignore > 0:
            self._to_ignore -= 1
            outcome = "http_timeout" if self.url else "timeout"
        self.deliveries.append(Delivery(event_id, attempt, outcome, envelope))
        return outcome, retry

    async def _post_event(self, event_id: str, attempt: int, reason: str) -> tuple[str, bool]:
        headers = {}
        if attempt:
            headers = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason}
        body = json.dumps(self.log[event_id]).encode()
        status, _answer, answered = await self.post(self.url, body, "application/json", headers)
        retry = answered.get("x-slack-no-retry") != "1"
        if 200 <= status <= 299:
            return "ok", retry
        return {0: "connection_failed", -1: "http_timeout"}.get(status, "http_error"), retry
