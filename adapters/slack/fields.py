"""Reading JSON of any shape: a field that is absent or of the wrong type is empty."""

from __future__ import annotations

import re
from typing import Any

_TS = re.compile(r"([0-9]{1,12})\.([0-9]{1,9})")


def child(source: object, key: str) -> dict[str, Any]:
    """The object under `key`, or an empty one."""
    found = source.get(key) if isinstance(source, dict) else None
    return found if isinstance(found, dict) else {}


def string(source: object, key: str) -> str:
    """The string under `key`, or an empty one."""
    found = source.get(key) if isinstance(source, dict) else None
    return found if isinstance(found, str) else ""


def whole(source: object, key: str) -> int:
    """The non-negative integer under `key`, or 0."""
    found = source.get(key) if isinstance(source, dict) else None
    return max(found, 0) if isinstance(found, int) and not isinstance(found, bool) else 0


def items(source: object, key: str) -> list[dict[str, Any]]:
    """The objects in the list under `key`; whatever else is in it is left out."""
    found = source.get(key) if isinstance(source, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def milliseconds(ts: str) -> int | None:
    """A message's ts, seconds and a serial number, as UTC milliseconds; None when it is no ts."""
    match = _TS.fullmatch(ts)
    return int(match[1]) * 1000 + int(match[2].ljust(3, "0")[:3]) if match else None
