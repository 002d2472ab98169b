"""The values that travel between platforms, gateway and workers.

Every value here is a frozen, slotted dataclass that survives a JSON round trip (`core.wire`): no client, callback,
future or bytes inside. Times are UTC integer milliseconds, sizes are bytes, durations seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """Who wrote a message."""

    CUSTOMER = "customer"
    BOT = "bot"
    AGENT = "agent"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a conversation takes place; `account` is the bot's own id on that platform."""

    platform: str
    account: str
    chat: str
    thread: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """A person (or bot) as the platform knows them; `language` is a BCP 47 tag, empty when the platform is silent."""

    id: str
    name: str = ""
    role: Role = Role.CUSTOMER
    language: str = ""


class AttachmentKind(StrEnum):
    """What a file is to us: something to look at, something to listen to, or something we cannot read."""

    PHOTO = "photo"
    VOICE = "voice"
    OTHER = "other"


class Problem(StrEnum):
    """Why a part of a message could not be read; each has a sentence for the customer in `core.texts`."""

    STICKER = "sticker"
    LOCATION = "location"
    CONTACT = "contact"
    VIDEO = "video"
    DOCUMENT = "document"
    UNKNOWN = "unknown"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    EMPTY = "empty"
    DAMAGED = "damaged"
    FORMAT = "format"
    SILENT = "silent"
    NOT_DELIVERED = "not_delivered"
    NO_PERMISSION = "no_permission"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message.

    `ref` is what the platform's adapter needs to fetch it (a file id, never a URL with a token in it); `blob` is the
    SHA-256 under which its bytes lie once fetched; `problem` says why it cannot be read and is empty when it can.
    """

    kind: AttachmentKind
    ref: str = ""
    mime: str = ""
    size: int = 0
    seconds: float = 0.0
    blob: str = ""
    name: str = ""
    problem: Problem | None = None


class EventKind(StrEnum):
    """What happened to a message on a platform; BLOCKED and UNBLOCKED concern the whole chat."""

    CREATED = "created"
    EDITED = "edited"
    DELETED = "deleted"
    TAPPED = "tapped"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One thing a platform told us, in our own words.

    `id` is the key of dedupe: it names what the event is, so a redelivery carries the same one. `message` is the
    platform's id of the message that was written, edited, deleted or tapped; `group` joins the parts of an album.
    `command` is `start`, `help` or `human` for the platform's own commands; `tap` is the opaque key of a tapped button.
    `addressed` is False for a group message that names nobody: it counts only inside the author's own thread with us.
    `order` sorts the messages of a chat as they were written, where the platform tells; deliveries may come otherwise.
    """

    id: str
    kind: EventKind
    address: Address
    author: Author
    at: int
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    group: str = ""
    message: str = ""
    command: str = ""
    tap: str = ""
    addressed: bool = True
    order: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything one customer said before the bot speaks again; a turn never mixes authors."""

    id: str
    conversation: str
    events: tuple[InboundEvent, ...]

    @property
    def current(self) -> tuple[InboundEvent, ...]:
        """The events in order; a message that was edited within the turn is there once, as it reads now."""
        edits = {event.message: event for event in self.events if event.kind is EventKind.EDITED and event.message}
        return tuple(dict.fromkeys(edits.get(event.message, event) for event in self.events))

    @property
    def text(self) -> str:
        """The typed words, one line an event."""
        return "\n".join(event.text for event in self.current if event.text)

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The files of all events, in order."""
        return tuple(part for event in self.current for part in event.attachments)

    def blobs(self, kind: AttachmentKind) -> tuple[str, ...]:
        """The stored files of one kind, in order."""
        return tuple(part.blob for part in self.attachments if part.blob and part.kind is kind)


@dataclass(frozen=True, slots=True)
class Choice:
    """A button: what it says, and the short opaque key (at most 64 bytes) that comes back when it is tapped."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Something to say, before any platform has a word in it.

    `text` is the Markdown subset (bold, italic, code, links, lists); `pictures` are blobs sent along; `edits` is the
    platform id of an earlier message of ours that this one replaces.
    """

    text: str
    choices: tuple[Choice, ...] = ()
    pictures: tuple[str, ...] = ()
    author: Author = field(default_factory=lambda: Author(id="bot", role=Role.BOT))
    edits: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a platform's API: a row of the outbox. `arguments` is plain JSON; files are named by blob.

    `key` names the row. `since` is not 0 when the call may have been made already, at this moment (UTC ms) or later.
    """

    method: str
    arguments: dict[str, object]
    key: str = ""
    since: int = 0


@dataclass(frozen=True, slots=True)
class Sent:
    """A platform's receipt: its id of the message, empty when it gives none."""

    message: str = ""
