"""The suite that any adapter must pass, ours or a third party's.

Subclass `AdapterContract` in a test module, give it `stage`, and let pytest (asyncio mode auto) collect it:

```python
class TestMatrix(AdapterContract):
    address = Address("matrix", "@bot:example.org", "!room:example.org")
    secrets = ("syt_...",)

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        return my_stage()
```

A stage is the adapter before it runs, and a platform (a fake server, better than a mock) with one customer on it.
Nothing here needs pytest: every check is a plain coroutine that raises AssertionError.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from core import wire
from core.errors import OutcomeUnknown, PolydeskError, Retry
from core.ports import Adapter
from core.values import Address, Attachment, AttachmentKind, Call, Choice, EventKind, InboundEvent, Reply, Sent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of ours as the customer sees it: the words without mark-up, the buttons' labels."""

    text: str
    buttons: tuple[str, ...] = ()


class Stage(Protocol):
    """An adapter and a platform with one customer, who talks to the bot alone."""

    @property
    def adapter(self) -> Adapter:
        """The adapter under test; it runs only while a check has `running` open."""
        ...

    async def says(self, text: str) -> None:
        """The customer writes; while the adapter cannot take it, the platform or its client tries again."""
        ...

    async def repeats(self) -> None:
        """The platform delivers the customer's last message once more."""
        ...

    async def taps(self, key: str) -> None:
        """The customer taps the button that carries `key`."""
        ...

    async def seen(self) -> list[Shown]:
        """What the customer sees of us, oldest first."""
        ...


class Ear:
    """The gateway's part: remembers what it heard; the first `failures` times it cannot commit."""

    def __init__(self, failures: int = 0) -> None:
        self.heard: list[InboundEvent] = []
        self._failures = failures

    async def hear(self, event: InboundEvent) -> bool:
        """As `core.ports.Hear`."""
        if self._failures:
            self._failures -= 1
            raise Retry("nothing can be committed just now", 0.05)
        self.heard.append(event)
        return True

    async def hears(self, count: int) -> list[InboundEvent]:
        """Wait until so many different events were heard; each once, in order."""

        def different() -> list[InboundEvent]:
            return list({event.id: event for event in self.heard}.values())

        await eventually(lambda: len(different()) >= count, f"{count} events heard, not {len(self.heard)}")
        return different()


async def eventually(what: Callable[[], T], claim: str, seconds: float = 10.0) -> T:
    """Wait until `what()` is truthy.

    Raises:
        AssertionError: it was not within `seconds`.
    """
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, f"did not come true: {claim}"
        await asyncio.sleep(0.02)
    return value


class AdapterContract:
    """What the gateway relies on; `address` is some chat for replies that are rendered but not sent."""

    address: Address
    secrets: tuple[str, ...] = ()

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        """A fresh platform with an adapter that does not run yet."""
        raise NotImplementedError("a contract needs a stage")

    # Rendering is pure

    async def test_a_rendered_call_survives_the_outbox(self) -> None:
        """Calls are plain JSON, and the same reply gives the same calls."""
        reply = Reply("**Hello** _you_", (Choice("k1", "Yes"), Choice("k2", "No")), ("a" * 64,))
        async with self.stage() as stage:
            calls = stage.adapter.render(self.address, reply)
            assert calls, "a reply with words gives calls"
            assert calls == stage.adapter.render(self.address, reply), "rendering is not pure"
            for call in calls:
                assert json.loads(json.dumps(call.arguments)) == call.arguments, f"not plain JSON: {call}"
                assert wire.loads(Call, wire.dumps(call)) == call, f"does not survive the wire: {call}"
            for secret in self.secrets:
                assert secret not in repr(calls), "a secret stands in a call"
                assert secret not in repr(stage.adapter), "a secret stands in the adapter's repr"

    async def test_every_choice_and_picture_is_rendered(self) -> None:
        """Keys go out as they are, up to 64 bytes, with the last words; pictures are named by their blobs, in order."""
        keys = ["k" * 64, "ü" * 32, "a-b_c.1"]
        blobs = tuple(f"{number:064x}" for number in range(12))
        async with self.stage() as stage:
            calls = stage.adapter.render(
                self.address, Reply("Which one?", tuple(Choice(key, f"Label {key}") for key in keys), blobs)
            )
            written = [_strings(call.arguments) for call in calls]
            with_keys = [number for number, strings in enumerate(written) if keys[0] in strings]
            assert with_keys == [len(calls) - 1], f"the buttons are not in the last call but in {with_keys}"
            assert all(key in written[-1] for key in keys), "a key is missing"
            named = [string for strings in written for string in strings if string in blobs]
            assert named == list(blobs), "pictures are missing, doubled or out of order"

    async def test_no_words_are_lost_however_long_the_text(self) -> None:
        """Nine thousand characters with mark-up, emoji and right-to-left text keep all words, in order."""
        words = [f"w{number}" for number in range(1300)]
        text = "\n\n".join(
            f"**{word}** 👨‍👩‍👧‍👦 مرحبا" if number % 50 == 0 else word for number, word in enumerate(words)
        )
        async with self.stage() as stage:
            calls = stage.adapter.render(self.address, Reply(text))
            shown = " ".join(string for call in calls for string in _strings(call.arguments))
            at = -1
            for word in ("w0", "w1", "w649", "w650", "w1298", "w1299"):
                found = shown.find(word, at + 1)
                assert found > at, f"{word} is missing or out of order"
                at = found
            assert shown.count("👨‍👩‍👧‍👦") >= 26, "an emoji was cut or lost"

    async def test_no_text_is_too_strange_to_render(self) -> None:
        """Half-open mark-up, other languages' tags and stray characters are words, not errors."""
        strange = [
            "**never closed",
            "<b>x</i>",
            "[x](",
            "```",
            "&amp;&",
            "\x00\x07",
            "\ud83d",
            "# ",
            "> " * 90,
            "@here <!channel>",
        ]
        async with self.stage() as stage:
            for text in strange:
                for call in stage.adapter.render(self.address, Reply(text)):
                    json.dumps(call.arguments, ensure_ascii=False).encode()

    # Hearing

    async def test_what_a_customer_says_is_heard(self) -> None:
        """Once per message, in order, as events of this platform that can be mailed."""
        async with self.stage() as stage:
            ear = Ear()
            async with stage.adapter.running(ear.hear):
                await stage.says("Where is my order?")
                await stage.says("It is number 1234 😀")
                first, second = (await ear.hears(2))[:2]
        assert [first.text, second.text] == ["Where is my order?", "It is number 1234 😀"]
        assert first.kind is second.kind is EventKind.CREATED
        assert first.id != second.id and first.message != second.message
        assert first.author == second.author and first.author.id
        assert first.address == second.address and first.address.platform == stage.adapter.platform
        assert first.addressed, "words said to the bot alone are addressed"
        assert abs(first.at - time.time() * 1000) < 600_000, "`at` is UTC milliseconds"
        assert wire.loads(InboundEvent, wire.dumps(first)) == first

    async def test_a_repetition_has_the_same_id(self) -> None:
        """The ledger dedupes by it; nothing else may tell a redelivery from its original."""
        async with self.stage() as stage:
            ear = Ear()
            async with stage.adapter.running(ear.hear):
                await stage.says("once")
                await ear.hears(1)
                await stage.repeats()
                await stage.says("twice")
                events = await ear.hears(2)
        assert [event.text for event in events] == ["once", "twice"]

    async def test_what_cannot_be_committed_is_delivered_again(self) -> None:
        """Nobody gets an acknowledgement for an event that was not committed."""
        async with self.stage() as stage:
            ear = Ear(failures=2)
            async with stage.adapter.running(ear.hear):
                await stage.says("do not lose me")
                events = await ear.hears(1)
        assert events[0].text == "do not lose me"

    async def test_it_stops_and_starts_again(self) -> None:
        """Nothing of it goes on when the context ends, and it can be entered anew."""
        async with self.stage() as stage:
            ear = Ear()
            for count, words in enumerate(("before", "after"), start=1):
                async with stage.adapter.running(ear.hear):
                    await stage.says(words)
                    await ear.hears(count)
                await eventually(lambda: not _tasks_of(stage.adapter), "no task left behind")

    # Speaking

    async def test_a_reply_reaches_the_customer(self) -> None:
        """The words without mark-up, with the buttons; the receipt names the message."""
        async with self.stage() as stage:
            ear = Ear()
            async with stage.adapter.running(ear.hear):
                await stage.says("hello")
                event = (await ear.hears(1))[0]
                receipts = await _send(stage.adapter, event.address, Reply("**Hi** there", (Choice("k1", "Yes"),)))
                seen = await _shown(stage, 1)
        assert (seen[-1].text.strip(), seen[-1].buttons) == ("Hi there", ("Yes",))
        assert all(isinstance(receipt, Sent) and receipt.message for receipt in receipts)

    async def test_a_tap_brings_the_key_back(self) -> None:
        """With the message it was under and the person who tapped."""
        async with self.stage() as stage:
            ear = Ear()
            async with stage.adapter.running(ear.hear):
                await stage.says("hello")
                said = (await ear.hears(1))[0]
                receipts = await _send(stage.adapter, said.address, Reply("?", (Choice("key-7", "Yes"),)))
                await stage.taps("key-7")
                tapped = (await ear.hears(2))[1]
        assert (tapped.kind, tapped.tap) == (EventKind.TAPPED, "key-7")
        assert tapped.message == receipts[-1].message
        assert (tapped.author.id, tapped.address) == (said.author.id, said.address)

    async def test_an_edit_replaces_the_message(self) -> None:
        """No second message appears; the old buttons go."""
        async with self.stage() as stage:
            ear = Ear()
            async with stage.adapter.running(ear.hear):
                await stage.says("hello")
                where = (await ear.hears(1))[0].address
                (receipt,) = await _send(stage.adapter, where, Reply("old", (Choice("k", "Yes"),)))
                await _shown(stage, 1)
                await _send(stage.adapter, where, Reply("new", edits=receipt.message))
                await _send(stage.adapter, where, Reply("last"))
                seen = await _shown(stage, 2)
        assert [(one.text.strip(), one.buttons) for one in seen] == [("new", ()), ("last", ())]

    async def test_a_call_that_may_have_been_made_is_not_made_twice(self) -> None:
        """After a crash: the platform is looked at, or the outcome is said to be unknown."""
        async with self.stage() as stage:
            ear = Ear()
            async with stage.adapter.running(ear.hear):
                await stage.says("hello")
                where = (await ear.hears(1))[0].address
                began = int(time.time() * 1000)
                (call,) = (replace(one, key="row") for one in stage.adapter.render(where, Reply("once")))
                receipt = await stage.adapter.send(call)
                await _shown(stage, 1)
                try:
                    assert await stage.adapter.send(replace(call, since=began)) == receipt
                except OutcomeUnknown as unknown:
                    assert not unknown.readable, "what can be read must be looked at"
                seen = await stage.seen()
        assert len(seen) == 1

    async def test_busy_is_mere_decoration(self) -> None:
        """It may show something or nothing, and never fails."""
        async with self.stage() as stage:
            ear = Ear()
            async with stage.adapter.running(ear.hear):
                await stage.says("hello")
                where = (await ear.hears(1))[0].address
                assert await stage.adapter.send(Call("busy", {"address": wire.dump(where)})) == Sent()
                assert await stage.seen() == []

    async def test_a_file_that_is_not_there_is_told_in_our_words(self) -> None:
        """Fetching raises errors of ours only."""
        async with self.stage() as stage, stage.adapter.running(Ear().hear):
            try:
                await stage.adapter.fetch(Attachment(AttachmentKind.PHOTO, ref="there-is-no-such-file"))
            except PolydeskError:
                return
            raise AssertionError("a file that does not exist was fetched")


async def _send(adapter: Adapter, where: Address, reply: Reply) -> list[Sent]:
    """As the outbox does: the calls have been JSON in between."""
    calls = [wire.loads(Call, wire.dumps(call)) for call in adapter.render(where, reply)]
    return [await adapter.send(call) for call in calls]


async def _shown(stage: Stage, count: int) -> list[Shown]:
    """Wait until the customer sees so many messages of ours."""
    end = time.monotonic() + 5.0
    while len(seen := await stage.seen()) < count:
        assert time.monotonic() < end, f"the customer sees {seen}, not {count} messages"
        await asyncio.sleep(0.02)
    return seen


def _strings(value: Any) -> list[str]:
    """Every string in plain JSON, keys of objects left out."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [string for one in inner for string in _strings(one)]


def _tasks_of(adapter: Adapter) -> list[str]:
    """The running tasks whose code lies beside the adapter's own."""
    home = str(Path(sys.modules[type(adapter).__module__].__file__ or "").parent)
    codes = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()]
    return [code.co_qualname for code in codes if code is not None and code.co_filename.startswith(home)]
