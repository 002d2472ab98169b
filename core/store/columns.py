"""The column types that behave alike on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import BigInteger, Text, TypeDecorator
from sqlalchemy.engine import Dialect


def storable(text: str) -> str:
    """Make any Python string one that both databases take.

    PostgreSQL refuses NUL and neither takes half of a surrogate pair; customers can send both.
    """
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


class Words(TypeDecorator[str]):
    """Text of any length from anybody."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what no database can hold."""
        return None if value is None else storable(value)


class Json(TypeDecorator[Any]):
    """Plain JSON types, kept as text so that a dump of one database loads into the other."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Serialise; None stays NULL."""
        if value is None:
            return None
        return storable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Parse; NULL stays None."""
        return None if value is None else json.loads(value)


class Millis(TypeDecorator[int]):
    """A moment: UTC, integer milliseconds; 0 means never."""

    impl = BigInteger
    cache_ok = True
