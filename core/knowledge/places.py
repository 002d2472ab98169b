"""Where the files lie that a knowledge base names, and whether it may name them."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

LARGEST = 32 * 1024 * 1024  # bytes of a text file; a hundred thousand variants take about five


def located(base: Path, text: str, *, trusted: bool) -> str:
    """The absolute path of `text`, relative to the folder `base`; whether it exists is not asked.

    Raises:
        ValueError: untrusted, and it leaves the folder or passes a link; the message says so.
    """
    if not trusted:
        for kind in (PurePosixPath, PureWindowsPath):
            pure = kind(text)
            if pure.is_absolute() or pure.drive or pure.root or ".." in pure.parts:
                raise ValueError(f'expected a path inside the uploaded folder, got "{text}"')
        place = base
        for part in PurePosixPath(text).parts:
            place = place / part
            if _is_link(place):
                raise ValueError(f'links are not followed in uploads, and "{text}" is or passes one')
    return os.path.normpath(base.resolve() / text) if not trusted else str((base / text).resolve())


def _is_link(path: Path) -> bool:
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def is_file(path: str) -> bool:
    """Whether a file lies there; False too for names that no file can have."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def read_text_file(path: Path, *, trusted: bool = True) -> bytes:
    """The bytes of a UTF-8 text file, without its byte order mark.

    Raises:
        ValueError: missing, not a file, a link in an upload, too large or not UTF-8; the message says which.
    """
    try:
        if not trusted and _is_link(path):
            raise ValueError("links are not followed in uploads")
        if not path.is_file():
            raise ValueError("there is no such file" if not path.exists() else "expected a file, got something else")
        with path.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
    except OSError as problem:
        raise ValueError(f"cannot be read: {problem.strerror or problem}") from problem
    return checked_text(raw)


def checked_text(raw: bytes) -> bytes:
    """`raw` without its byte order mark; raises ValueError when it is too large or not UTF-8."""
    if len(raw) > LARGEST:
        raise ValueError(f"larger than {LARGEST // 1024 // 1024} MiB, which no knowledge base needs")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        raw.decode()
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise ValueError(f"not UTF-8 (the first wrong byte is in line {line}); save it as UTF-8") from problem
    return raw
