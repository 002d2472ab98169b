"""A bug of ours, as the log may hold it."""

from __future__ import annotations

import traceback


def stumble(bug: Exception) -> dict[str, str]:
    """Where a bug is, for the log: neither its message nor local variables, for both may hold what people wrote."""
    return {"bug": type(bug).__name__, "trace": "".join(traceback.format_tb(bug.__traceback__))}
