"""Replies turned into Bot API calls.

Pure. A picture stands in a call as `{"blob": sha256}` where the Bot API takes a file; the adapter puts its bytes there.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.markdown import runs
from adapters.telegram.splitting import CAPTION_LIMIT, linkable, split, to_html
from core.errors import BadInput
from core.values import Address, Call, Choice, Reply

KEY_LIMIT = 64  # bytes of callback_data: https://core.telegram.org/bots/api#inlinekeyboardbutton
ALBUM_LIMIT = 10  # https://core.telegram.org/bots/api#sendmediagroup
BUTTON_LIMIT = 100

_LABEL_LIMIT = 56  # characters; phones cut longer ones off without a sign
_ROW_WIDTH = 24  # characters of labels that fit side by side on a phone
_ROW_LIMIT = 3


def render(address: Address, reply: Reply) -> tuple[Call, ...]:
    """Turn a reply into the calls that say it, in order; none when there is nothing to see in it.

    Pictures come first, the words after them or as their caption, the buttons under the last message.

    Raises:
        BadInput: a choice's key is not 1-64 bytes long.
    """
    place: dict[str, object] = {"chat_id": _number(address.chat)}
    if address.thread:
        place["message_thread_id"] = _number(address.thread)
    keyboard = _keyboard(reply.choices)
    said = runs(reply.text, linkable)
    parts = [to_html(part) for part in split(said)]
    if not parts and reply.choices:
        parts = ["…"]  # buttons cannot stand without words
    calls = _pictures(place, reply.pictures)
    if len(calls) == 1 and not reply.edits and not (keyboard and len(reply.pictures) > 1):
        captions = split(said, CAPTION_LIMIT)
        if len(captions) == 1:
            return (_captioned(calls[0], to_html(captions[0]), keyboard),)
    words = [
        Call(
            "sendMessage", {**place, "text": part, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
        )
        for part in parts
    ]
    if keyboard and words:
        words[-1] = Call("sendMessage", {**words[-1].arguments, "reply_markup": keyboard})
    if reply.edits and words:
        return (_edit(words[0], reply.edits), *calls, *words[1:])
    return (*calls, *words)


def _number(id: str) -> int | str:
    return int(id) if id.removeprefix("-").isdecimal() and id.isascii() else id


def _edit(call: Call, message: str) -> Call:
    """The same words in place of an earlier message; without a keyboard its old buttons go.

    Its thread is for the case that the words must be said anew; an edit itself takes none.
    """
    return Call("editMessageText", {**call.arguments, "message_id": _number(message)})


def _pictures(place: dict[str, object], blobs: Sequence[str]) -> list[Call]:
    calls: list[Call] = []
    for start in range(0, len(blobs), ALBUM_LIMIT):
        batch = blobs[start : start + ALBUM_LIMIT]
        if len(batch) == 1:
            calls.append(Call("sendPhoto", {**place, "photo": {"blob": batch[0]}}))
        else:
            media = [{"type": "photo", "media": {"blob": blob}} for blob in batch]
            calls.append(Call("sendMediaGroup", {**place, "media": media}))
    return calls


def _captioned(call: Call, html: str, keyboard: dict[str, object] | None) -> Call:
    """A photo with words under it; an album shows those of its first photo."""
    caption = {"caption": html, "parse_mode": "HTML"}
    media = call.arguments.get("media")
    if isinstance(media, list):
        return Call(call.method, {**call.arguments, "media": [{**media[0], **caption}, *media[1:]]})
    return Call(call.method, {**call.arguments, **caption, **({"reply_markup": keyboard} if keyboard else {})})


def _keyboard(choices: Sequence[Choice]) -> dict[str, object] | None:
    """Inline buttons; short ones share a row, a long one has its own."""
    rows: list[list[dict[str, str]]] = []
    width = _ROW_WIDTH
    for choice in choices[:BUTTON_LIMIT]:
        if not 1 <= len(choice.key.encode("utf-8", "surrogatepass")) <= KEY_LIMIT:
            raise BadInput(f"a choice's key must be 1-{KEY_LIMIT} bytes long, not {choice.key!r}")
        label = _label(choice.label)
        if rows and len(rows[-1]) < _ROW_LIMIT and width + len(label) <= _ROW_WIDTH:
            width += len(label)
        else:
            rows.append([])
            width = len(label)
        rows[-1].append({"text": label, "callback_data": choice.key})
    return {"inline_keyboard": rows} if rows else None


def _label(text: str) -> str:
    words = " ".join(text.encode("utf-8", "replace").decode().split()) or "…"
    if len(words) <= _LABEL_LIMIT:
        return words
    kept, space, _ = words[:_LABEL_LIMIT].rpartition(" ")
    return (kept if space and len(kept) > _LABEL_LIMIT // 2 else words[: _LABEL_LIMIT - 1]) + "…"
