"""What a person sees of a Slack message."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakes.slack.checks import elements_of, texts_of
from tests.fakes.slack.world import Post, World


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as it stands on the screen now.

    `text` is the top-level text (notifications), `shown` what the blocks say (the text where there are none, the
    labels of buttons left out), `files` the bytes of each file.
    """

    ts: str
    by_bot: bool
    author: str
    text: str
    shown: str
    buttons: tuple[str, ...] = ()
    files: tuple[bytes, ...] = ()
    thread_ts: str = ""
    edited: bool = False
    broadcast: bool = False
    reactions: tuple[str, ...] = ()


def view(post: Post, world: World) -> Seen:
    """The message as people see it."""
    buttons = tuple(one["text"]["text"] for _, one in elements_of(post.blocks) if one["type"] == "button")
    quiet = [
        {**block, "accessory": None, "elements": [] if block["type"] == "actions" else block.get("elements")}
        for block in post.blocks
    ]
    return Seen(
        ts=post.ts,
        by_bot=post.author is world.bot,
        author=post.author.name,
        text=post.text,
        shown="\n".join(texts_of(quiet)) if post.blocks else post.text,
        buttons=buttons,
        files=tuple(file.content for file in post.files),
        thread_ts=post.thread,
        edited=bool(post.edited_ts),
        broadcast=post.broadcast,
        reactions=tuple(name for name, _user in post.reactions),
    )
