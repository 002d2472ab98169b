"""Values to JSON and back, validated on the way in."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from core.errors import BadInput

T = TypeVar("T")


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _kind(value: object) -> Hashable:
    return cast(Hashable, type(value))


def _explained(kind: Any, problem: ValidationError) -> BadInput:
    first = problem.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "the whole"
    return BadInput(f"not a {getattr(kind, '__name__', kind)}: {field}: {first['msg']}")


def dump(value: object) -> Any:
    """Turn a value into plain JSON types (dict, list, str, int, float, bool, None)."""
    return _adapter(_kind(value)).dump_python(value, mode="json")


def dumps(value: object) -> str:
    """Turn a value into one line of JSON text."""
    return _adapter(_kind(value)).dump_json(value).decode()


def load(kind: type[T], plain: object) -> T:
    """Build a `kind` from plain JSON types.

    Raises:
        BadInput: the JSON does not describe such a value; the message names the first wrong field.
    """
    try:
        return cast(T, _adapter(cast(Hashable, kind)).validate_python(plain))
    except ValidationError as problem:
        raise _explained(kind, problem) from problem


def loads(kind: type[T], text: str | bytes) -> T:
    """Build a `kind` from JSON text; raises BadInput like `load`."""
    try:
        return cast(T, _adapter(cast(Hashable, kind)).validate_json(text))
    except ValidationError as problem:
        raise _explained(kind, problem) from problem
