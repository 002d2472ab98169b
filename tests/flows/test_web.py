"""A customer on the web chat, an agent at the console, everything between them real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from tests.flows.agent import Agent
from tests.flows.conftest import DEMO
from tests.flows.installation import Browserless, Installation

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[[], Awaitable[Browserless]]
MUG = {"photo": ("mug.jpg", (DEMO / "photos" / "test-mug.jpg").read_bytes(), "image/jpeg")}


def turns_of(shop: Installation, chat: str) -> list[dict[str, object]]:
    """Decision and question of each turn of a chat, oldest first."""
    query = (
        "SELECT t.decision, t.question, t.prediction FROM turns t JOIN conversations c ON c.id = t.conversation "
        "WHERE c.chat = ? ORDER BY t.id"
    )
    return [
        {name: json.loads(value) if isinstance(value, str) else value for name, value in row.items()}
        for row in shop.rows(query, chat)
    ]


async def test_a_typed_question_gets_the_right_answer_after_a_welcome(web: Open) -> None:
    ada = await web()
    await ada.says("my mug came broken, what now?")
    (line,) = await ada.hears()
    # The first words say that this is a machine, and how to reach a person.
    assert line["text"].startswith("Hi! I'm the automated assistant of **Northwind Outdoor**")
    assert "talk to a person" in line["text"]
    assert "Sorry about that" in line["text"]
    assert [choice["label"] for choice in line["choices"]] == ["That's not it"]
    # The second answer comes without a welcome.
    await ada.says("where is my order please?")
    second = (await ada.hears(2))[1]
    assert second["text"].startswith("You can follow every parcel on [your tracking page]")
    assert "<a href=" in second["html"]


async def test_a_photo_alone_and_a_screenshot_pick_their_entries(web: Open, agent: Agent, shop: Installation) -> None:
    ada = await web()
    await ada.says(files=MUG)
    (line,) = await ada.hears()
    assert "Sorry about that" in line["text"]
    screenshot = (DEMO / "photos" / "test-tracking.jpg").read_bytes()
    await ada.says("zebra screenshot", files={"photo": ("shot.jpg", screenshot, "image/jpeg")})
    assert "your tracking page" in (await ada.hears(2))[1]["text"]
    # The agent sees what was read in the picture.
    id = await agent.finds("zebra screenshot")
    page = await agent.sees(id, "Read in the photo")
    assert "Track your order" in page
    assert page.count("<img src=") >= 2
    entries = [turn["decision"]["entry"] for turn in turns_of(shop, ada.id)]  # type: ignore[index]
    assert entries == ["return-damaged", "track-order"]


async def test_a_voice_note_picks_its_entry_and_the_desk_shows_its_words(web: Open, agent: Agent) -> None:
    ada = await web()
    note = (DEMO / "voice" / "password.ogg").read_bytes()
    await ada.says(files={"voice": ("note.ogg", note, "audio/ogg")})
    (line,) = await ada.hears()
    assert "Forgot password" in line["text"]
    await ada.says("quagga, thank you very much!")
    await ada.hears(2)
    page = await agent.sees(await agent.finds("quagga"), "into my account")
    assert "<voice-note src=" in page


async def test_a_voice_note_that_could_mean_more_is_settled_by_a_tap(web: Open, shop: Installation) -> None:
    ada = await web()
    note = (DEMO / "voice" / "wheres-my-order.ogg").read_bytes()
    await ada.says(files={"voice": ("note.ogg", note, "audio/ogg")})
    (line,) = await ada.hears()
    (turn,) = turns_of(shop, ada.id)
    assert "where my order is" in turn["prediction"]["transcript"]  # type: ignore[index]
    if "your tracking page" not in line["text"]:
        await ada.taps("Where is my order?")
        line = (await ada.hears(2))[1]
    assert "your tracking page" in line["text"]


async def test_a_photo_and_the_question_that_follows_are_one_turn(web: Open, shop: Installation) -> None:
    ada = await web()
    await ada.says(files=MUG)
    await asyncio.sleep(0.7)
    await ada.says("i would like to cancel the order it came with")
    (line,) = await ada.hears()
    await asyncio.sleep(1.0)
    assert len(await ada.told()) == 1
    (turn,) = turns_of(shop, ada.id)
    assert len(turn["question"]["photos"]) == 1  # type: ignore[index]
    assert turn["question"]["text"] == "i would like to cancel the order it came with"  # type: ignore[index]
    assert line["choices"]


async def test_several_photos_at_once_are_one_turn(web: Open, shop: Installation) -> None:
    ada = await web()
    shards = (DEMO / "photos" / "test-mug-shards.jpg").read_bytes()
    files = [MUG["photo"], ("shards.jpg", shards, "image/jpeg")]
    await ada.says("my mug came broken, what now?", files=[("photo", one) for one in files])
    (line,) = await ada.hears()
    assert "Sorry about that" in line["text"]
    (turn,) = turns_of(shop, ada.id)
    assert len(turn["question"]["photos"]) == 2  # type: ignore[index]


async def test_a_person_is_asked_claims_answers_and_hands_back(web: Open, agent: Agent) -> None:
    # Given a customer who wants a person, as the very first thing
    ada = await web()
    await ada.says("I want a person please.")
    (line,) = await ada.hears()
    told = ("I've asked a colleague to take over", "I've passed this on, but nobody is here right now")
    assert any(sentence in line["text"] for sentence in told)
    assert [choice["label"] for choice in line["choices"]] == ["Ask the bot instead"]
    # What is said meanwhile joins the request, and is acknowledged once.
    await ada.says("Where is my order with the okapi?")
    assert "added this to your request" in (await ada.hears(2))[1]["text"]
    id = await agent.finds("okapi")
    assert "Take over" in await agent.page(id)
    # When an agent takes over
    await agent.does(id, "claim")
    assert (await ada.hears(3))[2]["text"] == "Admin is here for you now."
    # Then the bot is silent, and what it would have said is a draft
    await ada.says("how do i cancel my order?")
    await agent.sees(id, "No problem. As long as the order says")
    assert "The bot would have said" in await agent.page(id)
    assert len(await ada.told()) == 3
    # and the agent's words arrive, a note of theirs does not
    await agent.does(id, "note", text="a difficult one")
    await agent.does(id, "say", text="Hello Ada, I am looking into it.")
    spoken = (await ada.hears(4))[3]
    assert (spoken["text"], spoken["from"], spoken["name"]) == ("Hello Ada, I am looking into it.", "agent", "Admin")
    # When it is handed back, the customer is told and the bot answers again
    await agent.does(id, "hand-back")
    assert "The automated assistant is back" in (await ada.hears(5))[4]["text"]
    await ada.says("how do i cancel my order?")
    assert (await ada.hears(6))[5]["text"].startswith("No problem. As long as the order says")
    assert len(await ada.told()) == 6


async def test_the_console_takes_nothing_without_the_pages_token(web: Open, agent: Agent) -> None:
    ada = await web()
    await ada.says("I want a person please.")
    await ada.hears()
    await ada.says("It is about my tapir, you know.")
    await ada.hears(2)
    id = await agent.finds("tapir")
    stranger = Agent(str(agent.http.base_url))
    try:
        assert (await stranger.moves(id, "claim")).status_code == 401
        assert "Log in" in (await stranger.http.get(f"/console/desk/{id}")).text
        stranger.http.cookies = agent.http.cookies
        assert (await stranger.moves(id, "claim")).status_code == 403
    finally:
        await stranger.close()
    # An agent who has not claimed may not write.
    assert (await agent.moves(id, "say", text="hello")).status_code in (400, 409, 422)
    assert len(await ada.told()) == 2


async def test_what_is_out_of_scope_is_not_answered_and_the_second_time_a_human_is_asked(web: Open) -> None:
    ada = await web()
    await ada.says("write me a poem about the sea")
    (line,) = await ada.hears()
    assert "I'm not sure I have the right answer" in line["text"] or "I don't have an answer" in line["text"]
    assert "Talk to a person" in [choice["label"] for choice in line["choices"]]
    await ada.says("who won the world cup in 1998?")
    second = (await ada.hears(2))[1]
    assert [choice["label"] for choice in second["choices"]] == ["Ask the bot instead"]
    # The customer may change their mind.
    await ada.taps("Ask the bot instead")
    assert "The automated assistant is back" in (await ada.hears(3))[2]["text"]
    await ada.says("where is my order please?")
    assert "your tracking page" in (await ada.hears(4))[3]["text"]


async def test_two_close_candidates_are_asked_about(web: Open, shop: Installation) -> None:
    ada = await web()
    await ada.says("damaged!")
    (line,) = await ada.hears()
    assert "did you mean one of these?" in line["text"]
    labels = [choice["label"] for choice in line["choices"]]
    assert labels[-1] == "None of these" and "My item arrived damaged, what now?" in labels
    await ada.taps("My item arrived damaged, what now?")
    assert "Sorry about that" in (await ada.hears(2))[1]["text"]
    labels = shop.rows(
        "SELECT l.kind, l.entry FROM labels l JOIN conversations c ON c.id = l.conversation WHERE c.chat = ?", ada.id
    )  # type: ignore[assignment]
    assert labels == [{"kind": "chosen", "entry": "return-damaged"}]  # type: ignore[comparison-overlap]


async def test_that_is_not_it_offers_the_next_candidates_then_a_human(web: Open, shop: Installation) -> None:
    ada = await web()
    await ada.says("my mug came broken, what now?")
    await ada.hears()
    await ada.taps("That's not it")
    second = (await ada.hears(2))[1]
    labels = [choice["label"] for choice in second["choices"]]
    assert "My item arrived damaged, what now?" not in labels
    assert labels[-2:] == ["None of these", "Talk to a person"]
    await ada.taps("None of these")
    third = (await ada.hears(3))[2]
    assert [choice["label"] for choice in third["choices"]] == ["Ask the bot instead"]
    kinds = shop.rows(
        "SELECT l.kind FROM labels l JOIN conversations c ON c.id = l.conversation WHERE c.chat = ? ORDER BY l.id",
        ada.id,
    )
    assert [row["kind"] for row in kinds] == ["wrong", "none_of_these"]


async def test_the_conversation_counts(web: Open, shop: Installation) -> None:
    ada = await web()
    await ada.says("do you deliver to switzerland?")
    await ada.hears()
    await ada.says("and to norway?")
    await ada.hears(2)
    turns = turns_of(shop, ada.id)
    assert turns[1]["question"]["history"] == ["do you deliver to switzerland?"]  # type: ignore[index]
    assert turns[1]["prediction"]["candidates"][0]["entry"] == "delivery-abroad"  # type: ignore[index]


async def test_what_cannot_be_read_is_named(web: Open) -> None:
    ada = await web()
    await ada.says(files={"photo": ("empty.jpg", b"", "image/jpeg")})
    assert "arrived empty" in (await ada.hears())[0]["text"]
    torn = MUG["photo"][1][:2000]
    await ada.says("my mug came broken, what now?", files={"photo": ("torn.jpg", torn, "image/jpeg")})
    line = (await ada.hears(2))[1]
    assert "damaged, I couldn't open it" in line["text"] and "Sorry about that" in line["text"]


async def test_a_repeated_message_changes_nothing(web: Open) -> None:
    ada = await web()
    for _ in range(2):
        answer = await ada.http.post(
            f"/api/v1/conversations/{ada.id}/messages",
            data={"client_id": "twice", "text": "where is my order please?"},
        )
        assert answer.status_code == 202
    await ada.hears()
    await asyncio.sleep(0.5)
    assert len(await ada.told()) == 1
