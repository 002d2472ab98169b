"""Whether what is sent to Slack is something that Slack accepts, judged with slack_sdk's models and its limits."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.web.async_client import AsyncWebClient

TEXT_LIMIT = 40_000
UPDATE_LIMIT = 4_000
TOTAL_LIMIT = 13_200
MARKDOWN_LIMIT = 12_000
BLOCK_LIMIT = 50
HOME_LIMIT = 100
# What slack_sdk's models do not check themselves: (type, field) -> longest text.
LENGTHS = {
    ("section", "text"): 3000,
    ("section", "fields"): 2000,
    ("header", "text"): 150,
    ("button", "text"): 75,
    ("button", "value"): 2000,
    ("image", "alt_text"): 2000,
    ("image", "title"): 2000,
}
COUNTS = {("actions", "elements"): 25, ("context", "elements"): 10, ("section", "fields"): 10}
ACTION_ID_LIMIT = 255
BLOCK_ID_LIMIT = 255


class SlackError(Exception):
    """An error as Slack's Web API answers it: HTTP 200 (or 429) with `ok` false."""

    def __init__(self, error: str, *, status: int = 200, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.status = status
        self.headers = headers or {}
        self.more = more


def invalid_blocks(what: str, where: str) -> SlackError:
    """The error for blocks that break Block Kit's rules, with the place as a JSON pointer."""
    line = f"{what} [json-pointer:{where}]"
    return SlackError("invalid_blocks", errors=[line], response_metadata={"messages": [f"[ERROR] {line}"]})


@cache
def known_arguments(method: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """All arguments of a Web API method and the required ones, as slack_sdk knows them; None: no such method."""
    function = getattr(AsyncWebClient, method.replace(".", "_"), None)
    if function is None or "." not in method:
        return None
    parameters = inspect.signature(function).parameters
    named = {name: one for name, one in parameters.items() if name not in ("self", "kwargs")}
    # Tokens travel in the Authorization header.
    required = {name for name, one in named.items() if one.default is inspect.Parameter.empty} - {"token", "app_token"}
    return frozenset(named), frozenset(required)


def decoded(arguments: dict[str, Any]) -> dict[str, Any]:
    """Form fields hold structured arguments as JSON text."""
    answer = dict(arguments)
    for name in ("blocks", "attachments", "metadata", "files", "view", "prompts"):
        value = answer.get(name)
        if isinstance(value, str):
            try:
                answer[name] = json.loads(value)
            except ValueError as error:
                raise SlackError("invalid_arguments") from error
    return answer


def check_text(arguments: dict[str, Any], limit: int) -> tuple[str, list[dict[str, Any]]]:
    """Text and blocks of a message.

    Raises:
        SlackError: no_text, msg_too_long, invalid_blocks, msg_blocks_too_long.
    """
    text, markdown = str(arguments.get("text") or ""), str(arguments.get("markdown_text") or "")
    if markdown:
        if text or arguments.get("blocks"):
            raise SlackError("markdown_text_conflict")
        text, limit = markdown, MARKDOWN_LIMIT
    blocks = arguments.get("blocks") or []
    if not text.strip() and not blocks and not arguments.get("attachments"):
        raise SlackError("no_text")
    if len(text) > limit:
        raise SlackError("msg_too_long")
    return text, check_blocks(blocks, BLOCK_LIMIT)


def check_blocks(blocks: Any, limit: int) -> list[dict[str, Any]]:
    """Blocks as Slack would store them: with the ids that it makes up.

    Raises:
        SlackError: invalid_blocks, or msg_blocks_too_long.
    """
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    if len(blocks) > limit:
        raise invalid_blocks(f"no more than {limit} items allowed", "/blocks")
    for number, block in enumerate(blocks):
        where = f"/blocks/{number}"
        if not isinstance(block, dict) or "type" not in block:
            raise invalid_blocks("missing required field: type", where)
        _check_limits(block, where)
        _check_model(block, where)
    ids = [block["block_id"] for block in blocks if block.get("block_id")]
    if len(ids) != len(set(ids)):
        raise invalid_blocks("block_id already exists", "/blocks")
    if sum(len(one) for one in texts_of(blocks)) > TOTAL_LIMIT:
        raise SlackError("msg_blocks_too_long")
    if sum(len(block.get("text", "")) for block in blocks if block["type"] == "markdown") > MARKDOWN_LIMIT:
        raise SlackError("msg_blocks_too_long")
    return [{"block_id": f"b{number}", **block} for number, block in enumerate(blocks)]


def texts_of(value: Any) -> Iterator[str]:
    """Every text in blocks that people see."""
    if isinstance(value, list):
        for one in value:
            yield from texts_of(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in ("text", "alt_text") and isinstance(one, str):
                yield one
            elif name not in ("value", "url", "style", "metadata"):
                yield from texts_of(one)


def elements_of(blocks: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every interactive element with the block it stands in."""
    for block in blocks:
        for element in [*block.get("elements", []), *([block["accessory"]] if "accessory" in block else [])]:
            if isinstance(element, dict) and "type" in element:
                yield block, element


def _check_limits(part: dict[str, Any], where: str) -> None:
    kind = part.get("type")
    for (owner, name), longest in LENGTHS.items():
        if kind != owner or name not in part:
            continue
        values = part[name] if isinstance(part[name], list) else [part[name]]
        for value in values:
            words = value.get("text", "") if isinstance(value, dict) else str(value)
            if len(words) > longest:
                raise invalid_blocks(f"must be less than {longest + 1} characters", f"{where}/{name}/text")
            if name == "text" and not words:
                raise invalid_blocks("must be more than 0 characters", f"{where}/{name}/text")
    for (owner, name), most in COUNTS.items():
        if kind == owner and len(part.get(name) or []) > most:
            raise invalid_blocks(f"no more than {most} items allowed", f"{where}/{name}")
    if kind in ("actions", "context") and not part.get("elements"):
        raise invalid_blocks("no less than 1 items allowed", f"{where}/elements")
    if kind == "section" and not part.get("text") and not part.get("fields"):
        raise invalid_blocks("must define either `text` or `fields`", f"{where}/type")
    for name, longest in (("action_id", ACTION_ID_LIMIT), ("block_id", BLOCK_ID_LIMIT)):
        if len(str(part.get(name) or "")) > longest:
            raise invalid_blocks(f"must be less than {longest + 1} characters", f"{where}/{name}")
    seen: set[str] = set()
    for number, (_block, element) in enumerate(elements_of([part])):
        _check_limits(element, f"{where}/elements/{number}")
        action = element.get("action_id")
        if action in seen:
            raise invalid_blocks("`action_id` already exists", f"{where}/elements/{number}/action_id")
        if action:
            seen.add(action)
    _check_text_object(part, where)


def _check_text_object(part: dict[str, Any], where: str) -> None:
    text = part.get("text")
    kind = part.get("type")
    if kind in ("header", "button") and isinstance(text, dict) and text.get("type") != "plain_text":
        raise invalid_blocks(f"unsupported type: {text.get('type')}", f"{where}/text/type")
    if kind in ("section", "header", "button") and text is not None and not isinstance(text, dict):
        raise invalid_blocks("must be a text object", f"{where}/text")


def _check_model(block: dict[str, Any], where: str) -> None:
    """Let slack_sdk build the block; what it drops on the way is unknown to Slack."""
    try:
        model = Block.parse(block)
        if model is None:
            raise invalid_blocks(f"unsupported type: {block['type']}", f"{where}/type")
        known = model.to_dict()
    except (SlackObjectFormationError, TypeError, AttributeError) as error:
        raise invalid_blocks(f"failed to match all allowed schemas ({error})", where) from error
    for name in block:
        if name not in known and block[name] not in (None, [], ""):
            raise invalid_blocks(f"additional property: {name}", where)
