"""Telegram's errors in our own words: what the caller can do about each."""

from __future__ import annotations

import json

import httpx
from telegram.error import NetworkError, TelegramError

from core.errors import Blocked, Broken, OutcomeUnknown, PolydeskError, Refused, Retry, Throttled

WRONG_TOKEN = (
    "Telegram refuses the token: get one from @BotFather (https://t.me/BotFather, /mybots, API Token) and put it into "
    "POLYDESK_TELEGRAM_TOKEN"
)
NO_API = "this is no Bot API server: check POLYDESK_TELEGRAM_API_URL, or leave it unset for Telegram's own"

_LATER = 2.0  # seconds to wait where Telegram names no time
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


class Answered(TelegramError):
    """The Bot API answered with an error; `told` is False when a proxy's page came instead of its JSON.

    Fields as in https://core.telegram.org/bots/api#making-requests and #responseparameters.
    """

    def __init__(self, code: int, description: str, *, told: bool, after: float = 0.0, moved_to: str = "") -> None:
        super().__init__(f"{code} {description}")
        self.code = code
        self.description = description
        self.told = told
        self.after = after
        self.moved_to = moved_to


class Conflict(Retry):
    """Somebody else receives this bot's updates."""


class Moved(Refused):
    """The group became a supergroup; `chat` is its new id."""

    def __init__(self, chat: str) -> None:
        self.chat = chat
        super().__init__(f"the group is now the supergroup {chat}")


def answered(code: int, body: bytes) -> Answered:
    """Read the body of an answer that is not a success."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or said.get("ok") is not False:
        return Answered(code, "an answer that is not the Bot API's", told=False)
    more = said.get("parameters")
    more = more if isinstance(more, dict) else {}
    after, moved_to = more.get("retry_after"), more.get("migrate_to_chat_id")
    return Answered(
        code,
        str(said.get("description") or "no reason given"),
        told=True,
        after=float(after) if isinstance(after, int | float) else 0.0,
        moved_to=str(moved_to) if isinstance(moved_to, int) else "",
    )


def is_result(body: bytes) -> bool:
    """Whether a body is the Bot API's answer to a call that went well."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and "result" in said


def translated(problem: TelegramError, method: str, *, repeatable: bool) -> PolydeskError:
    """What `problem` means to whoever called `method`.

    `repeatable` calls (edits, questions) do no harm when made twice, so an unknown outcome is a mere Retry.
    """
    if isinstance(problem, Answered):
        return _of_answer(problem, method, repeatable)
    if isinstance(problem, NetworkError):
        cause = problem.__cause__
        what = f"{method}: {type(cause or problem).__name__}"
        # A RuntimeError comes of a client that was closed before the call: the adapter is stopping.
        if repeatable or isinstance(cause, (*_NEVER_LEFT, RuntimeError)):
            return Retry(f"Telegram cannot be reached ({what})", _LATER)
        return OutcomeUnknown(f"the connection to Telegram broke ({what})")
    what = f"{method}: {problem.message}"
    return Retry(what, _LATER) if repeatable else OutcomeUnknown(what)


def _of_answer(problem: Answered, method: str, repeatable: bool) -> PolydeskError:
    what = f"{method}: {problem.description}"
    if problem.code == 429:
        return Throttled(what, problem.after or _LATER)
    if problem.moved_to:
        return Moved(problem.moved_to)
    if not problem.told and problem.code not in {401, 404, 503}:
        # A proxy gave up waiting, or never asked; only the Bot API's own words are certain.
        return Retry(what, _LATER) if repeatable else OutcomeUnknown(f"{what} ({problem.code})")
    if problem.code in {401, 404}:
        return Broken(WRONG_TOKEN if problem.told else NO_API)
    if problem.code == 403:
        return Blocked(what)
    if problem.code == 409:
        return Conflict(what, _LATER)
    return Retry(what, _LATER) if problem.code >= 500 else Refused(what)
