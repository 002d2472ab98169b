"""What strangers post: so much, and no more lines in the log than somebody reads."""

from __future__ import annotations

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message
from structlog.testing import capture_logs

from adapters.posted import Complaint, body


def request(*pieces: bytes, ends: bool = True) -> Request:
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b"", "more_body": False} if ends else {"type": "http.disconnect"})
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


async def test_a_body_is_read_as_far_as_it_may_go() -> None:
    assert await body(request(b"12345", b"67890"), 10) == b"1234567890"
    assert await body(request(), 10) == b""
    # and no further: what follows is never asked for
    assert await body(request(b"12345", b"678901", ends=False), 10) is None
    with pytest.raises(ClientDisconnect):
        await body(request(b"12345", ends=False), 10)


def test_who_is_turned_away_again_and_again_is_told_once() -> None:
    complaint, other = Complaint("slack.turned_away", "mend it"), Complaint("telegram.turned_away", "mend it")
    with capture_logs() as logged:
        for _ in range(5):
            complaint.tell()
        other.tell()
    assert [(line["event"], line["do"]) for line in logged] == [
        ("slack.turned_away", "mend it"),
        ("telegram.turned_away", "mend it"),
    ]
