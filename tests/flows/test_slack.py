"""Customers on Slack, in Socket Mode, with Bolt and slack_sdk's own client and the real models behind it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import pytest

from tests.fakes.slack import FakeSlack
from tests.flows.agent import Agent
from tests.flows.conftest import DEMO, LONG_QUESTION
from tests.flows.installation import PATIENT, Installation

pytestmark = pytest.mark.asyncio(loop_scope="session")

MUG = (DEMO / "photos" / "test-mug.jpg").read_bytes()


@pytest.fixture(autouse=True)
def liked(slack: FakeSlack, shop: Installation) -> Iterator[None]:
    """What the real platform would swallow although it is our mistake fails the test that made it."""
    before = len(slack.complaints)
    yield
    assert slack.complaints[before:] == []


def clip(name: str) -> bytes:
    """A voice note as Slack's app records it: AAC in an MP4 file."""
    made = io.BytesIO()
    with av.open(str(DEMO / "voice" / name)) as source, av.open(made, "w", format="mp4") as target:
        stream = target.add_stream("aac", rate=44100, layout="mono")
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return made.getvalue()


async def test_a_direct_message(slack: FakeSlack, shop: Installation) -> None:
    ada = slack.customer("Ada")
    await ada.says("where is my order please?")
    answer = await ada.hears("You can follow every parcel", timeout=PATIENT)
    assert "automated assistant" in answer.shown
    assert "<https://example.com/track|your tracking page>" in answer.shown
    assert answer.buttons == ("That's not it",) and answer.thread_ts == ""
    assert answer.text  # for notifications


async def test_a_mention_is_answered_once_in_its_thread(slack: FakeSlack, shop: Installation) -> None:
    channel = slack.channel("support")
    ada = slack.customer("Ada")
    post = await ada.mentions("where is my order please?", channel=channel)
    answer = await ada.hears("You can follow every parcel", timeout=PATIENT, channel=channel)
    assert answer.thread_ts == post.ts
    await slack.settled(PATIENT)
    await ada.hears_nothing(1.0, channel=channel)
    # What its author writes in the thread counts without a mention; what others say in the channel does not.
    await ada.says("how do i cancel my order?", channel=channel, thread_ts=post.ts)
    second = await ada.hears("As long as the order says", timeout=PATIENT, channel=channel)
    assert second.thread_ts == post.ts
    bob = slack.customer("Bob")
    await bob.says("how do i cancel my order?", channel=channel)
    await ada.hears_nothing(1.0, channel=channel)


async def test_a_shared_photo(slack: FakeSlack, shop: Installation) -> None:
    ada = slack.customer("Ada")
    await ada.shares_photo(MUG, "what do i do with this mug?")
    await ada.hears("Sorry about that", timeout=PATIENT)


async def test_an_audio_clip_that_calls_itself_a_video(slack: FakeSlack, shop: Installation, agent: Agent) -> None:
    ada = slack.customer("Ada")
    await ada.shares_clip(clip("password.ogg"), mime="video/mp4")
    answer = await ada.hears("password", timeout=PATIENT)
    assert answer.buttons == ("That's not it",)
    await ada.says("thank you, dear wombat!")
    await ada.hears(timeout=PATIENT)
    await agent.sees(await agent.finds("wombat"), "I can&#39;t remember my password")


async def test_a_tapped_button(slack: FakeSlack, shop: Installation) -> None:
    ada = slack.customer("Ada")
    await ada.says("damaged!")
    asked = await ada.hears("did you mean one of these?", timeout=PATIENT)
    assert asked.buttons[-1] == "None of these"
    tap = await ada.taps("My item arrived damaged, what now?")
    await ada.hears("Sorry about that", timeout=PATIENT)
    await slack.until(lambda: tap.acked is not None, PATIENT)
    assert tap.acked


async def test_an_edit_before_the_answer_is_what_is_answered(slack: FakeSlack, shop: Installation) -> None:
    ada = slack.customer("Ada")
    post = await ada.says("my parcel")
    await ada.edits(post, "how do i cancel my order?")
    await ada.hears("As long as the order says", timeout=PATIENT)
    await ada.hears_nothing(1.5)


async def test_a_login_page_instead_of_the_file_is_said_to_the_customer(slack: FakeSlack, shop: Installation) -> None:
    # Given an app that was installed without files:read, for which Slack serves its login page with status 200
    slack.workspace.scopes.discard("files:read")
    try:
        ada = slack.customer("Ada")
        await ada.shares_photo(MUG, "what do i do with this mug?")
        await ada.hears("not allowed to open files here", timeout=PATIENT)
    finally:
        slack.workspace.scopes.add("files:read")


async def test_four_deliveries_of_one_event_are_answered_once(slack: FakeSlack, shop: Installation) -> None:
    ada = slack.customer("Ada")
    slack.duplicate_next(4)
    await ada.says("where is my order please?")
    await ada.hears("You can follow every parcel", timeout=PATIENT)
    await slack.settled(PATIENT)
    await ada.hears_nothing(1.0)


async def test_a_very_long_answer_arrives_whole(slack: FakeSlack, shop: Installation) -> None:
    ada = slack.customer("Ada")
    await ada.says(LONG_QUESTION)
    await ada.sees("Clause 49.", timeout=PATIENT)
    whole = "\n".join(one.shown for one in ada.seen if one.by_bot)
    assert [f"Clause {number}." in whole for number in range(1, 50)] == [True] * 49


async def test_a_person_is_asked_and_an_agent_answers(slack: FakeSlack, shop: Installation, agent: Agent) -> None:
    ada = slack.customer("Ada")
    await ada.says("I want a person please.")
    asked = await ada.hears(timeout=PATIENT)
    assert asked.buttons == ("Ask the bot instead",)
    await ada.says("It is about my numbat, you know.")
    await ada.hears("added this to your request", timeout=PATIENT)
    id = await agent.finds("numbat")
    await agent.does(id, "claim")
    await ada.hears("Admin is here for you now.", timeout=PATIENT)
    await agent.does(id, "say", text="It is **on its way**.")
    await ada.hears("It is *on its way*.", timeout=PATIENT)
    await agent.does(id, "hand-back")
    await ada.hears("The automated assistant is back", timeout=PATIENT)
