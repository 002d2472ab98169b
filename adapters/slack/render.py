"""Replies turned into Web API calls.

Pure. A picture stands in a call as `{"blob": sha256}` where Slack takes an uploaded file; the adapter uploads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.cutting import units
from adapters.markdown import runs
from adapters.slack.mrkdwn import linkable
from adapters.slack.splitting import sections
from core.errors import BadInput
from core.values import Address, Call, Choice, Reply

POST, UPDATE, UPLOAD = "chat.postMessage", "chat.update", "files.completeUploadExternal"

MESSAGE_LIMIT = 12_000  # units of all texts in a message; somewhere above 13,000 Slack says msg_blocks_too_long
BLOCK_LIMIT = 50  # https://docs.slack.dev/reference/block-kit/blocks
TEXT_LIMIT = 3900  # of the text beside the blocks; chat.update refuses more than 4000
ROW_LIMIT = 25  # buttons: https://docs.slack.dev/reference/block-kit/blocks/actions-block
LABEL_LIMIT = 75  # https://docs.slack.dev/reference/block-kit/block-elements/button-element
KEY_LIMIT = 2000
BUTTON_LIMIT = 75  # their labels and some words must fit into one message
ALBUM_LIMIT = 10  # files in one message


def render(address: Address, reply: Reply) -> tuple[Call, ...]:
    """Turn a reply into the calls that say it, in order; none when there is nothing to see in it.

    Pictures come first, then the words, the buttons under the last of them.

    Raises:
        BadInput: a choice's key is empty or longer than Slack gives back.
    """
    buttons = [_button(number, choice) for number, choice in enumerate(reply.choices[:BUTTON_LIMIT])]
    pieces = sections(runs(reply.text, linkable))
    if buttons and not pieces:
        pieces = ["…"]  # buttons cannot stand without words
    pages = _pages(pieces, sum(units(button["text"]["text"]) for button in buttons), len(buttons))
    words = [
        _message(address, page, buttons if number == len(pages) else [], reply.edits if number == 1 else "")
        for number, page in enumerate(pages, start=1)
    ]
    pictures = _uploads(address, reply.pictures)
    if reply.edits and words:
        return (words[0], *pictures, *words[1:])
    return (*pictures, *words)


def _pages(pieces: Sequence[str], labels: int, buttons: int) -> list[list[str]]:
    """Pieces by message; the last leaves room for the buttons."""
    rows = -(-buttons // ROW_LIMIT)
    pages: list[list[str]] = []
    used = 0
    for number, piece in enumerate(pieces, start=1):
        last = number == len(pieces)
        room, most = (MESSAGE_LIMIT - labels, BLOCK_LIMIT - rows) if last else (MESSAGE_LIMIT, BLOCK_LIMIT)
        if not pages or used + units(piece) > room or len(pages[-1]) >= most:
            pages.append([])
            used = 0
        pages[-1].append(piece)
        used += units(piece)
    return pages


def _message(address: Address, page: Sequence[str], buttons: Sequence[dict[str, Any]], edits: str) -> Call:
    blocks: list[dict[str, Any]] = [
        # Verbatim: no channel's or person's name in an answer notifies anybody.
        {"type": "section", "expand": True, "text": {"type": "mrkdwn", "text": piece, "verbatim": True}}
        for piece in page
    ]
    for start in range(0, len(buttons), ROW_LIMIT):
        blocks.append({"type": "actions", "elements": list(buttons[start : start + ROW_LIMIT])})
    said: dict[str, object] = {"channel": address.chat, "text": _short(page), "blocks": blocks}
    if address.thread:
        said["thread_ts"] = address.thread  # of an edit for the case that it must be said anew
    if edits:
        return Call(UPDATE, {**said, "ts": edits})
    return Call(POST, {**said, "unfurl_links": False, "unfurl_media": False})


def _short(page: Sequence[str]) -> str:
    """What notifications show and screen readers read: as many of the pieces as fit."""
    text = page[0]
    for piece in page[1:]:
        if units(text) + 2 + units(piece) > TEXT_LIMIT:
            break
        text += f"\n\n{piece}"
    return text


def _uploads(address: Address, blobs: Sequence[str]) -> list[Call]:
    place: dict[str, object] = {"channel_id": address.chat}
    if address.thread:
        place["thread_ts"] = address.thread
    return [
        Call(UPLOAD, {**place, "files": [{"blob": blob} for blob in blobs[start : start + ALBUM_LIMIT]]})
        for start in range(0, len(blobs), ALBUM_LIMIT)
    ]


def _button(number: int, choice: Choice) -> dict[str, Any]:
    if not 1 <= units(choice.key) <= KEY_LIMIT:
        raise BadInput(f"a choice's key must be 1-{KEY_LIMIT} characters long, not {choice.key[:80]!r}")
    label = {"type": "plain_text", "text": _label(choice.label), "emoji": True}
    return {"type": "button", "text": label, "value": choice.key, "action_id": f"choice-{number}"}


def _label(text: str) -> str:
    words = " ".join(text.encode("utf-8", "replace").decode().split()) or "…"
    if units(words) <= LABEL_LIMIT:
        return words
    while units(words) > LABEL_LIMIT - 1:
        words = words[:-1]
    kept, space, _ = words.rpartition(" ")
    return (kept if space and len(kept) > LABEL_LIMIT // 2 else words) + "…"
