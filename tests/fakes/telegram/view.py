"""What a person sees of a message."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakes.telegram.world import Message, World


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as it stands on the screen now.

    `styled` holds (entity type, the words under it), links as ("text_link", words, url); `content` is the file's
    bytes, None for a plain text; `rows` are the labels of the inline keyboard.
    """

    id: int
    by_bot: bool
    kind: str
    text: str
    styled: tuple[tuple[str, ...], ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    content: bytes | None = None
    edited: bool = False
    reply_to: int = 0
    album: str = ""
    thread: int = 0

    @property
    def buttons(self) -> tuple[str, ...]:
        """The labels of all buttons, in order."""
        return tuple(label for row in self.rows for label in row)


def view(message: Message, world: World) -> Seen:
    """The message as people see it."""
    wide = message.text.encode("utf-16-le")
    styled = []
    for entity in message.body.get("entities") or message.body.get("caption_entities") or []:
        start, end = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
        words = wide[start:end].decode("utf-16-le")
        styled.append((entity["type"], words, *([entity["url"]] if "url" in entity else [])))
    rows = (message.markup or {}).get("inline_keyboard", [])
    return Seen(
        id=message.id,
        by_bot=message.sender.id == world.bot.id,
        kind=message.kind,
        text=message.text,
        styled=tuple(styled),
        rows=tuple(tuple(button["text"] for button in row) for row in rows),
        content=message.files[-1].content if message.files else None,
        edited=bool(message.edited),
        reply_to=message.reply_to.id if message.reply_to else 0,
        album=message.album,
        thread=message.thread,
    )
