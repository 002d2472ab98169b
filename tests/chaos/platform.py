"""A platform whose calls and deliveries go wrong, and which keeps what each customer saw."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from core.errors import Blocked, OutcomeUnknown, Refused, Retry, Throttled, Unreadable
from core.ports import Hear
from core.values import Address, Attachment, Call, InboundEvent, Problem, Reply, Sent
from tests.chaos.world import World

Reach = Callable[[InboundEvent], Awaitable[bool]]
"""Brings an event to the gateway: True when it was acknowledged."""

HALVES = " || "  # where this platform makes two messages of one
_WIRE = 0.3  # seconds at most from our call to the platform's deed
_UNSEEN = 1.5  # seconds at most until a reader of the platform finds what it took


@dataclass(slots=True)
class Shown:
    """Something a customer saw: when, under which key of ours, by whom."""

    at: float
    chat: str
    key: str
    text: str
    by: str
    choices: tuple[tuple[str, str], ...]
    message: str
    visible: float
    edited: bool = False


class ChaosPlatform:
    """One platform: `readable` can be read back (Slack, the web chat), the other kind cannot (Telegram)."""

    router = None

    def __init__(self, world: World, platform: str, *, readable: bool) -> None:
        self.platform = platform
        self.readable = readable
        self.shown: list[Shown] = []
        self.blocked: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.delivering: set[asyncio.Task[None]] = set()
        self._world = world
        self._numbers = itertools.count(1)
        self._before: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self, hear: Hear) -> AsyncIterator[None]:
        yield

    def render(self, address: Address, reply: Reply) -> tuple[Call, ...]:
        choices = [[choice.key, choice.label] for choice in reply.choices]
        parts = reply.text.split(HALVES)
        named = {"chat": address.chat, "by": reply.author.role.value}
        if reply.edits:
            return (Call("edit", {**named, "edits": reply.edits, "text": reply.text, "choices": choices}),)
        calls = [Call("say", {**named, "text": part, "choices": []}) for part in parts[:-1]]
        return (*calls, Call("say", {**named, "text": parts[-1], "choices": choices}))

    async def send(self, call: Call) -> Sent:
        if call.method == "busy":
            return Sent()
        world, plan, chat = self._world, self._world.plan, str(call.arguments["chat"])
        await world.point("sending", chat)
        if call.since and call.method == "say":
            await asyncio.sleep(world.dice.random() * 0.2)
            found = [one for one in self.shown if one.key == call.key and one.visible <= world.now]
            if not self.readable:
                raise OutcomeUnknown("this platform cannot be read")
            if found:
                return Sent(found[0].message)
        takes = world.dice.random() * (0.05 if world.calm else plan.slow_platform)
        if chat in self.blocked:
            await asyncio.sleep(takes)
            raise Blocked("the customer has blocked the bot")
        if "is answer" in str(call.arguments["text"]) and world.happens(plan.refused):
            await self._fails(chat, "refused", takes)
            raise Refused("400: it cannot be parsed")
        if world.happens(plan.throttled):
            await self._fails(chat, "429", takes)
            raise Throttled("too many requests", after=world.dice.choice((0.5, 2.0, 22.0)))
        if world.happens(plan.failed):
            await self._fails(chat, "5xx", takes)
            raise Retry("bad gateway")
        if world.happens(plan.unknown):
            landed = world.dice.random() < 0.5
            await self._fails(chat, f"unknown outcome, {'after' if landed else 'before'} the effect", takes)
            if landed:
                self._land(call)
                await world.point("landed", chat)
            raise OutcomeUnknown("the connection broke off", readable=self.readable)
        # What has left lands, whatever becomes of the process that sent it.
        landing = asyncio.get_running_loop().create_future()
        world.loop.call_later(min(takes / 2, _WIRE), lambda: landing.set_result(self._land(call)))
        message = await landing
        await world.point("landed", chat)
        await asyncio.sleep(takes / 2)
        return Sent(message)

    async def _fails(self, chat: str, how: str, seconds: float) -> None:
        self._world.injected[how] += 1
        self._world.note(f"{self.platform} answers {chat}: {how}")
        await asyncio.sleep(seconds)

    def _land(self, call: Call) -> str:
        world, told = self._world, call.arguments
        text, by, chat = str(told["text"]), str(told["by"]), str(told["chat"])
        choices: Any = told["choices"]
        message = str(told.get("edits") or next(self._numbers))
        unseen = world.dice.random() * (0.0 if world.calm else _UNSEEN)
        pairs = tuple((str(key), str(label)) for key, label in choices)
        edited = call.method == "edit"
        self.shown.append(Shown(world.now, chat, call.key, text, by, pairs, message, world.now + unseen, edited))
        world.note(f"{chat} sees {'(an edit) ' if edited else ''}{by}: {text!r}")
        return message

    async def fetch(self, attachment: Attachment) -> bytes:
        world = self._world
        await asyncio.sleep(world.dice.random() * (0.1 if world.calm else 2.0))
        if world.happens(world.plan.failed / 2):
            raise Retry("the file server is busy")
        if attachment.ref not in self.files:
            raise Unreadable(Problem.NOT_DELIVERED)
        return self.files[attachment.ref]

    def accept(self, event: InboundEvent, reach: Reach) -> None:
        """A customer did something: it is delivered again and again until it is acknowledged."""
        self._world.note(f"{event.address.chat} {event.kind.value} {event.id} {event.text or event.command!r}")
        before = self._before if self._world.plan.in_order else None
        task = asyncio.create_task(self._deliver(event, reach, before))
        self._before = task
        self.delivering.add(task)
        task.add_done_callback(self.delivering.discard)

    async def _deliver(self, event: InboundEvent, reach: Reach, before: asyncio.Task[None] | None) -> None:
        world, plan = self._world, self._world.plan
        if before is not None:
            await asyncio.wait([before])
        else:
            await asyncio.sleep(world.dice.random() * plan.shuffled)
        while True:
            if world.happens(plan.dropped):
                world.injected["a delivery that never came"] += 1
            else:
                tries = [self._reach(event, reach, 0.0)]
                if world.happens(plan.doubled):
                    world.injected["a delivery that came twice"] += 1
                    tries.append(self._reach(event, reach, world.dice.choice((0.0, 0.01, 2.0, 40.0))))
                if any(await asyncio.gather(*tries)):
                    if not world.happens(plan.unacked):
                        break
                    world.injected["an acknowledgement that got lost"] += 1
            await asyncio.sleep(1.0 + world.dice.random() * 9.0)
        await world.point("acked", event.address.chat)

    async def _reach(self, event: InboundEvent, reach: Reach, after: float) -> bool:
        await asyncio.sleep(after)
        return await reach(event)
