"""Whether the files that a knowledge base names are photos or recordings."""

from __future__ import annotations

from pathlib import Path

from core.errors import Unreadable
from core.fetching import LARGEST, checked
from core.media import PIXELS
from core.values import AttachmentKind, Problem

_EXPECTED = {
    AttachmentKind.PHOTO: "expected a photo: JPEG, PNG, WebP or GIF",
    AttachmentKind.VOICE: "expected a recording: OGG, MP3, M4A, WAV, FLAC or WebM",
}
_WHY = {
    Problem.EMPTY: "is empty",
    Problem.TOO_LARGE: f"is too large: at most {LARGEST // 1024 // 1024} MiB and {PIXELS // 1_000_000} megapixels",
    Problem.DAMAGED: "is damaged",
    Problem.SILENT: "holds no sound",
    Problem.DOCUMENT: "is a document",
    Problem.VIDEO: "is a video that cannot be read",
    Problem.FORMAT: "has a format that cannot be read",
}


def file_problem(path: Path, wanted: AttachmentKind) -> str:
    """What is wrong with a photo or a voice note, to stand behind its name; empty when nothing is.

    It is looked at as it will be when it is stored: by its bytes, never by its name.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
    except OSError as problem:
        return f"cannot be read: {problem.strerror or problem}"
    try:
        checked(raw, wanted)
    except Unreadable as unreadable:
        why = _WHY.get(unreadable.problem, "cannot be read")
        return why if unreadable.problem is Problem.TOO_LARGE else f"{why}; {_EXPECTED[wanted]}"
    return ""
