"""Conversion of files that are used as they are."""

from __future__ import annotations

import shutil
from pathlib import Path


def convert(found: Path, made: Path) -> None:
    """Move every file of `found` to `made`."""
    for path in found.iterdir():
        shutil.move(path, made / path.name)
