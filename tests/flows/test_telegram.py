"""Customers on Telegram, by polling, with python-telegram-bot's own client and the real models behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from tests.fakes.telegram import Customer, FakeTelegram
from tests.fakes.telegram.markup import units
from tests.flows.agent import Agent
from tests.flows.conftest import DEMO, LONG_QUESTION
from tests.flows.installation import PATIENT, Installation

pytestmark = pytest.mark.asyncio(loop_scope="session")

MUG = (DEMO / "photos" / "test-mug.jpg").read_bytes()


@pytest.fixture(autouse=True)
def liked(telegram: FakeTelegram, shop: Installation) -> Iterator[None]:
    """What the real platform would swallow although it is our mistake fails the test that made it."""
    before = len(telegram.complaints)
    yield
    assert telegram.complaints[before:] == []


def turns_of(shop: Installation, chat: int) -> list[dict[str, object]]:
    query = (
        "SELECT t.question FROM turns t JOIN conversations c ON c.id = t.conversation WHERE c.chat = ? ORDER BY t.id"
    )
    return [json.loads(row["question"]) for row in shop.rows(query, str(chat)) if row["question"]]


async def greeted(telegram: FakeTelegram, name: str = "Ada") -> Customer:
    customer = telegram.customer(name)
    await customer.starts()
    await customer.hears("automated assistant", timeout=PATIENT)
    return customer


async def test_start_says_who_is_there_and_how_to_reach_a_person(telegram: FakeTelegram, shop: Installation) -> None:
    ada = telegram.customer("Ada")
    await ada.starts()
    one = await ada.hears("automated assistant", timeout=PATIENT)
    assert one.buttons == ("Talk to a person",)
    assert ("bold", "Northwind Outdoor") in one.styled
    await ada.says("where is my order please?")
    answer = await ada.hears("You can follow every parcel", timeout=PATIENT)
    assert ("text_link", "your tracking page", "https://example.com/track") in answer.styled
    assert answer.buttons == ("That's not it",)


async def test_a_photo_with_its_caption(telegram: FakeTelegram, shop: Installation) -> None:
    ada = await greeted(telegram)
    await ada.sends_photo(MUG, caption="what do i do with this mug?")
    await ada.hears("Sorry about that", timeout=PATIENT)
    (question,) = turns_of(shop, ada.id)
    assert len(question["photos"]) == 1 and question["text"] == "what do i do with this mug?"  # type: ignore[arg-type]


async def test_an_album_is_one_turn_with_one_answer(telegram: FakeTelegram, shop: Installation) -> None:
    ada = await greeted(telegram)
    names = ("test-mug.jpg", "test-mug-shards.jpg", "test-plate.jpg")
    await ada.album(
        [(DEMO / "photos" / name).read_bytes() for name in names],
        caption="these came broken, what now?",
        caption_on=1,
    )
    await ada.hears("Sorry about that", timeout=PATIENT)
    await ada.hears_nothing(1.0)
    (question,) = turns_of(shop, ada.id)
    assert len(question["photos"]) == 3  # type: ignore[arg-type]


async def test_a_voice_note(telegram: FakeTelegram, shop: Installation, agent: Agent) -> None:
    ada = await greeted(telegram)
    await ada.sends_voice((DEMO / "voice" / "sunday.ogg").read_bytes(), seconds=2)
    heard = await ada.hears("Sunday", timeout=PATIENT)
    assert heard.buttons == ("That's not it",)
    await ada.says("thank you, dear narwhal!")
    await ada.hears(timeout=PATIENT)
    await agent.sees(await agent.finds("narwhal"), "Are your stores open on Sundays?")


async def test_a_tap_is_answered_at_once_and_acted_upon(telegram: FakeTelegram, shop: Installation) -> None:
    ada = await greeted(telegram)
    await ada.says("damaged!")
    asked = await ada.hears("did you mean one of these?", timeout=PATIENT)
    assert asked.buttons[-1] == "None of these"
    query = await ada.taps("My item arrived damaged, what now?")
    await ada.hears("Sorry about that", timeout=PATIENT)
    await telegram.until(lambda: query.answered, PATIENT)


async def test_an_edit_before_the_answer_is_what_is_answered(telegram: FakeTelegram, shop: Installation) -> None:
    ada = await greeted(telegram)
    message = await ada.says("my parcel")
    await ada.edits(message, "how do i cancel my order?")
    await ada.hears("As long as the order says", timeout=PATIENT)
    await ada.hears_nothing(1.5)
    (question,) = turns_of(shop, ada.id)
    assert question["text"] == "how do i cancel my order?"


async def test_what_we_cannot_read_gets_a_friendly_sentence(telegram: FakeTelegram, shop: Installation) -> None:
    ada = await greeted(telegram)
    await ada.sends_sticker()
    await ada.hears("Nice sticker!", timeout=PATIENT)
    await ada.sends_document(b"tiny", mime="image/jpeg", name="panorama.jpg", size=21 * 1024 * 1024)
    await ada.hears("too large for me", timeout=PATIENT)
    await ada.sends_location()
    await ada.hears("can't read maps", timeout=PATIENT)
    await ada.sends_document(b"%PDF-1.7 ...", mime="application/pdf", name="invoice.pdf")
    await ada.hears("can't open documents", timeout=PATIENT)
    assert not [call for call in telegram.calls_of("getFile") if "panorama" in str(call.arguments)]


async def test_in_a_group_only_what_is_addressed_to_the_bot_counts(
    telegram: FakeTelegram, shop: Installation, agent: Agent
) -> None:
    # Given a group whose talk the bot is told of
    group = telegram.group("Hikers", bot_is_admin=True)
    ada, bob = telegram.customer("Ada"), telegram.customer("Bob")
    # When people talk to each other, nothing is said and nothing is kept
    await bob.says("where is my order, dear axolotl?", chat=group)
    await telegram.settled(PATIENT)
    await bob.hears_nothing(1.0, chat=group)
    assert await agent.found("axolotl") == []
    # When somebody names the bot, it answers
    await ada.mentions("where is my order please?", chat=group)
    await ada.hears("You can follow every parcel", timeout=PATIENT, chat=group)
    # and what is talked of afterwards is not its business again.
    await bob.says("how do i cancel my order?", chat=group)
    await ada.says("does anybody know when they close?", chat=group)
    await telegram.settled(PATIENT)
    await ada.hears_nothing(1.0, chat=group)


async def test_a_customer_who_blocks_the_bot_is_known_to_the_desk(
    telegram: FakeTelegram, shop: Installation, agent: Agent
) -> None:
    ada = await greeted(telegram)
    await ada.says("where is my order with the pangolin?")
    await ada.hears(timeout=PATIENT)
    await ada.blocks_bot()
    await agent.sees(await agent.finds("pangolin"), "has blocked the bot")
    await ada.unblocks_bot()
    await ada.says("how do i cancel my order?")
    await ada.hears("As long as the order says", timeout=PATIENT)


async def test_a_very_long_answer_is_split(telegram: FakeTelegram, shop: Installation) -> None:
    ada = await greeted(telegram)
    await ada.says(LONG_QUESTION)
    await ada.sees("Clause 49.", timeout=PATIENT)
    parts = [one for one in ada.seen if one.by_bot and "Clause" in one.text]
    assert len(parts) >= 3
    assert all(units(one.text) <= 4096 for one in parts)
    whole = "\n".join(one.text for one in parts)
    assert [f"Clause {number}." in whole for number in range(1, 50)] == [True] * 49
    assert whole.index("Clause 1.") < whole.index("Clause 25.") < whole.index("Clause 49.")
    assert sum(len([mark for mark in one.styled if mark[0] == "text_link"]) for one in parts) == 49
    # The buttons stand under the last part only.
    assert [one.buttons for one in parts] == [()] * (len(parts) - 1) + [("That's not it",)]


async def test_a_person_is_asked_and_an_agent_answers(telegram: FakeTelegram, shop: Installation, agent: Agent) -> None:
    ada = await greeted(telegram)
    await ada.says("/human")
    asked = await ada.hears(timeout=PATIENT)
    assert asked.buttons == ("Ask the bot instead",)
    await ada.says("It is about my ocelot, you know.")
    await ada.hears("added this to your request", timeout=PATIENT)
    id = await agent.finds("ocelot")
    await agent.does(id, "claim")
    await ada.hears("Admin is here for you now.", timeout=PATIENT)
    await ada.says("where is my order please?")
    await agent.does(id, "say", text="It is **on its way**.")
    answer = await ada.hears(timeout=PATIENT)
    assert answer.text.endswith("It is on its way.") and ("bold", "on its way") in answer.styled
    await agent.does(id, "resolve")
    await ada.hears("closed now", timeout=PATIENT)


async def test_an_update_that_comes_twice_is_answered_once(telegram: FakeTelegram, shop: Installation) -> None:
    ada = await greeted(telegram)
    telegram.duplicate_next(3)
    await ada.says("where is my order please?")
    await ada.hears("You can follow every parcel", timeout=PATIENT)
    await telegram.settled(PATIENT)
    await ada.hears_nothing(1.0)


async def test_two_customers_do_not_wait_for_each_other(telegram: FakeTelegram, shop: Installation) -> None:
    ada, bob = await greeted(telegram, "Ada"), await greeted(telegram, "Bob")
    # Ada's photo is waited for (something may follow it) while Bob is answered.
    await ada.sends_photo(MUG)
    await bob.says("where is my order please?")
    await bob.hears("You can follow every parcel", timeout=PATIENT)
    assert not [one for one in ada.seen if "Sorry about that" in one.text]
    await asyncio.gather(ada.hears("Sorry about that", timeout=PATIENT))
