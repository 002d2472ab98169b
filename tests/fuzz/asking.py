"""A request down to its bytes, and what comes back."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

Headers = tuple[tuple[bytes, bytes], ...]
_PATIENT = 20.0


@dataclass(frozen=True)
class Ask:
    """What is sent: nothing in it is checked or corrected on its way.

    `length` is the Content-Length, None for the body's own, "" for none; `cut` ends the connection after the body
    although more was announced.
    """

    method: bytes
    target: bytes
    headers: Headers = ()
    body: bytes = b""
    length: str | None = None
    cut: bool = False

    @property
    def path(self) -> str:
        """The path alone, as it was written."""
        return self.target.partition(b"?")[0].decode("latin-1")

    def header(self, name: str) -> str:
        """The first header of this name, empty without one."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for one, value in self.headers if one.lower() == wanted), "")

    def raw(self, host: str) -> bytes:
        """The bytes."""
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target)]
        if not any(name.lower() == b"host" for name, _ in self.headers):
            lines.append(b"Host: " + host.encode())
        lines += [name + b": " + value for name, value in self.headers]
        length = str(len(self.body)) if self.length is None and (self.body or self.method == b"POST") else self.length
        if length:
            lines.append(b"Content-Length: " + length.encode())
        return b"\r\n".join([*lines, b"Connection: close", b"", self.body])


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 is a connection closed without a word, -1 one on which nothing came for too long."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def kind(self) -> str:
        """The media type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def send(port: int, ask: Ask) -> Answer:
    """Ask the server on this port of 127.0.0.1; of a stream without end only the head is read."""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENT) as line:
        with contextlib.suppress(ConnectionError):  # refused before it was all said: the answer is there nevertheless
            line.sendall(ask.raw(f"127.0.0.1:{port}"))
            if ask.cut:
                line.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(line, method=ask.method.decode("latin-1"))
        try:
            answer.begin()
        except TimeoutError:
            return Answer(-1)
        except (http.client.HTTPException, ConnectionError):
            return Answer(0)
        headers = {name.lower(): value for name, value in answer.getheaders()}
        if headers.get("content-type", "").startswith("text/event-stream"):
            return Answer(answer.status, headers)
        try:
            return Answer(answer.status, headers, answer.read())
        except (http.client.IncompleteRead, ConnectionError):
            return Answer(answer.status, headers)
