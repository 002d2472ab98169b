"""How long a customer is heard out, on a clock whose time is free: silence, signs that somebody writes on, files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from core.company import Company
from core.composing import LASTS, Composing, Sign
from core.errors import Retry, Throttled
from core.fetching import Fetcher
from core.lanes import Lanes
from core.listening import ARRIVES, Listening
from core.quiet import LONGEST
from core.store.store import Store, Tx
from core.values import Attachment, AttachmentKind, EventKind, InboundEvent, Problem
from tests.chaos.loop import Inline, VirtualLoop
from tests.core.test_road import png
from tests.fakes.house import FakeCustomer, FakePlatform

WHOLE = "where is my order please?"
FRAGMENT = 0.9  # seconds of silence after "hi"
PHOTO = 2.5


class LoopClock:
    """The clock of the loop's own time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> int:
        return 1_780_000_000_000 + round(self._loop.time() * 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SlowPlatform(FakePlatform):
    """Its file server takes `takes` seconds for a file; it is not connected before `opens`, and may be throttled."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self.takes: dict[str, float] = {}
        self.opens = self.throttled = 0.0
        self.asked: list[float] = []
        self.under_way = 0

    async def fetch(self, attachment: Attachment) -> bytes:
        self.asked.append(self._loop.time())
        if self._loop.time() < self.opens:
            raise Retry("not connected", 2.0)
        if self._loop.time() < self.throttled:
            raise Throttled("slow down", self.throttled - self._loop.time())
        self.under_way += 1
        try:
            await asyncio.sleep(self.takes.get(attachment.ref, 0.0))
        finally:
            self.under_way -= 1
        return await super().fetch(attachment)


class Scene:
    """A customer, and a lane that only listens: `turns` says when it had heard enough, and what."""

    def __init__(self, loop: VirtualLoop, store: Store) -> None:
        self.loop, self.store, self.clock = loop, store, LoopClock(loop)
        self.composing = Composing()
        self.lanes = Lanes(self._work)
        self.platform = SlowPlatform(loop)
        fetcher = Fetcher({"fake": self.platform}, store.blobs, self.clock)
        self._listening = Listening(store, fetcher, self.lanes, self.clock, self.composing)
        self.ada = FakeCustomer(self._hear)
        self.looks = 0
        self.turns: list[tuple[float, list[str]]] = []
        self.heard: list[InboundEvent] = []
        self.busy: list[float] = []
        self.holding: list[float] = []

    async def _hear(self, event: InboundEvent) -> bool:
        heard = await self.store.write(lambda tx: tx.ledger.remember(event, 86_400_000, "default", "default"))
        assert heard is not None and heard.conversation is not None
        self.lanes.wake(heard.conversation.id)
        return True

    async def _work(self, conversation: str) -> None:
        self.looks += 1
        events = await self._listening.hear_out(conversation, self.clock.now(), self._company())
        if events:
            self.turns.append((round(self.loop.time(), 2), [event.text for event in events]))
            self.heard += events
            await self.store.write(lambda tx: tx.ledger.settle(conversation, [event.id for event in events]))
            if await self._listening.pending(conversation):
                self.lanes.wake(conversation)

    def _company(self) -> Company:
        async def hold() -> None:
            self.holding.append(round(self.loop.time(), 2))

        return Company(lambda address: self.busy.append(round(self.loop.time(), 2)), hold)

    async def shows(self, ref: str, text: str = "", takes: float = 0.0) -> InboundEvent:
        """A photo comes, whose download will take so many seconds."""
        self.platform.files[ref] = png()
        self.platform.takes[ref] = takes
        return await self.ada.says(text, attachments=(Attachment(AttachmentKind.PHOTO, ref=ref),))

    def kept(self) -> list[tuple[bool, Problem | None]]:
        """Of every file, as the ledger has it and as the transcript has it: whether it is here, and its problem."""

        async def read() -> list[tuple[bool, Problem | None]]:
            ids = [event.id for event in self.heard]
            events = [event for event, _ in await self.store.read(lambda tx: tx.ledger.settled(ids))]
            told = [await self.store.read(partial(_message_of, event.id)) for event in events]
            assert told == [event.attachments for event in events]
            return [(bool(part.blob), part.problem) for event in events for part in event.attachments]

        return self.loop.run_until_complete(read())

    def sign(self, message: str = "2", goes_on: bool = True) -> None:
        """The page says that a message is written; the customer's first one is called 1, the second 2."""
        self.composing.give(Sign(self.ada.address, message, goes_on))

    def play(self, script: Mapping[float, Callable[[], object]]) -> list[tuple[float, list[str]]]:
        """Do what the script says at these seconds; returns the turns once nobody has anything left to do."""

        async def act() -> None:
            for at, what in sorted(script.items()):
                await asyncio.sleep(at - self.loop.time())
                done = what()
                if isinstance(done, Awaitable):
                    await done
            await self.lanes.idle()

        self.loop.run_until_complete(act())
        return self.turns


async def _message_of(event: str, tx: Tx) -> tuple[Attachment, ...]:
    message = await tx.transcript.of_event(event)
    assert message is not None
    return message.attachments


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    loop = VirtualLoop(lambda: 0.0)
    url = f"sqlite:///{tmp_path / 'listening.db'}"

    async def opened() -> Scene:
        store = await Store.open(url, tmp_path / "blobs", LoopClock(loop))
        store.writer._thread.shutdown()
        store._readers.shutdown()
        store.writer._thread = store._readers = Inline(loop)  # type: ignore[assignment]
        return Scene(loop, store)

    scene = loop.run_until_complete(opened())
    yield scene
    loop.run_until_complete(scene.lanes.close())
    for engine in scene.store._engines:
        engine.dispose()
    loop.close()


def test_without_a_sign_it_is_silence_that_counts(scene: Scene) -> None:
    photo = (Attachment(AttachmentKind.PHOTO, ref="p"),)
    turns = scene.play(
        {
            0.0: lambda: scene.ada.says(WHOLE),
            20.0: lambda: scene.ada.says("hi"),
            40.0: lambda: scene.ada.says("", attachments=photo),
            60.0: lambda: scene.ada.says("hi"),
            60.5: lambda: scene.ada.says("my tent"),
        }
    )
    expected = [(0.0, [WHOLE]), (20 + FRAGMENT, ["hi"]), (40 + PHOTO, [""]), (60.5 + FRAGMENT, ["hi", "my tent"])]
    assert turns == expected


def test_a_fragment_waits_for_what_is_being_typed(scene: Scene) -> None:
    """Given "hi" and somebody who types on for five seconds, then both messages are one turn, asked at once."""
    signs = dict.fromkeys((0.6, 2.6, 4.6), scene.sign)
    turns = scene.play({0.0: lambda: scene.ada.says("hi"), **signs, 5.7: lambda: scene.ada.says(WHOLE)})
    assert turns == [(5.7, ["hi", WHOLE])]


def test_whoever_never_stops_typing_is_answered_after_the_longest_wait(scene: Scene) -> None:
    turns = scene.play({0.0: lambda: scene.ada.says("hi"), **{at / 2: scene.sign for at in range(1, 60)}})
    assert turns == [(LONGEST, ["hi"])]


def test_a_sign_that_is_not_renewed_is_over_after_a_while(scene: Scene) -> None:
    turns = scene.play({0.0: lambda: scene.ada.says("hi"), 0.6: scene.sign})
    assert turns == [(0.6 + LASTS, ["hi"])]


def test_a_sign_shortens_nothing(scene: Scene) -> None:
    photo = (Attachment(AttachmentKind.PHOTO, ref="p"),)
    turns = scene.play({0.0: scene.sign, 3.0: lambda: scene.ada.says("", attachments=photo)})
    assert turns == [(3 + PHOTO, [""])]


@pytest.mark.parametrize(("words", "until"), [("hi", 2.0 + FRAGMENT), (WHOLE, 2.0)])
def test_after_a_message_that_was_given_up_the_usual_silence_counts(scene: Scene, words: str, until: float) -> None:
    give_up = partial(scene.sign, goes_on=False)
    turns = scene.play({0.0: scene.sign, 0.1: lambda: scene.ada.says(words), 1.9: scene.sign, 2.0: give_up})
    assert turns == [(until, [words])]


def test_another_message_that_is_given_up_ends_nothing(scene: Scene) -> None:
    """Given two pages of one customer, then what one gives up does not end what the other goes on with."""
    give_up = partial(scene.sign, "of another page", goes_on=False)
    turns = scene.play({0.0: lambda: scene.ada.says("hi"), 0.5: scene.sign, 1.0: give_up})
    assert turns == [(0.5 + LASTS, ["hi"])]


def test_a_whole_question_waits_for_nobody_but_who_visibly_goes_on(scene: Scene) -> None:
    turns = scene.play({0.0: scene.sign, 0.5: lambda: scene.ada.says(WHOLE)})
    assert turns == [(LASTS, [WHOLE])]


def test_a_sign_that_its_own_message_has_overtaken_counts_for_nothing(scene: Scene) -> None:
    """Given a page whose sign arrives just before or after the message that it was about, then nobody waits."""
    own = partial(scene.sign, "1")
    turns = scene.play({0.0: own, 0.1: lambda: scene.ada.says(WHOLE), 0.1001: own})
    assert turns == [(0.1, [WHOLE])]


def test_what_was_decided_is_held_back_by_nothing(scene: Scene) -> None:
    """Given a turn that was heard out, when somebody types on, then only the next turn waits for it."""
    script: dict[float, Callable[[], object]] = {0.0: lambda: scene.ada.says(WHOLE), 0.5: partial(scene.sign, "3")}
    turns = scene.play({**script, 1.0: lambda: scene.ada.says("hi"), 2.0: lambda: scene.ada.says(WHOLE)})
    assert turns == [(0.0, [WHOLE]), (2.0, ["hi", WHOLE])]


def test_a_sign_alone_starts_nothing(scene: Scene) -> None:
    """Given nobody who has said anything, or somebody who was answered, then signs wake no lane and leave no row."""
    scene.play({0.0: scene.sign, 1.0: partial(scene.sign, goes_on=False)})
    assert scene.looks == 0
    scene.play({2.0: lambda: scene.ada.says(WHOLE)})
    looks, commits = scene.looks, scene.store.writer.commits
    scene.play({10.0 + at / 10: partial(scene.sign, "2", bool(at % 3)) for at in range(30)})
    assert (scene.looks, scene.store.writer.commits) == (looks, commits)


def test_a_lane_that_waits_does_not_spin(scene: Scene) -> None:
    """Given signs in their hundreds, then the lane sleeps through them."""
    script: dict[float, Callable[[], object]] = {0.0: lambda: scene.ada.says("hi")}
    script |= {0.1 + at / 100: scene.sign for at in range(800)}
    before = scene.loop.steps
    assert scene.play(script) == [(LONGEST, ["hi"])]
    assert scene.loop.steps - before < 2 * 800 + 50, "two steps a sign are the script's own"
    assert scene.looks == 1


def test_signs_are_forgotten(scene: Scene) -> None:
    """Given many chats, then what is kept is what was said in the last seconds."""

    def other(number: int) -> None:
        scene.composing.give(Sign(replace(scene.ada.address, chat=f"c{number}"), "m"))

    scene.play({at / 10: partial(other, at) for at in range(500)})
    assert len(scene.composing._going) <= LASTS * 10 + 1
    assert not scene.composing._watching


HERE, LOST = (True, None), (False, Problem.NOT_DELIVERED)


def test_words_do_not_wait_for_a_photo_that_does_not_come(scene: Scene) -> None:
    """Given a stalled file server, then the words are answered without the photo, and whoever waits has company."""
    turns = scene.play({0.0: lambda: scene.shows("p", WHOLE, takes=360.0)})
    assert turns == [(ARRIVES, [WHOLE])]
    assert scene.kept() == [LOST]
    assert scene.busy == [0.0, 4.0, 8.0, 12.0, 16.0]
    assert scene.holding == [8.0]
    assert not scene.platform.under_way, "a download that nobody waits for goes on"


def test_the_wait_for_a_photo_begins_when_it_is_quiet(scene: Scene) -> None:
    assert scene.play({0.0: lambda: scene.shows("p", takes=360.0)}) == [(PHOTO + ARRIVES, [""])]
    assert scene.busy[0] == PHOTO


def test_a_slow_photo_is_waited_for(scene: Scene) -> None:
    assert scene.play({0.0: lambda: scene.shows("p", WHOLE, takes=ARRIVES - 1)}) == [(ARRIVES - 1, [WHOLE])]
    assert scene.kept() == [HERE]


def test_what_has_come_of_an_album_is_kept(scene: Scene) -> None:
    """Given an event of two files of which one stalls, then the other is not lost with it."""
    scene.platform.files["here"] = png()
    scene.platform.takes = {"here": 0.5, "lost": 360.0}
    parts = tuple(Attachment(AttachmentKind.PHOTO, ref=ref) for ref in ("here", "lost"))
    assert scene.play({0.0: lambda: scene.ada.says(WHOLE, attachments=parts)}) == [(ARRIVES, [WHOLE])]
    assert scene.kept() == [HERE, LOST]


def test_words_that_come_while_a_photo_is_on_its_way_join_it(scene: Scene) -> None:
    """Given a stalled photo, when the customer asks whether anybody is there, then all is one turn, no later for it."""
    turns = scene.play({0.0: lambda: scene.shows("p", WHOLE, takes=360.0), 12.0: lambda: scene.ada.says("hello?")})
    assert turns == [(ARRIVES, [WHOLE, "hello?"])]
    assert scene.holding == [8.0]


def test_a_photo_that_comes_late_begins_the_next_turn_with_its_own_time(scene: Scene) -> None:
    script = {0.0: lambda: scene.shows("p", WHOLE, takes=360.0), 19.0: lambda: scene.shows("q", "and?", takes=5.0)}
    assert scene.play(script) == [(ARRIVES, [WHOLE]), (ARRIVES + 5, ["and?"])]
    assert scene.kept() == [LOST, HERE]


def test_a_message_that_is_taken_back_while_its_photo_is_on_its_way_is_not_answered(scene: Scene) -> None:
    def take_back() -> Awaitable[object]:
        return scene.ada.says("", kind=EventKind.DELETED, message="1")

    assert scene.play({0.0: lambda: scene.shows("p", WHOLE, takes=360.0), 3.0: take_back}) == []
    assert scene.loop.time() < ARRIVES


def test_a_door_that_opens_late_still_brings_the_photo(scene: Scene) -> None:
    """Given a gateway that starts, when its lanes begin before its doors are open, then the photo is not given up."""
    scene.platform.opens = 15.0
    ((at, words),) = scene.play({0.0: lambda: scene.shows("p", WHOLE)})
    assert words == [WHOLE] and 15.0 <= at < ARRIVES
    assert scene.kept() == [HERE]
    pauses = [later - sooner for sooner, later in zip(scene.platform.asked, scene.platform.asked[1:], strict=False)]
    assert pauses == sorted(pauses) and len(pauses) < 8, "it is asked less and less often"


def test_a_door_that_never_opens_costs_the_photo_and_not_the_words(scene: Scene) -> None:
    scene.platform.opens = 3600.0
    assert scene.play({0.0: lambda: scene.shows("p", WHOLE)}) == [(ARRIVES, [WHOLE])]
    assert scene.kept() == [LOST]


def test_a_file_server_that_asks_for_a_pause_gets_it(scene: Scene) -> None:
    scene.platform.throttled = 7.0
    assert scene.play({0.0: lambda: scene.shows("p", WHOLE)}) == [(7.0, [WHOLE])]
    assert scene.platform.asked == [0.0, 7.0]
