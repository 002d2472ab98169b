"""What a browser sent, as an event; pure."""

from __future__ import annotations

from adapters.web.render import clean
from core.values import Address, Attachment, AttachmentKind, Author, EventKind, InboundEvent, Problem

ACCOUNT = "web"
LONGEST_TEXT = 8000  # characters; more is cut, nobody types that
_COMMANDS = {"/start": "start", "/help": "help", "/human": "human"}


def address_of(session: str) -> Address:
    """The address of a web chat."""
    return Address("web", ACCOUNT, session)


def message(
    session: str, client_id: str, text: str, attachments: tuple[Attachment, ...], language: str, at: int
) -> InboundEvent:
    """Something typed, shown or said; `client_id` is the browser's own id of the message, so a retry is known."""
    words = clean(text).strip()[:LONGEST_TEXT]
    return InboundEvent(
        id=f"web:{session}:{client_id}",
        kind=EventKind.CREATED,
        address=address_of(session),
        author=_author(session, language),
        at=at,
        text=words,
        attachments=attachments,
        message=client_id,
        command=_COMMANDS.get(words.lower(), ""),
    )


def tap(session: str, client_id: str, key: str, label: str, line: str, language: str, at: int) -> InboundEvent:
    """A tapped button; `line` is the one it stands under, empty when it is not known (any longer)."""
    return InboundEvent(
        id=f"web:{session}:{client_id}",
        kind=EventKind.TAPPED,
        address=address_of(session),
        author=_author(session, language),
        at=at,
        text=clean(label),
        message=line,
        tap=clean(key),
    )


def unreadable(kind: AttachmentKind, problem: Problem, name: str, size: int) -> Attachment:
    """A file that came and cannot be read."""
    return Attachment(kind, size=size, name=clean(name), problem=problem)


def language_of(header: str) -> str:
    """The first language of an Accept-Language header, or nothing."""
    first = header.split(",")[0].split(";")[0].strip()
    return first if first.replace("-", "").isalnum() and len(first) <= 12 else ""


def _author(session: str, language: str) -> Author:
    return Author(session, f"Web visitor {session[-4:]}", language=language)
