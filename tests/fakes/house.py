"""A platform and a brain for tests of the rules: they keep what was sent and say what they are told to."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from core.asking import Candidate, Prediction, Question
from core.errors import OutcomeUnknown, PolydeskError, Unreadable
from core.ports import Hear
from core.values import (
    Address,
    Attachment,
    Author,
    Call,
    EventKind,
    InboundEvent,
    Problem,
    Reply,
    Sent,
)


class FakePlatform:
    """A door whose platform is a list: what each chat has seen, in order."""

    platform = "fake"
    router = None

    def __init__(self) -> None:
        self.seen: dict[str, list[Call]] = {}
        self.files: dict[str, bytes] = {}
        self.busy = 0
        self.trouble: list[PolydeskError] = []
        self.gate: asyncio.Event | None = None
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def running(self, hear: Hear) -> AsyncIterator[None]:
        yield

    def render(self, address: Address, reply: Reply) -> tuple[Call, ...]:
        choices = [[choice.key, choice.label] for choice in reply.choices]
        said: dict[str, object] = {"chat": address.chat, "text": reply.text, "choices": choices, "edits": reply.edits}
        return (Call("say", {**said, "by": reply.author.id}),)

    async def send(self, call: Call) -> Sent:
        if call.method == "busy":
            self.busy += 1
            return Sent()
        if self.gate is not None:
            await self.gate.wait()
        if call.since:
            raise OutcomeUnknown("a list of this kind cannot be read back")
        if self.trouble:
            raise self.trouble.pop(0)
        self.seen.setdefault(str(call.arguments["chat"]), []).append(call)
        return Sent(str(next(self._numbers)))

    async def fetch(self, attachment: Attachment) -> bytes:
        if attachment.ref not in self.files:
            raise Unreadable(Problem.NOT_DELIVERED)
        return self.files[attachment.ref]

    def texts(self, chat: str) -> list[str]:
        """What a chat has seen, as words."""
        return [str(call.arguments["text"]) for call in self.seen.get(chat, [])]

    def button(self, chat: str, label: str) -> str:
        """The key of the last button with this label."""
        for call in reversed(self.seen[chat]):
            for key, said in call.arguments["choices"]:  # type: ignore[attr-defined]
                if said == label:
                    return str(key)
        raise LookupError(f"no button {label!r} in {self.texts(chat)}")


Thinker = Callable[[Question], Prediction | PolydeskError]


@dataclass
class FakeBrain:
    """Answers by a function; `gate` holds answers back until it is set."""

    think: Thinker
    asked: list[Question] = field(default_factory=list)
    gate: asyncio.Event | None = None
    prepared: list[str] = field(default_factory=list)

    async def ask(self, question: Question) -> Prediction:
        self.asked.append(question)
        if self.gate is not None:
            await self.gate.wait()
        thought = self.think(question)
        if isinstance(thought, PolydeskError):
            raise thought
        return thought

    async def prepare(self, release: str, seconds: float, *, media: bool) -> None:
        self.prepared.append(release)


def sure(question: Question, entry: str, confidence: float = 0.95, *others: str) -> Prediction:
    """A prediction for `entry`, with `others` behind it."""
    return Prediction(
        question=question.id,
        attempt=question.attempt,
        release=question.release,
        model="fake",
        candidates=(Candidate(entry, confidence), *(Candidate(other, 0.1) for other in others)),
        confidence=confidence,
        answer_at=0.8,
        clarify_at=0.4,
        language="en",
    )


class FakeCustomer:
    """Writes events as an adapter would."""

    def __init__(self, hear: Hear, chat: str = "c1", name: str = "Ada") -> None:
        self._hear = hear
        self._numbers = itertools.count(1)
        self.address = Address("fake", "bot", chat)
        self.author = Author(f"user-{chat}", name, language="en")

    def event(self, text: str = "", **fields: object) -> InboundEvent:
        number = next(self._numbers)
        event = InboundEvent(
            id=f"fake:{self.address.chat}:{number}",
            kind=EventKind.CREATED,
            address=self.address,
            author=self.author,
            at=time.time_ns() // 1_000_000,
            text=text,
            message=str(number),
        )
        return replace(event, **fields)  # type: ignore[arg-type]

    async def says(self, text: str, **fields: object) -> InboundEvent:
        event = self.event(text, **fields)
        assert await self._hear(event)
        return event

    async def taps(self, key: str) -> None:
        assert await self._hear(self.event(kind=EventKind.TAPPED, tap=key))
