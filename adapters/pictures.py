"""The names under which pictures are uploaded."""

from __future__ import annotations

_MAGIC = ((b"\x89PNG", "png"), (b"\xff\xd8", "jpg"), (b"GIF8", "gif"), (b"RIFF", "webp"))


def ending(content: bytes) -> str:
    """The ending of a picture's name, without its dot: platforms look at it; `jpg` for what is not known."""
    return next((one for magic, one in _MAGIC if content.startswith(magic)), "jpg")
