"""Whether a Bot API request is one that Telegram accepts, judged with aiogram's models."""

from __future__ import annotations

import json
import re
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.fakes.telegram.markup import BadMarkup, parse_html, trimmed, units

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
BUTTON_LIMIT = 100
ROW_LIMIT = 8
CALLBACK_BYTES = 64


class ApiError(Exception):
    """An error as the Bot API answers it; `parameters` as in ResponseParameters."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad_request(what: str) -> ApiError:
    """A 400, worded as Telegram words them."""
    return ApiError(400, f"Bad Request: {what}")


@cache
def known_methods() -> dict[str, type[BaseModel]]:
    """Every method of the Bot API by its lower-case name, as aiogram models them."""
    # aiogram takes seconds to import, and tests of Slack need none of it.
    from aiogram import methods

    found: dict[str, type[BaseModel]] = {}
    for name in methods.__all__:
        method = getattr(methods, name)
        api_name = getattr(method, "__api_method__", None)
        if isinstance(api_name, str):
            found[api_name.lower()] = method
    return found


@cache
def _type(name: str) -> TypeAdapter[Any]:
    from aiogram import types

    return TypeAdapter(getattr(types, name))


@cache
def warm_up() -> None:
    """Load the models that every test needs."""
    for name in ("sendmessage", "getupdates", "editmessagetext"):
        known_methods()[name].model_rebuild()
    for kind in ("Message", "Update"):
        _type(kind).rebuild(force=True)


def check_request(method: str, raw: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The arguments decoded to JSON values, and the names of parameters that Telegram does not know.

    Raises:
        ApiError: 400, an argument is missing or of a wrong type.
    """
    model = known_methods()[method.lower()]
    arguments = {name: _decoded(model, name, value) for name, value in raw.items()}
    try:
        parsed = model.model_validate(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise bad_request(f"{first['msg']} ({where})") from error
    return arguments, _strangers(parsed)


def check_answer(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Hold an object of ours against aiogram's type of that name, so that the fake cannot drift from the API.

    Raises:
        AssertionError: the fake built something that Telegram would not send.
    """
    try:
        parsed = _type(kind).validate_python(value)
    except ValidationError as error:
        raise AssertionError(f"the fake built a wrong {kind}: {error}") from error
    if strangers := _strangers(parsed):
        raise AssertionError(f"the fake built a {kind} with unknown fields: {strangers}")
    return value


def formatted(arguments: dict[str, Any], name: str, entities: str) -> tuple[str, list[dict[str, Any]]]:
    """The text as people see it, with its entities.

    Raises:
        ApiError: 400, the mark-up does not parse.
    """
    text = str(arguments.get(name) or "")
    mode = str(arguments.get("parse_mode") or "").lower()
    if not mode:
        return trimmed(text, arguments.get(entities) or [])
    if mode != "html":
        raise bad_request(f"unsupported parse_mode (the fake reads HTML only, not {mode})")
    try:
        return parse_html(text)
    except BadMarkup as error:
        raise bad_request(f"can't parse entities: {error}") from error


def message_text(arguments: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The text of a message, refused when empty or longer than 4096 UTF-16 units after parsing."""
    text, entities = formatted(arguments, "text", "entities")
    if not text:
        raise bad_request("message text is empty")
    if units(text) > TEXT_LIMIT:
        raise bad_request("message is too long")
    return text, entities


def caption_text(arguments: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """A caption, which may be empty but not longer than 1024 UTF-16 units after parsing."""
    text, entities = formatted(arguments, "caption", "caption_entities")
    if units(text) > CAPTION_LIMIT:
        raise bad_request("message caption is too long")
    return text, entities


def keyboard(arguments: dict[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
    """The inline keyboard of a request (None: none), and what is odd about it.

    Raises:
        ApiError: 400, a button has no text or action, its data is not 1-64 bytes, or there are too many.
    """
    markup = arguments.get("reply_markup")
    if not markup or "inline_keyboard" not in markup:
        return None, []
    odd = []
    rows = [row for row in markup["inline_keyboard"] if row]
    if sum(len(row) for row in rows) > BUTTON_LIMIT:
        raise bad_request("REPLY_MARKUP_TOO_LONG")
    for row in rows:
        if len(row) > ROW_LIMIT:
            odd.append(f"a row of {len(row)} buttons, Telegram shows {ROW_LIMIT}")
        for button in row:
            _check_button(button)
    return ({"inline_keyboard": rows} if rows else None), odd


def _check_button(button: dict[str, Any]) -> None:
    if not str(button.get("text", "")).strip():
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    actions = set(button) - {"text", "style", "icon_custom_emoji_id"}
    if len(actions) != 1:
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= CALLBACK_BYTES:
        raise bad_request("BUTTON_DATA_INVALID")
    if "url" in button and not re.match(r"^(https?://[^\s/]+\.[^\s]+|tg://\S+)", button["url"]):
        raise bad_request("BUTTON_URL_INVALID")


def _decoded(model: type[BaseModel], name: str, value: Any) -> Any:
    """Form fields arrive as strings; what is no string in the API is JSON."""
    if not isinstance(value, str):
        return value
    field = model.model_fields.get(name)
    if field is None:
        return value
    kinds = _flat(field.annotation)
    if str in kinds:
        return int(value) if int in kinds and re.fullmatch(r"-?\d+", value) else value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _flat(annotation: Any) -> set[Any]:
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*(_flat(one) for one in get_args(annotation)))
    return {annotation}


def _strangers(value: Any, path: str = "") -> list[str]:
    """Fields that none of aiogram's models knows, however deep."""
    found: list[str] = []
    if isinstance(value, BaseModel):
        found += [f"{path}{name}" for name in value.model_extra or {}]
        for name in type(value).model_fields:
            if name in value.model_fields_set:
                found += _strangers(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            found += _strangers(one, f"{path}{number}.")
    return found
