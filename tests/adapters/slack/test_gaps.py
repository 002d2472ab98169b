"""What customers wrote while nobody listened is read, once, from where the conversation stood."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.slack import gaps as room
from core.errors import Retry
from core.ports import CatchesUp
from core.values import Reply
from tests.adapters.slack.gap_stage import HISTORY, REPLIES, Notes, at_door, counts, in_messages, reading
from tests.adapters.slack.stage import address, by_http, by_sockets, say
from tests.adapters.stage import Ear
from tests.fakes.slack import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(hurry=600) as platform:
        platform.events.patience = 1.0
        yield platform


@pytest.mark.parametrize("door", ["Socket Mode", "Events API"])
async def test_what_was_written_before_the_start_is_heard_in_order(slack: FakeSlack, door: str) -> None:
    ear, ada, bob = Ear(), slack.customer("Ada", locale="de-DE"), slack.customer("Bob")
    # Given a conversation with words older than the last that was heard, and somebody whose conversation has ended
    ada.writes_unheard("long ago")
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last we heard").ts)
    written = [ada.writes_unheard(text) for text in ("first", "second & third", "human")]
    slack.other_bot().writes_unheard("a deployment")
    bob.writes_unheard("is not found")
    async with at_door(slack, door, ear, notes):
        # When the door opens
        told = await notes.told()
        await ada.says("live")
        await slack.settled()
    # Then nothing else is heard, under the ids of live events
    assert ear.texts == ["first", "second & third", "human", "live"]
    assert [event.message for event in ear.heard][:3] == [post.ts for post in written]
    assert ear.heard[2].command == "human"
    assert {(event.author.name, event.author.language) for event in ear.heard} == {("Ada", "de-DE")}
    first, live = ear.heard[0], ear.heard[-1]
    assert first.id == f"slack:{slack.world.team}:{ada.dm.id}:{written[0].ts}:created"
    assert (first.address, first.author, first.addressed) == (live.address, live.author, live.addressed)
    assert counts(told) == [(f"conversation of {ada.id}", 3, False)]
    assert isinstance(by_sockets(slack), CatchesUp)


async def test_our_own_words_are_not_heard(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    post = ada.writes_unheard("hello?")
    notes = in_messages(slack, ear, ada, post.ts)
    async with at_door(slack, "Socket Mode", ear, notes) as adapter:
        await notes.told()
        await say(adapter, address(slack, ada.dm.id), Reply("Hello!"))
        await slack.settled()
    async with at_door(slack, "Socket Mode", ear, notes):
        assert counts(await notes.told()) == [(f"conversation of {ada.id}", 0, False)]
    assert ear.heard == []


async def test_a_photo_and_a_message_that_was_edited_since(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("hello?").ts)
    slack.events.subscribed.clear()
    await ada.shares_photo(b"....", "it broke")
    post = ada.writes_unheard("wher is it?")
    await ada.edits(post, "where is it?")
    await ada.deletes(ada.writes_unheard("never mind"))
    async with at_door(slack, "Socket Mode", ear, notes):
        await notes.told()
    assert [(event.text, len(event.attachments)) for event in ear.heard] == [("it broke", 1), ("where is it?", 0)]


@pytest.mark.parametrize("private", [False, True])
async def test_a_thread_in_a_channel_goes_on_and_the_rest_is_none_of_ours(slack: FakeSlack, private: bool) -> None:
    ear, ada, bob, eve = Ear(), slack.customer("Ada"), slack.customer("Bob"), slack.customer("Eve")
    channel = slack.channel(private=private)
    us = f"<@{slack.world.bot.id}>"
    # Given a thread in which Ada asked us first and Bob later, with words of Bob's in between
    root = ada.writes_unheard(f"{us} where is it?", channel=channel)
    bob.writes_unheard("I know where", channel=channel, thread_ts=root.ts)
    asked = bob.writes_unheard(f"{us} and mine?", channel=channel, thread_ts=root.ts)
    notes = Notes(ear)
    where = address(slack, channel.id, root.ts)
    notes.stands(where, ada.id, root.ts)
    notes.stands(where, bob.id, asked.ts)
    # When both go on, Eve chats, then asks, and others talk in the channel
    ada.writes_unheard("well?", channel=channel, thread_ts=root.ts)
    bob.writes_unheard("hm?", channel=channel, thread_ts=root.ts)
    eve.writes_unheard("lovely weather", channel=channel, thread_ts=root.ts)
    eve.writes_unheard(f"{us} and my order?", channel=channel, thread_ts=root.ts)
    ada.writes_unheard("outside of the thread", channel=channel)
    async with at_door(slack, "Socket Mode", ear, notes):
        told = await notes.told()
    assert [(event.text, event.addressed) for event in ear.heard] == [
        ("well?", False),
        ("hm?", False),
        ("lovely weather", False),
        ("and my order?", True),
    ]
    assert {event.address for event in ear.heard} == {where}
    assert counts(told) == [
        (f"conversation of {ada.id}", 1, False),
        (f"conversation of {bob.id}", 1, False),
        ("", 2, False),
    ]
    assert len(slack.calls_of(REPLIES)) == 1 and not slack.calls_of(HISTORY)


async def test_many_pages_are_put_in_order_and_there_is_an_end_to_it(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    for number in range(250):
        ada.writes_unheard(f"number {number}")
    async with reading(slack, ear, notes) as gaps:
        gaps.read(await gaps.standing())
        assert counts(await notes.told()) == [(f"conversation of {ada.id}", 250, False)]
        assert ear.texts == [f"number {number}" for number in range(250)]
        for number in range(310):
            ada.writes_unheard(f"again {number}")
        gaps.read(await gaps.standing())
        assert counts(await notes.told()) == [(f"conversation of {ada.id}", 300, True)]
    assert ear.texts[-1] == "again 309"


async def test_what_is_older_than_a_day_is_left_alone(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    ada.writes_unheard("what else?")
    monkeypatch.setattr(room, "AGE", -60.0)  # as if the words were older than what is looked at
    async with reading(slack, ear, notes) as gaps:
        gaps.read(await gaps.standing())
        assert counts(await notes.told()) == [(f"conversation of {ada.id}", 0, False)]
    assert ear.heard == []


async def test_a_conversation_in_which_only_a_button_was_tapped_is_read_from_there(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    post = ada.writes_unheard("before")
    notes = Notes(ear)
    notes.stands(address(slack, ada.dm.id), ada.id, "", at=int(float(post.ts)) * 1000 + 900)
    await asyncio.sleep(1.0)
    ada.writes_unheard("after")
    async with reading(slack, ear, notes) as gaps:
        gaps.read(await gaps.standing())
        await notes.told()
    assert ear.texts == ["after"]


# What comes in between


async def test_live_words_do_not_hide_what_was_missed(slack: FakeSlack) -> None:
    """Where the conversation stood is asked before anything live can be heard."""
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    ada.writes_unheard("missed")
    slack.slow_next(HISTORY, 3.0)
    async with at_door(slack, "Socket Mode", ear, notes):
        await ada.says("live")
        await slack.settled()
        assert ear.texts == ["live"]
        assert counts(await notes.told()) == [(f"conversation of {ada.id}", 1, False)]
    assert ear.texts == ["live", "missed"]
    assert ear.heard[0].order > ear.heard[1].order  # by which the ledger sorts what is pending


@pytest.mark.parametrize("door", ["Socket Mode", "Events API"])
async def test_where_a_conversation_stood_is_asked_before_anything_can_be_heard(slack: FakeSlack, door: str) -> None:
    """Else a message that Slack delivers at once would hide those that it never will."""
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    if door == "Socket Mode":
        notes.look = lambda: slack.sockets.count > 0
        async with at_door(slack, door, ear, notes):
            await notes.told()
            await slack.sockets.cut()
            await notes.told()
        assert notes.looks == [False, False]
        return
    adapter = by_http(slack)
    adapter.catch_up_from(notes)
    notes.look = lambda: adapter._dispatch.intake is not None
    async with adapter.running(ear.hear):
        await notes.told()
    assert notes.looks == [False]


async def test_a_broken_connection_is_made_up_for(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    async with at_door(slack, "Socket Mode", ear, notes):
        await notes.told()
        await ada.says("heard")
        await slack.settled()
        await slack.sockets.cut()
        ada.writes_unheard("missed")
        assert counts(await notes.told()) == [(f"conversation of {ada.id}", 1, False)]
    assert ear.texts == ["heard", "missed"]


async def test_a_connection_that_slack_has_us_replace_is_no_gap(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    async with at_door(slack, "Socket Mode", ear, notes):
        await notes.told()
        await slack.sockets.refresh(grace=0.5)
        await slack.until(lambda: len(slack.calls_of("apps.connections.open")) == 2 and slack.sockets.count == 1)
        await asyncio.sleep(0.2)
    assert len(slack.calls_of(HISTORY)) == 1


async def test_while_the_store_is_away_no_connection_is_made(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    notes.trouble = [Retry("the database is away", 0.1)]
    with pytest.raises(Retry):
        async with at_door(slack, "Socket Mode", ear, notes):
            pass
    assert slack.sockets.count == 0
    async with at_door(slack, "Socket Mode", ear, notes):
        await notes.told()
        notes.trouble = [Retry("the database is away", 0.1), Retry("the database is away", 0.1)]
        await slack.sockets.cut()
        ada.writes_unheard("missed")
        await notes.told()
    assert ear.texts == ["missed"] and notes.trouble == []
