"""The parts of a fuzz: who asks what, and what must come of it."""

from __future__ import annotations

import itertools
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
)

from tests.bot.console.stage import ADMIN, AGENT
from tests.fuzz import odd
from tests.fuzz.asking import Answer, Ask, send
from tests.fuzz.ground import CHATS, SECRET, TOKEN, Ground
from tests.fuzz.judge import Who, faults

_PAYLOADS = Path(__file__).parents[1] / "adapters"
_NAMES = {Who.FORGER: ADMIN, Who.ADMIN: ADMIN, Who.AGENT: AGENT}
_CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
# Said before or beside the routes, for which no schema speaks.
_AT_THE_DOOR = {400, 401, 404, 411, 413, 429}
_PATIENT = 20.0
_addresses = itertools.count(1)


@dataclass(frozen=True)
class Part:
    """One kind of request by one kind of asker; `weight` is its share of the requests."""

    name: str
    who: Who
    asked: Callable[[Ground], SearchStrategy[Any]]
    weight: float = 1.0
    lands: float = 0.0  # the least share of requests that must be taken, for a part that means to come through

    def run(self, ground: Ground, examples: int, number: int | None = None) -> None:
        """Send so many requests, the same each time unless there is a `number` to begin with.

        Raises:
            AssertionError: an answer is wrong, or somebody wrote who may not; shows the smallest such request.
        """
        if not self.who.writes:
            ground.rest()
        ground.troubles()
        kept, taken = (ground.books(), ground.version()), []

        @settings(
            max_examples=max(1, round(examples * self.weight)),
            derandomize=number is None,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(self.asked(ground))
        def probe(thing: Ask | Case) -> None:
            nonlocal kept
            sent = _sent if isinstance(thing, Ask) else _called
            ask, answer, found = sent(ground, self.who, thing)
            taken.append(200 <= answer.status < 300)
            if answer.status >= 500:
                time.sleep(0.1)  # its traceback is logged after it was answered
            found += faults(self.who, ask, answer) + ground.troubles()
            if not self.who.writes and ground.version() != kept[1]:
                before, kept = kept[0], (ground.books(), ground.version())
                written = {name for name, sum in kept[0].items() if sum != before[name]}
                found += [f"wrote {name}" for name in sorted(written - _free(ask))]
            assert not found, f"{self.who.value}: {'; '.join(found)}\n{ask}\n{answer}"

        (probe if number is None else seed(number)(probe))()
        assert sum(taken) >= self.lands * len(taken), f"only {sum(taken)} of {len(taken)} requests came through"
        if not self.who.writes:
            assert _without(ground.books(), "web_sessions") == _without(kept[0], "web_sessions")


def _without(books: dict[str, int], name: str) -> dict[str, int]:
    return {one: sum for one, sum in books.items() if one != name}


def _free(ask: Ask) -> set[str]:
    """What anybody may write: a web chat begins with whoever comes."""
    return {"web_sessions"} if ask.method == b"POST" and "conversations" in ask.path else set()


def _sent(ground: Ground, who: Who, ask: Ask) -> tuple[Ask, Answer, list[str]]:
    """Send an odd request, with what this asker always has."""
    desk = ask.target.startswith(b"/console")
    filled = {b"id": ground.talk if desk else next(_chats), b"sha": ground.photo, b"number": "1"}
    if b"/entry/" in ask.target:
        filled[b"id"] = "track-order"
    target = ask.target
    for name, value in filled.items():
        target = target.replace(b"{" + name + b"}", value.encode())
    own = {name.lower() for name, _ in ask.headers}
    worn = tuple((name.encode(), value.encode()) for name, value in _worn(ground, who).items())
    ask = replace(ask, target=target, headers=(*ask.headers, *(one for one in worn if one[0].lower() not in own)))
    if who is Who.PLATFORM:
        signed = ground.slack.events.signed(ask.body)
        ask = replace(ask, headers=(*ask.headers, *((name.encode(), value.encode()) for name, value in signed.items())))
    return ask, send(ground.port, ask), []


_chats = itertools.cycle(CHATS)


def _worn(ground: Ground, who: Who) -> dict[str, str]:
    """The headers of an asker; each request comes from another address, so that no limit hides what lies behind it."""
    number = next(_addresses)
    worn = {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
    if who in _NAMES:
        worn["Cookie"] = f"polydesk={ground.cookies[_NAMES[who]]}"
    if who in (Who.AGENT, Who.ADMIN):
        worn |= {"X-CSRF": ground.tokens[_NAMES[who]], "Sec-Fetch-Site": "same-origin"}
    if who is Who.CUSTOMER:
        worn["Authorization"] = f"Bearer {TOKEN}"
    if who is Who.PLATFORM:
        worn["X-Telegram-Bot-Api-Secret-Token"] = SECRET
    return worn


def _called(ground: Ground, who: Who, case: Case) -> tuple[Ask, Answer, list[str]]:
    """Send a request that schemathesis made from a schema; what it says of the answer comes last."""
    api = case.path.startswith("/v1/")
    worn = _worn(ground, who)
    if who is Who.CUSTOMER and "id" in case.path_parameters:
        case.path_parameters["id"] = next(_chats)
    sent = case.call(
        base_url=f"{ground.url}/{'api' if api else 'console'}", headers=worn, timeout=_PATIENT, allow_redirects=False
    )
    found = []
    if api:
        try:
            case.validate_response(sent, checks=_CHECKS if sent.status_code < 400 else _CHECKS[:2])
        except FailureGroup as group:
            found += [f"{one.title}: {one.message}" for one in group.exceptions]
        declared = ground.api["paths"][case.path][case.method.lower()]["responses"]
        if str(sent.status_code) not in declared and sent.status_code not in _AT_THE_DOOR:
            found.append(f"answered {sent.status_code}, which its schema does not name")
    request = sent.request
    assert isinstance(request, requests.PreparedRequest)
    headers = tuple((_bytes(name), _bytes(value)) for name, value in request.headers.items())
    body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode("utf-8", "replace")
    ask = Ask(str(request.method).encode(), str(request.path_url).encode(), headers, body)
    given = {name.lower(): ", ".join(value) for name, value in sent.headers.items()}
    return ask, Answer(sent.status_code, given, sent.content), found


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


def _by_schema(kind: str) -> Callable[[Ground], SearchStrategy[Any]]:
    """What schemathesis makes of `api` or `console`, right and wrong; streams never end, so they are left to others."""

    def asked(ground: Ground) -> SearchStrategy[Any]:
        schema = schemathesis.openapi.from_dict(getattr(ground, kind)).exclude(path_regex="/(stream|live)$")
        return st.one_of(
            operation.ok().as_strategy(generation_mode=mode)
            for operation in schema.get_all_operations()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        )

    return asked


def _odd(prefix: str = "", method: bytes = b"") -> Callable[[Ground], SearchStrategy[Any]]:
    """Odd requests to the addresses that begin like this."""

    def asked(ground: Ground) -> SearchStrategy[Any]:
        routes = [one for one in ground.routes if one.startswith(prefix)]
        return odd.asks(routes, (method,)) if method else odd.asks(routes)

    return asked


def _forms(ground: Ground) -> SearchStrategy[Any]:
    """Forms of the console with the names that it knows, some of them filled with what it does not."""
    fields: dict[str, list[str]] = {}
    for path, operations in ground.console["paths"].items():
        if "post" in operations:
            known = [
                name for one in ground.console["components"]["schemas"].values() for name in one.get("properties", ())
            ]
            fields[f"/console{path}"] = [*known, *_ENTRY]
    return st.sampled_from(sorted(fields)).flatmap(
        lambda path: odd.bodies(fields[path]).map(lambda made: Ask(b"POST", path.encode(), made[0], made[1]))
    )


_ENTRY = (
    "id",
    "question",
    "answer_en",
    "answer_" + "x" * 40,
    "variants",
    "intent",
    "tags",
    "photos",
    "media",
    "revision",
)


def _posted(platform: str, target: bytes) -> Callable[[Ground], SearchStrategy[Any]]:
    """Payloads of a platform, twisted, as the platform itself would post them."""
    kept = [json.loads(path.read_text()) for path in sorted((_PAYLOADS / platform / "payloads").glob("*.json"))]
    payloads = [one["update" if platform == "telegram" else "payload"] for one in kept]

    def post(payload: Any) -> Ask:
        body, kind = json.dumps(_fresh(payload)).encode(), b"application/json"
        if platform == "slack" and isinstance(payload, dict) and "event" not in payload:  # a tap comes as a form
            body, kind = urlencode({"payload": body}).encode(), b"application/x-www-form-urlencoded"
        return Ask(b"POST", target, ((b"Content-Type", kind),), body)

    return lambda ground: odd.twisted(payloads).map(post)


def _fresh(payload: Any) -> Any:
    """The payload under a number of its own, so that it is not taken for one that came before."""
    number = zlib.crc32(json.dumps(payload).encode())
    if isinstance(payload, dict) and type(payload.get("update_id")) is int:
        return {**payload, "update_id": number}
    event = payload.get("event") if isinstance(payload, dict) else None
    if isinstance(event, dict) and isinstance(event.get("ts"), str):
        return {**payload, "event": {**event, "ts": f"{number}.{number % 1_000_000:06d}"}}
    return payload


# Those who may write nothing come first: nothing that others have begun may still be going on, and a photo that
# cannot be fetched goes on for 20 seconds.
PARTS = (
    Part("anything by a stranger", Who.STRANGER, _odd(), 2.0),
    Part("the chat API's schema by a stranger", Who.STRANGER, _by_schema("api"), 0.5),
    Part("the console's schema by a stranger", Who.STRANGER, _by_schema("console"), 0.5),
    Part("changes in the console by another site", Who.FORGER, _odd("/console", b"POST")),
    Part("the webhooks by a stranger", Who.STRANGER, _odd("/telegram", b"POST"), 0.3),
    Part("Slack's events by a stranger", Who.STRANGER, _odd("/slack", b"POST"), 0.3),
    Part("the chat API's schema by a customer", Who.CUSTOMER, _by_schema("api"), lands=0.1),
    Part("the chat API by a customer", Who.CUSTOMER, _odd("/api")),
    Part("the console's schema by an agent", Who.AGENT, _by_schema("console"), 0.5),
    Part("the console by an agent", Who.AGENT, _odd("/console")),
    Part("the console's schema by an admin", Who.ADMIN, _by_schema("console"), lands=0.1),
    Part("the console by an admin", Who.ADMIN, _odd("/console")),
    # A training is started once, a model promoted never: what such buttons refuse is no fault of the forms.
    Part("the console's forms by an admin", Who.ADMIN, _forms, lands=0.05),
    Part("Telegram's updates, twisted", Who.PLATFORM, _posted("telegram", b"/telegram/webhook"), 1.5, 0.25),
    Part("Slack's events, twisted", Who.PLATFORM, _posted("slack", b"/slack/events"), 1.5, 0.25),
    Part("the webhooks by somebody with the secret", Who.PLATFORM, _odd("/telegram", b"POST"), 0.3),
    Part("Slack's events by somebody with the secret", Who.PLATFORM, _odd("/slack", b"POST"), 0.3),
)
