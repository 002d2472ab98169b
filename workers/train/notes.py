"""Small files that a training leaves itself, each there as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from core import wire
from core.errors import BadInput

T = TypeVar("T")


def put(path: Path, content: bytes) -> None:
    """Write a file beside, then give it its name: whoever kills us leaves the old one, or the new one.

    Raises:
        OSError: it cannot be written.
    """
    scratch = path.with_name(f"{path.name}.part")
    with scratch.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def note(kind: type[T], path: Path) -> T | None:
    """What `put` wrote of a value; None where nothing was written, or nothing that can be read."""
    try:
        return wire.loads(kind, path.read_bytes()) if path.is_file() else None
    except (OSError, BadInput):
        return None
