"""What a Telegram message contains, in our words: its text and its attachments.

Fields are those of https://core.telegram.org/bots/api#message (Bot API 10). Everything here takes plain JSON of any
shape and never raises: a field of the wrong type counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.claims import claimed
from adapters.fields import child, items, string, whole
from core.values import Attachment, AttachmentKind, Problem

LARGEST_FILE = 20 * 1024 * 1024  # bytes; getFile refuses more: https://core.telegram.org/bots/api#getfile

SERVICE = frozenset(
    """
    new_chat_members left_chat_member chat_owner_left chat_owner_changed new_chat_title new_chat_photo
    delete_chat_photo group_chat_created supergroup_chat_created channel_chat_created
    message_auto_delete_timer_changed migrate_to_chat_id migrate_from_chat_id pinned_message successful_payment
    refunded_payment users_shared user_shared chat_shared gift unique_gift gift_upgrade_sent connected_website
    write_access_allowed passport_data proximity_alert_triggered boost_added chat_background_set checklist_tasks_done
    checklist_tasks_added direct_message_price_changed forum_topic_created forum_topic_edited forum_topic_closed
    forum_topic_reopened general_forum_topic_hidden general_forum_topic_unhidden giveaway_created giveaway_completed
    managed_bot_created paid_message_price_changed poll_option_added poll_option_deleted suggested_post_approved
    suggested_post_approval_failed suggested_post_declined suggested_post_paid suggested_post_refunded
    video_chat_scheduled video_chat_started video_chat_ended video_chat_participants_invited web_app_data
    community_chat_added community_chat_removed community_chat_joined
    """.split()  # noqa: SIM905  (as a list, one field a line, it would bury the rest of the file)
)
"""Fields that make a message a notice of Telegram's own, which nobody wrote."""

_READABLE_IMAGES = frozenset({"image/jpeg", "image/jpg", "image/png", "image/webp", "image/gif", "image/bmp"})
_DEEPEST = 32  # levels of a rich message that are read


def is_service(message: dict[str, Any]) -> bool:
    """Whether it is a notice of Telegram's own (somebody joined, a topic was created), not something said."""
    return not SERVICE.isdisjoint(message)


def text_of(message: dict[str, Any]) -> str:
    """The typed words: text, caption, or the words of a rich message."""
    typed = string(message, "text") or string(message, "caption")
    return typed or "\n".join(_lines(child(message, "rich_message"), depth=0))


def _lines(block: dict[str, Any], depth: int) -> Iterator[str]:
    """Walk the blocks of https://core.telegram.org/bots/api#richmessage, depth first."""
    if depth < _DEEPEST:
        if line := _words(block.get("text"), depth).strip():
            yield line
        for inner in ("blocks", "items"):
            for below in items(block, inner):
                yield from _lines(below, depth + 1)


def _words(rich: object, depth: int) -> str:
    if isinstance(rich, str):
        return rich
    if depth >= _DEEPEST:
        return ""
    if isinstance(rich, list):
        return "".join(_words(part, depth + 1) for part in rich)
    return _words(rich.get("text"), depth + 1) if isinstance(rich, dict) else ""


def attachments_of(message: dict[str, Any]) -> tuple[Attachment, ...]:
    """The files of a message; what we cannot read carries its problem, so that the customer can be told."""
    found: list[Attachment] = []
    if sizes := items(message, "photo") or items(child(message, "live_photo"), "photo"):
        found.append(_file(AttachmentKind.PHOTO, max(sizes, key=_pixels), "image/jpeg"))
    for field, mime in (("voice", "audio/ogg"), ("audio", "audio/mpeg"), ("video_note", "video/mp4")):
        if file := child(message, field):
            found.append(_file(AttachmentKind.VOICE, file, _mime(file) or mime))
    if file := child(message, "video") or child(message, "animation"):
        found.append(_file(AttachmentKind.OTHER, file, _mime(file) or "video/mp4", Problem.VIDEO))
    # An animation carries the same file once more as a document, for clients that know no animations.
    if (file := child(message, "document")) and not child(message, "animation"):
        found.append(_document(file))
    if file := child(message, "sticker"):
        found.append(_file(AttachmentKind.OTHER, file, "image/webp", Problem.STICKER))
    if child(message, "location") or child(message, "venue"):
        found.append(Attachment(AttachmentKind.OTHER, problem=Problem.LOCATION))
    if child(message, "contact"):
        found.append(Attachment(AttachmentKind.OTHER, problem=Problem.CONTACT))
    if not found and not text_of(message).strip():
        found.append(Attachment(AttachmentKind.OTHER, problem=Problem.UNKNOWN))
    return tuple(found)


def _pixels(size: dict[str, Any]) -> int:
    return (whole(size, "width") or 0) * (whole(size, "height") or 0)


def _file(kind: AttachmentKind, file: dict[str, Any], mime: str, problem: Problem | None = None) -> Attachment:
    ref, size = string(file, "file_id"), whole(file, "file_size")
    if problem is None:
        if size is not None and size > LARGEST_FILE:
            problem = Problem.TOO_LARGE
        elif not ref:
            problem = Problem.NOT_DELIVERED
    return Attachment(
        kind=kind,
        ref=ref,
        mime=mime,
        size=max(size or 0, 0),
        seconds=float(max(whole(file, "duration") or 0, 0)),
        name=string(file, "file_name"),
        problem=problem,
    )


def _mime(file: dict[str, Any]) -> str:
    return claimed(string(file, "mime_type"), string(file, "file_name"))


def _document(file: dict[str, Any]) -> Attachment:
    """A file sent uncompressed: a picture or a recording all the same, when its type says so."""
    mime = _mime(file)
    if mime in _READABLE_IMAGES:
        return _file(AttachmentKind.PHOTO, file, mime)
    if mime.startswith("image/") and mime != "image/svg+xml":
        return _file(AttachmentKind.PHOTO, file, mime, Problem.FORMAT)
    if mime.startswith("audio/") or mime == "application/ogg":
        return _file(AttachmentKind.VOICE, file, mime)
    if mime.startswith("video/"):
        return _file(AttachmentKind.OTHER, file, mime, Problem.VIDEO)
    return _file(AttachmentKind.OTHER, file, mime, Problem.DOCUMENT)
