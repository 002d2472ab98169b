"""The rules' whole road on the fake Slack, with a brain that the tests control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.slack.adapter import SlackAdapter
from core.answering import Answering, Room
from core.bell import Bell
from core.clock import WallClock
from core.delivery import Courier
from core.fetching import Fetcher
from core.hearing import Hearing
from core.knowledge.entries import Entry, KnowledgeBase
from core.live import Live
from core.publishing import Publishing
from core.store.store import Store
from tests.adapters.slack.stage import by_http, by_sockets, served, words
from tests.adapters.stage import picture
from tests.fakes.house import FakeBrain, sure
from tests.fakes.slack import Customer, FakeSlack
from tests.migrated import migrated

KNOWLEDGE = KnowledgeBase(
    title="Test shop",
    entries=(
        Entry("track-order", "Where is my order?", {"en": "See the **tracking page**."}),
        Entry("opening-hours", "When are you open?", {"en": "Nine to five."}),
    ),
)


@dataclass
class Road:
    slack: FakeSlack
    adapter: SlackAdapter
    brain: FakeBrain
    store: Store
    answering: Answering
    courier: Courier

    async def settle(self) -> None:
        """Until nobody has anything left to do."""
        await self.slack.settled()
        for _ in range(3):
            await self.answering.idle()
            await self.courier.idle()
        await self.slack.settled()


@asynccontextmanager
async def _road(slack: FakeSlack, adapter: SlackAdapter, folder: Path) -> AsyncIterator[Road]:
    clock, bell = WallClock(), Bell()
    store = await Store.open(migrated(folder / "road.db"), folder / "blobs", clock)
    adapter._blob = store.blobs.get
    doors: dict[str, Any] = {"slack": adapter}
    brain = FakeBrain(lambda question: sure(question, "track-order", 0.95, "opening-hours"))
    live = Live(store, store.blobs)
    courier = Courier(store, doors, live, bell, clock)
    room = Room(store, brain, doors, Fetcher(doors, store.blobs, clock), live, courier, bell, clock)
    answering = Answering(room)
    hearing = Hearing(store, answering, bell, idle_ms=86_400_000, bot_id="default", kb_id="default")
    publishing = Publishing(store, bell, clock, "default")
    await publishing.bring_in(KNOWLEDGE)
    await publishing.publish()
    try:
        async with adapter.running(hearing.hear):
            yield Road(slack, adapter, brain, store, answering, courier)
    finally:
        await answering.close()
        await courier.close()
        await store.close()


@pytest.fixture(params=["Socket Mode", "Events API"])
async def road(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Road]:
    async with FakeSlack(hurry=600) as slack:
        slack.events.patience = 1.0
        if request.param == "Socket Mode":
            async with _road(slack, by_sockets(slack), tmp_path) as road:
                yield road
        else:
            adapter = by_http(slack)
            async with served(adapter) as url:
                await slack.use_events_api(url)
                async with _road(slack, adapter, tmp_path) as road:
                    yield road


def said(customer: Customer) -> list[str]:
    """What the bot has said in the direct messages."""
    return [words(one.shown) for one in customer.seen if one.by_bot]


async def test_an_event_delivered_four_times_is_answered_once(road: Road) -> None:
    ada = road.slack.customer("Ada")
    road.slack.ignore_acks(3)
    await ada.says("Where is my order?")
    await road.settle()
    assert len(road.slack.events.deliveries) == 4 + 1  # and our own answer
    answers = said(ada)
    assert len(answers) == 1 and answers[0].endswith("See the tracking page.")


async def test_a_mention_is_answered_once_and_in_its_thread(road: Road) -> None:
    ada, channel = road.slack.customer("Ada"), road.slack.channel()
    root = await ada.mentions("Where is my order?", channel=channel)
    await road.settle()
    answers = [one for one in road.slack.everything(channel) if one.by_bot]
    assert [one.thread_ts for one in answers] == [root.ts]
    # The author's own thread goes on without a mention; a colleague's words in it are none of ours
    await ada.says("When are you open?", channel=channel, thread_ts=root.ts)
    await road.slack.customer("Bob").says("I know where it is!", channel=channel, thread_ts=root.ts)
    await ada.says("What a lovely day this is", channel=channel)
    await road.settle()
    answers = [one for one in road.slack.everything(channel) if one.by_bot]
    assert [one.thread_ts for one in answers] == [root.ts] * 2
    assert len(road.brain.asked) == 2


async def test_a_photo_is_looked_at(road: Road) -> None:
    ada = road.slack.customer("Ada")
    await ada.shares_photo(picture(), "what is wrong with it?")
    await road.settle()
    (question,) = road.brain.asked
    assert len(question.photos) == 1 and question.text == "what is wrong with it?"
    assert said(ada)


async def test_a_photo_that_may_not_be_fetched_is_named(road: Road) -> None:
    ada = road.slack.customer("Ada")
    road.slack.workspace.scopes.discard("files:read")
    await ada.shares_photo(picture())
    await road.settle()
    assert road.brain.asked == [] and len(said(ada)) == 1


async def test_a_tap_is_heard_once_and_acknowledged(road: Road) -> None:
    ada = road.slack.customer("Ada")
    await ada.says("Where is my order?")
    await road.settle()
    (answer,) = [one for one in ada.seen if one.by_bot]
    tap = await ada.taps(answer.buttons[-1], on=answer)
    await road.slack.until(lambda: tap.acked is not None)
    await road.settle()
    assert tap.acked and len(said(ada)) == 2


async def test_a_word_alone_asks_for_a_person(road: Road) -> None:
    ada = road.slack.customer("Ada")
    await ada.says("human")
    await road.settle()
    assert road.brain.asked == [] and len(said(ada)) == 1
    waiting = await road.store.read(lambda tx: tx.desk.waiting())
    assert [one.conversation.author.name for one in waiting] == ["Ada"]


async def test_a_throttled_channel_gets_everything_in_order(road: Road) -> None:
    ada = road.slack.customer("Ada")
    road.slack.fail_next("chat.postMessage", retry_after=1, times=2)
    await ada.says("Where is my order?")
    await road.slack.until(lambda: said(ada), 10)
    await asyncio.sleep(0.1)
    assert len(said(ada)) == 1


async def test_an_edit_is_asked_again_and_a_preview_is_not(road: Road) -> None:
    ada = road.slack.customer("Ada")
    post = await ada.says("Where is my order? https://a.example/1")
    await road.settle()
    await ada.unfurls(post)
    await road.settle()
    assert len(road.brain.asked) == 1
    await ada.edits(post, "Where is my other order? https://a.example/2")
    await road.settle()
    assert [question.text for question in road.brain.asked][1:] == ["Where is my other order? https://a.example/2"]
