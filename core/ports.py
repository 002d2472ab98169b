"""The ports: what the rules need from the outside, each with at most six members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from core.asking import Prediction, Question
from core.values import Address, Attachment, Call, InboundEvent, Reply, Sent

Hear = Callable[[InboundEvent], Awaitable[bool]]
"""What an adapter does with an event: True when it is committed (or was already), False when nobody was addressed.

The platform gets its acknowledgement only after this returned. Raises Retry when nothing could be committed.
"""


class Adapter(Protocol):
    """A door to one platform, under one account of ours.

    `router` is a Starlette router (or None) whose routes the gateway serves, for webhooks and pages.
    """

    platform: str
    router: Any

    def running(self, hear: Hear) -> AbstractAsyncContextManager[None]:
        """Connect, receive and call `hear` for every event until the context ends.

        Raises:
            Broken: on entry, the token is wrong; the message says how to get it right. Retry: on entry, the platform
                cannot be reached now. An adapter that loses its connection later reconnects by itself.
        """
        ...

    def render(self, address: Address, reply: Reply) -> tuple[Call, ...]:
        """Turn a reply into platform calls, in the order in which they must be made; pure."""
        ...

    async def send(self, call: Call) -> Sent:
        """Make one platform call; `Call("busy", {"address": ...})` shows that an answer is being prepared.

        A call with `since` may have been made already: it is made only where that does no harm, or where the platform
        was read and does not have it. An adapter that cannot read its platform raises OutcomeUnknown for it.

        Raises:
            Throttled: the platform asked to wait (`after` seconds). Retry: it never left. OutcomeUnknown: it may have
            arrived. Blocked, Refused: never try again.
        """
        ...

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file.

        Raises:
            Unreadable: too large, not delivered, no permission. Retry: try again.
        """
        ...


@runtime_checkable
class Shared(Protocol):
    """What an adapter offers beside `Adapter` when several gateways may run it, of which one alone may receive.

    `running(hear)` is then the same as `connected(hear)` around `receiving()`. An adapter without these two runs on
    every gateway as it is.
    """

    def connected(self, hear: Hear) -> AbstractAsyncContextManager[None]:
        """Connect for sending, and for what the platform posts to us; raises as `Adapter.running`."""
        ...

    def receiving(self) -> AbstractAsyncContextManager[None]:
        """While connected: fetch what the platform keeps for us; raises as `Adapter.running`."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an open conversation has been heard: the platform's id of its customer's last message, and its moment.

    `message` is empty where it was none, such as a tapped button; `at` is UTC ms by the platform's clock.
    """

    conversation: str
    address: Address
    author: str
    message: str
    at: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a conversation again brought: how many messages nobody had told us of.

    `conversation` is empty for words of somebody who had none open; `problem` says why it could not be read, or not to
    its end, and is empty when nothing is missing.
    """

    conversation: str
    found: int = 0
    problem: str = ""


class Memory(Protocol):
    """What an adapter that catches up may ask about what was heard, on its own platform."""

    async def standing(self) -> Sequence[Standing]:
        """Every open conversation, the one heard last first.

        Raises:
            Retry: the store is away.
        """
        ...

    async def known(self, events: Collection[str]) -> Collection[str]:
        """Those of these ids (`InboundEvent.id`) that were heard; raises as `standing`."""
        ...

    async def caught_up(self, readings: Sequence[Reading]) -> None:
        """Tell operators and agents what came of it; raises as `standing`."""
        ...


@runtime_checkable
class CatchesUp(Protocol):
    """What an adapter offers beside `Adapter` when its platform does not deliver again what we missed, but can be read.

    It reads the open conversations while it receives: after every start, and whenever it could not be reached for a
    while. What it finds goes to `Hear` like everything else, under the same ids.
    """

    def catch_up_from(self, memory: Memory) -> None:
        """Use this memory; to be called before `running`."""
        ...


class Brain(Protocol):
    """What answers questions: a Celery queue in production, anything in tests."""

    async def ask(self, question: Question) -> Prediction:
        """Send a question and wait for its prediction.

        Raises:
            BrainLate: none came before `question.deadline`. BrainGone: the worker died, or there is none.
            Retry: the worker reported a failure.
        """
        ...

    async def prepare(self, release: str, seconds: float, *, media: bool) -> None:
        """Have the workers for typed questions, or those for media, read a release before customers ask about it.

        Raises:
            Retry: not ready in time, or nobody is there; the first question will have to wait for it.
        """
        ...


class Clock(Protocol):
    """Time as the rules see it, so that tests can turn it."""

    def now(self) -> int:
        """UTC, integer milliseconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
