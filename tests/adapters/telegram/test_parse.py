"""Telegram's updates turned into events, one JSON file a payload."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiogram.types import Update
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.telegram.parse import BotIdentity, moved, parse, tap_id
from core import wire
from core.values import AttachmentKind, EventKind, InboundEvent

BOT = BotIdentity("7000000001", "northwind_help_bot")
NOW = 1790000099000
PAYLOADS = {
    file.stem: json.loads(file.read_text("utf-8"))
    for file in sorted((Path(__file__).parent / "payloads").glob("*.json"))
}
UNREAL = {"future", "malformed_chat", "malformed_types", "rich_message"}


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_becomes_the_expected_event(name: str) -> None:
    payload = PAYLOADS[name]
    expected = None if payload["event"] is None else wire.load(InboundEvent, payload["event"])
    event = parse(payload["update"], BOT, NOW)
    if event is not None:
        assert event.order == (
            f"{int(event.message):020}" if event.kind in (EventKind.CREATED, EventKind.EDITED) else ""
        )
        event = replace(event, order="")
    assert event == expected, payload["about"]
    assert event is None or wire.loads(InboundEvent, wire.dumps(event)) == event


@pytest.mark.parametrize("name", sorted(set(PAYLOADS) - UNREAL))
def test_the_payloads_are_what_telegram_sends(name: str) -> None:
    """Another library's model of the Bot API accepts them."""
    try:
        Update.model_validate(PAYLOADS[name]["update"])
    except ValidationError as problem:  # pragma: no cover
        pytest.fail(f"{name}: {problem}")


def test_a_redelivery_has_the_same_id() -> None:
    update = PAYLOADS["tap"]["update"]
    first, again = parse(update, BOT, NOW), parse(update, BOT, NOW + 5000)
    assert first and again and first.id == again.id


def test_the_migration_of_a_group_is_told_from_both_ends() -> None:
    chat = {"id": -100777, "type": "supergroup"}
    assert moved(PAYLOADS["migrated"]["update"]) == ("-4242", "-100777")
    assert moved({"update_id": 1, "message": {"chat": chat, "migrate_from_chat_id": -4242}}) == ("-4242", "-100777")
    assert moved(PAYLOADS["text"]["update"]) is None


def test_a_tap_names_the_query_to_answer() -> None:
    assert tap_id(PAYLOADS["tap"]["update"]) == "4382bfdwdsb323b2d9"
    assert tap_id(PAYLOADS["tap_inline"]["update"]) == "45"  # its spinner turns as well
    assert tap_id(PAYLOADS["text"]["update"]) == tap_id(7) == ""


def test_every_content_in_a_private_chat_is_heard() -> None:
    """Whatever field a message carries that is no notice, the customer gets an answer."""
    envelope = {"message_id": 1, "date": 1, "chat": {"id": 5, "type": "private"}, "from": {"id": 5, "is_bot": False}}
    for field in ("game", "giveaway", "invoice", "paid_media", "checklist", "something_of_2031"):
        event = parse({"update_id": 9, "message": {**envelope, field: {"a": 1}}}, BOT)
        assert event is not None, field
        assert event.attachments and event.attachments[0].problem, field


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
    name = data.draw(st.sampled_from(sorted(PAYLOADS)))
    update = json.loads(json.dumps(PAYLOADS[name]["update"]))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_paths(update)))
        damage = data.draw(JSON)
        if not path:
            update = damage
            break
        spot = update
        for key in path[:-1]:
            spot = spot[key]
        spot[path[-1]] = damage
    event = parse(update, BOT, NOW)
    moved(update), tap_id(update)
    if event is not None:
        assert wire.load(InboundEvent, wire.dump(event)) == event
        assert all(part.problem or part.ref for part in event.attachments)
        assert all(part.problem for part in event.attachments if part.kind is AttachmentKind.OTHER)


@pytest.mark.parametrize("update", [None, 7, "x", [], {}, {"update_id": "7"}, {"update_id": True, "message": {}}])
def test_what_is_no_update_is_none(update: object) -> None:
    assert parse(update, BOT, NOW) is None
