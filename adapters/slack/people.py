"""Who people are, asked once: events carry ids, but the desk wants to know who writes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from adapters.fields import child, string
from adapters.slack.client import Client
from core.errors import Broken, PolydeskError, Retry

log = structlog.get_logger()

_MOST = 5000  # people remembered
_GLANCE = 0.5  # seconds that the first event of somebody waits for their name; Slack wants its answer within three


@dataclass(frozen=True, slots=True)
class Person:
    """Name and language (BCP 47), empty where Slack does not tell."""

    name: str = ""
    language: str = ""


class People:
    """Remembers whoever wrote since the start; close it when done."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, Person] = {}
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._allowed = True

    async def person(self, id: str, *, ask: bool = True) -> Person:
        """Who an author's id stands for; a stranger while Slack has not answered in half a second."""
        if ask and id not in self._known and self._allowed:
            if id not in self._asked:
                self._asked[id] = asyncio.create_task(self._ask(id), name="slack who is it")
            await asyncio.wait({self._asked[id]}, timeout=_GLANCE)
        return self._known.get(id, Person())

    async def close(self) -> None:
        """Leave no question behind."""
        tasks = tuple(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, id: str) -> None:
        """Reference: https://docs.slack.dev/reference/methods/users.info."""
        try:
            answer = await self._client.call("users.info", {"user": id.rpartition(":")[2], "include_locale": "true"})
            user = child(answer, "user")
            profile = child(user, "profile")
            name = string(profile, "real_name") or string(user, "real_name") or string(profile, "display_name")
            self._remember(id, Person(name or string(user, "name"), string(user, "locale")))
        except Retry as problem:
            log.debug("slack.nobody_knows", problem=str(problem))  # their next message asks again
        except Broken as problem:
            self._allowed = False
            log.warning("slack.no_names", problem=str(problem))
        except PolydeskError as problem:
            self._remember(id, Person())
            log.debug("slack.nobody_knows", problem=str(problem))
        finally:
            self._asked.pop(id, None)

    def _remember(self, id: str, person: Person) -> None:
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[id] = person
