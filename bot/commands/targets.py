"""The files that commands are given, looked at before the work that they are for."""

from __future__ import annotations

from pathlib import Path

from core.errors import BadInput


def must_be_writable(*targets: Path | None) -> None:
    """Open each file as it will be opened, and leave nothing behind; what is there keeps its content.

    Raises:
        BadInput: one of them cannot be written; says which and why.
    """
    for target in targets:
        if target is None:
            continue
        new = not target.exists()
        try:
            with target.open("ab"):
                pass
            if new:
                target.unlink()
        except OSError as problem:
            raise BadInput(
                f"{target} cannot be written ({problem.strerror}): name a file in a folder that is there "
                "and that you may write to"
            ) from problem


def content(source: Path) -> bytes:
    """The bytes of a file.

    Raises:
        BadInput: it cannot be read; says why.
    """
    try:
        return source.read_bytes()
    except OSError as problem:
        raise BadInput(
            f"{source} cannot be read ({problem.strerror}): name a file that is there and that you may read"
        ) from problem
