"""Reading JSON of any shape: a field that is absent or of the wrong type is empty."""

from __future__ import annotations

from typing import Any


def child(source: object, key: str) -> dict[str, Any]:
    """The object under `key`, or an empty one."""
    found = source.get(key) if isinstance(source, dict) else None
    return found if isinstance(found, dict) else {}


def string(source: object, key: str) -> str:
    """The string under `key`, or an empty one."""
    found = source.get(key) if isinstance(source, dict) else None
    return found if isinstance(found, str) else ""


def whole(source: object, key: str) -> int | None:
    """The integer under `key`, or None."""
    found = source.get(key) if isinstance(source, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def amount(source: object, key: str) -> int:
    """The integer under `key`, or 0 when it is negative or none."""
    return max(whole(source, key) or 0, 0)


def items(source: object, key: str) -> list[dict[str, Any]]:
    """The objects in the list under `key`; whatever else is in it is left out."""
    found = source.get(key) if isinstance(source, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
