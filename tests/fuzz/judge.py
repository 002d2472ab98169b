"""What must hold of every answer, whatever was asked and by whom."""

from __future__ import annotations

import re
from enum import Enum
from urllib.parse import unquote, urlsplit

from tests.fuzz.asking import Answer, Ask

MARK = "<fuzz>"  # in many requests; a page that shows it unescaped would run scripts
_LEAKS = (b"Traceback (most recent call last)", b'File "/', b"sqlalchemy", b"sqlite3.", b"root:x:0", b"def router(")
_OPEN = re.compile(r"/console/(login|static/.*)")
_ADMINS = re.compile(r"/console/(knowledge|people)(/.*)?")
_SAFE = ("GET", "HEAD")
_FOREIGN = re.compile(r"/api/docs(/.*)?")  # FastAPI's page with Swagger UI, which brings its own scripts


class Who(Enum):
    """Who asks; a forger has an admin's cookie, but not the token of our pages."""

    STRANGER = "stranger"
    FORGER = "forger"
    CUSTOMER = "customer"
    AGENT = "agent"
    ADMIN = "admin"
    PLATFORM = "platform"

    @property
    def writes(self) -> bool:
        """Whether anything they ask for may be written down."""
        return self not in (Who.STRANGER, Who.FORGER)


def faults(who: Who, ask: Ask, answer: Answer) -> list[str]:
    """A sentence for each thing that is wrong with the answer."""
    found = []
    path, status = unquote(ask.path), answer.status
    if status >= 500 and not (path == "/readyz" and status == 503):
        found.append(f"answered {status}")
    if status < 0:
        found.append("did not answer")
    if status == 0 and not _broken(ask):
        found.append("closed the connection without a word")
    found += [f"shows {leak.decode()!r}" for leak in _LEAKS if leak in answer.body]
    if MARK.encode() in answer.body and answer.kind == "text/html":
        found.append(f"shows {MARK} as it came")
    found += _undressed(path, answer)
    target = answer.headers.get("location", "")
    host = "" if target.startswith("//") else urlsplit(target).netloc.rpartition(":")[0]
    if target.startswith("//") or host not in ("", "127.0.0.1", ask.header("host").rpartition(":")[0]):
        found.append(f"leads away to {target}")
    found += _admitted(who, ask, path, answer)
    return found


def _broken(ask: Ask) -> bool:
    """Whether no answer need arrive: the request breaks off, or its body is refused unread, and TCP with it."""
    return ask.cut or ask.body != b""


def _undressed(path: str, answer: Answer) -> list[str]:
    """Headers that a page, or any answer of the console, lacks."""
    needed = []
    if "date" not in answer.headers:  # uvicorn's own word to what is no HTTP, before anybody of ours is asked
        return []
    if _FOREIGN.fullmatch(path) or "\n" in path:  # no path of ours has lines
        return []
    if answer.kind == "text/html" or path.startswith("/console/"):
        needed = ["content-security-policy", "x-content-type-options"]
    if path.startswith("/console/"):
        needed += ["x-frame-options", "referrer-policy", "cache-control"]
    if 200 <= answer.status < 300 and answer.body:
        needed.append("content-type")
    return [f"lacks {name}" for name in needed if answer.status >= 200 and name not in answer.headers]


def _admitted(who: Who, ask: Ask, path: str, answer: Answer) -> list[str]:
    """What was open to somebody to whom it is shut."""
    if not (200 <= answer.status < 300 and path.startswith("/console")) or "hx-redirect" in answer.headers:
        return []
    changes = ask.method.decode("latin-1") not in _SAFE
    if who in (Who.STRANGER, Who.CUSTOMER, Who.PLATFORM) and not _OPEN.fullmatch(path):
        return ["let a stranger in"]
    if who is Who.FORGER and changes and path != "/console/login":
        return ["took a change without the token"]
    if who is Who.AGENT and _ADMINS.fullmatch(path):
        return ["let an agent do what only admins may"]
    return []
