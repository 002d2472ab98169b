"""Slack's file objects as attachments.

Fields: https://docs.slack.dev/reference/objects/file-object
"""

from __future__ import annotations

from typing import Any

from adapters.claims import claimed
from adapters.fields import amount, items, string
from core.values import Attachment, AttachmentKind, Problem

LARGEST_FILE = 20 * 1024 * 1024  # bytes

PHOTO, VOICE, OTHER = AttachmentKind.PHOTO, AttachmentKind.VOICE, AttachmentKind.OTHER

_UNREADABLE_IMAGES = frozenset({"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"})
_GONE = frozenset({"tombstone", "hidden_by_limit"})
_ELSEWHERE = frozenset({"external", "snippet", "post", "canvas", "quip", "list", "email", "space"})


def attachments_of(message: dict[str, Any]) -> tuple[Attachment, ...]:
    """The files of a message, also of one that was passed on; what we cannot read carries its problem."""
    passed_on = [file for share in items(message, "attachments") for file in items(share, "files")]
    return tuple(attachment(file) for file in [*items(message, "files"), *passed_on])


def attachment(file: dict[str, Any]) -> Attachment:
    """One file; `ref` is its address, or its id where Slack wants to be asked about it first (`files.info`)."""
    if string(file, "file_access") == "check_file_info":
        # Of Slack Connect, nothing but the id: the bytes will tell what it is.
        id = string(file, "id")
        return Attachment(PHOTO, ref=id, problem=None if id else Problem.NOT_DELIVERED)
    kind, mime, problem = _seen(file)
    ref, size = string(file, "url_private_download") or string(file, "url_private"), amount(file, "size")
    if problem is None:
        if string(file, "file_access") == "access_denied":
            problem = Problem.NO_PERMISSION
        elif size > LARGEST_FILE:
            problem = Problem.TOO_LARGE
        elif not ref or string(file, "mode") in _GONE or string(file, "file_access") == "file_not_found":
            problem = Problem.NOT_DELIVERED
    name = string(file, "name") or string(file, "title")
    return Attachment(kind, ref, mime, size, amount(file, "duration_ms") / 1000, name=name, problem=problem)


def _seen(file: dict[str, Any]) -> tuple[AttachmentKind, str, Problem | None]:
    """What Slack says the file is: kind, MIME type, and why we cannot read that."""
    name = string(file, "name").lower()
    mime = claimed(string(file, "mimetype"), name)
    if string(file, "mode") in _ELSEWHERE or file.get("is_external") is True:
        return OTHER, mime, Problem.DOCUMENT
    if string(file, "subtype") == "slack_audio" or (name.startswith("audio_message") and mime.startswith("video/")):
        return VOICE, mime.replace("video/", "audio/"), None  # a clip recorded in Slack is labelled as a video, too
    if mime.startswith("audio/") or mime == "application/ogg":
        return VOICE, mime, None
    if mime in _UNREADABLE_IMAGES:
        return PHOTO, mime, Problem.FORMAT
    if mime.startswith("image/"):
        return PHOTO, mime, None
    if mime.startswith("video/"):
        return OTHER, mime, Problem.VIDEO
    return OTHER, mime, Problem.DOCUMENT if mime or name or string(file, "filetype") else Problem.UNKNOWN
