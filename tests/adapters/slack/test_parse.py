"""Slack's payloads turned into events, one JSON file a payload."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.slack.parse import BotIdentity, parse, shared_by_us
from adapters.slack.words import plain, without_mention
from core import wire
from core.values import AttachmentKind, EventKind, InboundEvent

BOT = BotIdentity("T0NORTHWIND", "U0POLYDESK", "B0POLYDESK", "polydesk")
PAYLOADS = {
    file.stem: json.loads(file.read_text("utf-8"))
    for file in sorted((Path(__file__).parent / "payloads").glob("*.json"))
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_becomes_the_expected_event(name: str) -> None:
    one = PAYLOADS[name]
    expected = None if one["event"] is None else wire.load(InboundEvent, one["event"])
    event = parse(one["payload"], BOT)
    if event is not None:
        assert event.order == (event.message if event.kind in (EventKind.CREATED, EventKind.EDITED) else "")
        event = replace(event, order="")
    assert event == expected, one["about"]
    assert event is None or wire.loads(InboundEvent, wire.dumps(event)) == event


def _event(name: str, **changes: Any) -> InboundEvent:
    payload = json.loads(json.dumps(PAYLOADS[name]["payload"]))
    payload["event"].update(changes)
    event = parse(payload, BOT)
    assert event is not None
    return event


def test_a_mention_is_one_event_though_it_comes_twice() -> None:
    message, app_mention = (_event(f"channel_mention_{kind}") for kind in ("message", "app_mention"))
    assert (
        PAYLOADS["channel_mention_message"]["payload"]["event_id"]
        != (PAYLOADS["channel_mention_app_mention"]["payload"]["event_id"])
    )
    assert message == app_mention


def test_a_guest_is_the_same_person_in_every_kind_of_event() -> None:
    assert _event("connect_guest") == _event("connect_guest_app_mention")


def test_a_redelivery_has_the_same_id() -> None:
    first = _event("dm_text")
    payload = {**PAYLOADS["dm_text"]["payload"], "event_time": 1790000300, "event_id": "Ev0OTHER"}
    again = parse(payload, BOT)
    assert again == first


def test_changes_of_one_message_have_ids_of_their_own() -> None:
    ids = [_event(name).id for name in ("dm_text", "edited", "deleted")]
    assert len(set(ids)) == 3
    assert {_event(name).message for name in ("dm_text", "edited", "deleted")} == {"1790000000.000100"}


def test_our_own_files_are_known_again() -> None:
    assert shared_by_us(PAYLOADS["our_file"]["payload"], BOT) == (("F0OURS",), "1790000000.000100")
    assert shared_by_us(PAYLOADS["photo"]["payload"], BOT) == ((), "")
    assert shared_by_us(7, BOT) == ((), "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<@U1> hi", "hi"),
        ("hi <@U1>", "hi"),
        ("<@U1>, <@U1|us> hi", "hi"),
        ("hi <@U1> there", "hi there"),
        ("hi <@U1>, there", "hi, there"),
        ("hi\n<@U1> there", "hi\nthere"),
        ("hi <@U2>", "hi <@U2>"),
        ("<@U12> hi", "<@U12> hi"),
        ("<@U1>", ""),
    ],
)
def test_a_mention_leaves_no_hole(text: str, words: str) -> None:
    assert without_mention(text, "U1") == words


@pytest.mark.parametrize("text", ["<>", "<|x>", "<@>", "<!>", "a < b", "<no scheme>", "<nothing"])
def test_what_is_no_mark_stays(text: str) -> None:
    assert plain(text).strip("<>@!") == text.strip("<>@!")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, below in inner for path in _paths(below, (*at, key)))]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_damage_makes_it_raise(data: st.DataObject) -> None:
    """Any field of any payload replaced by any JSON gives an event that survives the wire, or None."""
    payload = json.loads(json.dumps(PAYLOADS[data.draw(st.sampled_from(sorted(PAYLOADS)))]["payload"]))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_paths(payload)))
        damage = data.draw(JSON)
        if not path:
            payload = damage
            break
        spot = payload
        for key in path[:-1]:
            spot = spot[key]
        spot[path[-1]] = damage
    event = parse(payload, BOT)
    shared_by_us(payload, BOT)
    if event is not None:
        assert wire.load(InboundEvent, wire.dump(event)) == event
        assert all(part.problem or part.ref for part in event.attachments)
        assert all(part.problem for part in event.attachments if part.kind is AttachmentKind.OTHER)


@pytest.mark.parametrize("payload", [None, 7, "x", [], {}, {"type": "event_callback"}, {"type": "block_actions"}])
def test_what_is_no_payload_is_none(payload: object) -> None:
    assert parse(payload, BOT) is None
