"""Slack's payloads turned into events.

Pure, fed with the JSON of the Events API and of interactivity, which Socket Mode carries too:
https://docs.slack.dev/apis/events-api and https://docs.slack.dev/reference/interaction-payloads/block_actions-payload.
Nothing here raises on JSON of any shape: what cannot be understood is None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from adapters.fields import child, items, string
from adapters.slack.files import attachments_of
from adapters.slack.words import emoji_of, mentions, plain, without_mention
from core.values import Address, Attachment, AttachmentKind, Author, EventKind, InboundEvent, Problem

COMMANDS = {"/start": "start", "/help": "help", "/human": "human", "help": "help", "human": "human"}
"""Whole messages that are commands; without a slash too, because Slack's composer keeps words with one to itself."""

SAID = frozenset({"", "file_share", "thread_broadcast", "me_message"})
"""The subtypes of a message that somebody wrote: https://docs.slack.dev/reference/events/message#subtypes."""

_TS = re.compile(r"([0-9]{1,12})\.([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """Our own account, from auth.test: the workspace's id, the bot user's id, the bot's id, its name."""

    team: str
    user: str
    bot: str = ""
    name: str = ""


def parse(payload: object, bot: BotIdentity) -> InboundEvent | None:
    """Turn one payload into an event, or None where nobody said anything to us.

    None comes of bots (other ones and ourselves), of unfurled links, of every kind and subtype that is no message of a
    person, and of malformed JSON. `message` and `app_mention` of one post give events of the same id.
    """
    kind = string(payload, "type")
    if kind == "block_actions" and isinstance(payload, dict):
        return _tapped(payload, bot)
    event = child(payload, "event") if kind == "event_callback" else {}
    if string(event, "type") == "app_mention":
        return _said(event, string(event, "channel"), event, bot, named=True)
    if string(event, "type") != "message":
        return None
    if string(event, "subtype") == "message_changed":
        return _changed(event, bot)
    if string(event, "subtype") == "message_deleted":
        return _deleted(event, child(event, "previous_message"), bot)
    return _said(event, string(event, "channel"), event, bot)


def shared_by_us(payload: object, bot: BotIdentity) -> tuple[tuple[str, ...], str]:
    """The ids of the files in a message of our own, and its ts; nothing for any other payload."""
    event = child(payload, "event")
    if string(event, "type") != "message" or string(event, "user") != bot.user:
        return (), ""
    return tuple(string(file, "id") for file in items(event, "files")), string(event, "ts")


def _said(
    message: dict[str, Any],
    channel: str,
    place: dict[str, Any],
    bot: BotIdentity,
    *,
    named: bool = False,
    edited: str = "",
) -> InboundEvent | None:
    """A message as it was written, or, with `edited` (the edit's ts), as it reads now.

    `place` is the object that tells the kind of channel.
    """
    ts, author = string(message, "ts"), _author(message, bot)
    at = _milliseconds(edited or ts)
    if author is None or not channel or at is None or string(message, "subtype") not in SAID:
        return None
    direct = _direct(channel, string(place, "channel_type"))
    text = _text(message)
    named = named or mentions(text, bot.user)
    words = plain(without_mention(text, bot.user) if named else text.strip(), emoji_of(message.get("blocks")))
    files = attachments_of(message)
    if not words and not files:
        files = (Attachment(AttachmentKind.OTHER, problem=Problem.UNKNOWN),)
    kind = EventKind.EDITED if edited else EventKind.CREATED
    return InboundEvent(
        id=_key(bot, channel, ts, kind, edited),
        kind=kind,
        address=_address(bot, channel, direct, ts, string(message, "thread_ts")),
        author=author,
        at=at,
        text=words,
        attachments=files,
        message=ts,
        command="" if edited or files else COMMANDS.get(words.casefold(), ""),
        addressed=direct or named or string(message, "parent_user_id") == bot.user,
        order=ts,
    )


def _changed(event: dict[str, Any], bot: BotIdentity) -> InboundEvent | None:
    """An edit. A link that got its preview changes the message, too, but not its words."""
    message, before = child(event, "message"), child(event, "previous_message")
    if string(message, "subtype") == "tombstone":  # a deleted message with a thread under it
        return _deleted(event, {**before, "ts": string(message, "ts")}, bot)
    if _text(message) == _text(before):
        return None
    moment = string(child(message, "edited"), "ts") or string(event, "ts")
    return _said(message, string(event, "channel"), event, bot, edited=moment) if moment else None


def _deleted(event: dict[str, Any], before: dict[str, Any], bot: BotIdentity) -> InboundEvent | None:
    channel, ts, author = string(event, "channel"), string(before, "ts"), _author(before, bot)
    at = _milliseconds(string(event, "event_ts") or string(event, "ts"))
    if author is None or not channel or _milliseconds(ts) is None or at is None:
        return None
    return InboundEvent(
        id=_key(bot, channel, ts, EventKind.DELETED),
        kind=EventKind.DELETED,
        address=_address(
            bot, channel, _direct(channel, string(event, "channel_type")), ts, string(before, "thread_ts")
        ),
        author=author,
        at=at,
        message=ts,
    )


def _tapped(payload: dict[str, Any], bot: BotIdentity) -> InboundEvent | None:
    """A tapped button; those on pages and in dialogs, which have no message, are none of ours."""
    container, message, person = child(payload, "container"), child(payload, "message"), child(payload, "user")
    action = next(iter(items(payload, "actions")), {})
    channel = string(child(payload, "channel"), "id") or string(container, "channel_id")
    ts = string(container, "message_ts") or string(message, "ts")
    key = string(action, "value") or string(action, "action_id")
    at = _milliseconds(string(action, "action_ts"))
    user = string(person, "id")
    if not (channel and key and user) or at is None or _milliseconds(ts) is None:
        return None
    thread = string(container, "thread_ts") or string(message, "thread_ts")
    return InboundEvent(
        id=f"slack:{bot.team}:{ts}:{user}:{string(action, 'action_ts')}",
        kind=EventKind.TAPPED,
        address=_address(bot, channel, _direct(channel), ts, thread),
        author=Author(_identity(bot, user, string(person, "team_id"))),
        at=at,
        text=string(child(action, "text"), "text"),
        message=ts,
        tap=key,
    )


def _text(message: dict[str, Any]) -> str:
    """What was written, and below it what was passed on."""
    passed_on = [string(share, "text") for share in items(message, "attachments") if share.get("is_share") is True]
    return "\n".join(part for part in (string(message, "text"), *passed_on) if part)


def _key(bot: BotIdentity, channel: str, ts: str, kind: EventKind, edited: str = "") -> str:
    return ":".join(("slack", bot.team, channel, ts, kind.value, *([edited] if edited else [])))


def _direct(channel: str, kind: str = "") -> bool:
    """Whether it is a conversation with the bot alone; app_mention and taps do not tell the kind."""
    return kind in {"im", "app_home"} if kind else channel.startswith("D")


def _address(bot: BotIdentity, channel: str, direct: bool, ts: str, thread: str) -> Address:
    """A channel's conversations are its threads; one to one it is a thread only where the customer made one."""
    if direct and thread == ts:
        thread = ""
    return Address("slack", bot.team, channel, thread if direct else thread or ts)


def _author(message: dict[str, Any], bot: BotIdentity) -> Author | None:
    """The person who wrote; None for bots, apps and Slack itself."""
    user = string(message, "user")
    if not user or user in {bot.user, "USLACKBOT"} or message.get("bot_id") or message.get("bot_profile"):
        return None
    profile = child(message, "user_profile")
    name = string(profile, "real_name") or string(profile, "display_name")
    return Author(_identity(bot, user, string(message, "user_team"), string(message, "source_team")), name)


def _identity(bot: BotIdentity, user: str, *teams: str) -> str:
    """A person is (team, user): a guest from another workspace carries theirs, our own people carry none."""
    home = next((team for team in teams if team.startswith("T")), bot.team)
    return user if home == bot.team else f"{home}:{user}"


def _milliseconds(ts: str) -> int | None:
    """A message's ts, seconds and a serial number, as UTC milliseconds; None when it is no ts."""
    match = _TS.fullmatch(ts)
    return int(match[1]) * 1000 + int(match[2].ljust(3, "0")[:3]) if match else None
