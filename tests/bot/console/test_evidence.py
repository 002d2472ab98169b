"""Evidence in words: what decided, what spoke against it, whatever a model put into it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.console.evidence import card, rows
from bot.wiring import House
from core.asking import Prediction, Question
from core.values import Attachment, AttachmentKind
from tests.bot.console.stage import Guest, Thinking, Visit, jpeg
from tests.fakes.house import sure

SHA = "ab" * 32
CARD: dict[str, Any] = {
    "entry": "track-order",
    "confidence": 0.82,
    "answer_at": 0.8,
    "clarify_at": 0.4,
    "competitors": [{"entry": "opening-hours", "score": 0.03}],
    "pieces": [
        {"channel": "text", "words": "order", "at": [12, 17], "without": 0.08, "moved": 0.74},
        {"channel": "voice", "words": "parcel", "at": [0, 6], "seconds": [1.2, 1.9], "without": 0.17, "moved": 0.65},
        {"channel": "ocr", "line": "Shipped", "without": 0.37, "moved": 0.45},
        {"channel": "photo", "example": SHA, "without": 0.65, "moved": 0.17},
        {"channel": "text", "words": "never", "at": [0, 5], "without": 0.86, "moved": -0.04},
        {"channel": "text", "words": "sunday", "at": [20, 26], "without": 0.98, "moved": -0.16},
        {"channel": "text", "words": "the", "at": [6, 9], "without": 0.72, "moved": 0.1},
    ],
}


def test_what_weighs_most_is_named_first_what_hardly_weighs_not_at_all() -> None:
    found = card({"text": {"entry": "track-order"}, "card": CARD})
    assert found is not None and found.enough
    assert [one.words for one in found.backing] == [
        "“order”", "“parcel”, said at about 1.2 to 1.9 s", "“Shipped”, read in the photo", "this example photo",
    ]  # fmt: skip
    assert [one.words for one in found.against] == ["“sunday”"]
    assert (found.backing[0].without, found.backing[3].photo) == (0.08, SHA)
    assert found.competitors == (("opening-hours", 0.03),)


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        ({"channel": "voice", "words": "parcel"}, "“parcel”, heard"),
        ({"channel": "history", "line": "and boots?"}, "“and boots?”, said earlier"),
        ({"channel": "photo", "photo": 2}, "photo 2"),
        ({"channel": "photo", "example": "photos/mug.jpg"}, "the example photo photos/mug.jpg"),
    ],
)
def test_every_piece_has_words(piece: dict[str, Any], words: str) -> None:
    found = card({"card": CARD | {"pieces": [piece | {"without": 0.1, "moved": 0.8}]}})
    assert found is not None and found.backing[0].words == words


async def test_what_decides_together_is_named_together(admin: Visit, house: House) -> None:
    few = [piece | {"without": 0.81, "moved": 0.01} for piece in CARD["pieces"][:3]]
    plain = CARD | {"pieces": few, "together": {"pieces": [0, 1, 2], "without": 0.12}}
    house.brain.think = lambda asked: replace(sure(asked, "track-order"), evidence={"card": plain})  # type: ignore[attr-defined]
    told = " ".join((await admin.post("/console/knowledge/try", data={"text": "my order"})).text.split())
    assert "What decided for <b>Where is my order?</b>, together:" in told
    assert "<b>“Shipped”, read in the photo</b>: <span" in told and "without all of these 12 % sure" in told
    assert card({"card": plain | {"together": {"pieces": [9], "without": 0.1}}}) is None


@pytest.mark.parametrize("odd", [None, {}, {"card": None}, {"card": {"entry": "x"}}, {"card": "new"}, {"card": [1]}])
def test_no_card_is_no_card(odd: dict[str, Any] | None) -> None:
    assert card(odd) is None


def test_the_card_is_no_channel_and_a_row_tells_what_is_left_without_its_channel() -> None:
    (row,) = rows({"text": {"entry": "x", "confidence": 0.9, "without": 0.4}, "card": CARD})
    assert (row.channel, row.without, row.more) == ("typed words", 0.4, ())


def explaining(question: Question) -> Prediction:
    made = sure(question, "track-order", 0.95, "opening-hours")
    channels = {"text": {"confidence": 0.9, "without": 0.11}, "photo": {"confidence": 0.2, "without": 0.93}}
    return replace(made, evidence=channels | ({"card": CARD} if question.explain else {}))


async def test_the_desk_asks_again_only_when_somebody_wants_to_know(agent: Visit, house: House) -> None:
    brain: Thinking = house.brain  # type: ignore[assignment]
    brain.think = explaining
    guest = Guest(house)
    photo = await agent.upload(jpeg())
    await guest.says("where is my order please?", (Attachment(AttachmentKind.PHOTO, blob=photo),))
    id = await guest.id()
    (turn,) = await house.store.read(lambda tx: tx.turns.list(id))
    page = (await agent.get(f"/console/desk/{id}")).text
    assert page.count("What decided?") == 1 and f"/console/desk/{id}/why/{turn.id}" in page
    assert "without it 11 % sure" in page and "without it 93 % sure" in page and "“order”" not in page
    assert not any(question.explain for question in brain.asked)
    told = (await agent.get(f"/console/desk/{id}/why/{turn.id}")).text
    assert "What decided for <b>Where is my order?</b>:" in told
    assert "<b>“order”</b>" in told and "without it 8 % sure" in told and "said at about 1.2 to 1.9 s" in told
    assert "What spoke against it:" in told and f'src="/console/files/{SHA}"' in told
    assert "answers from 80 %, asks back from 40 %" in told and "When are you open? (3 %)" in told
    assert "otherwise today" not in told
    first, again = brain.asked
    assert again == replace(first, id=again.id, deadline=again.deadline, explain=True)
    assert again.id != first.id and (again.text, again.photos) == ("where is my order please?", (photo,))


async def test_the_desk_says_when_the_bot_has_learned_since(agent: Visit, house: House) -> None:
    brain: Thinking = house.brain  # type: ignore[assignment]
    brain.think = explaining
    guest = Guest(house)
    await guest.says("where is my order please?")
    id = await guest.id()
    (turn,) = await house.store.read(lambda tx: tx.turns.list(id))
    brain.think = lambda question: sure(question, "opening-hours", 0.9)
    told = (await agent.get(f"/console/desk/{id}/why/{turn.id}")).text
    assert "otherwise today" in told and "nothing to go by" in told


async def test_what_cannot_be_asked_again_is_said(agent: Visit, house: House, stranger: Visit) -> None:
    guest, other = Guest(house), Guest(house)
    photo = await agent.upload(jpeg())
    await guest.says("where is my order please?", (Attachment(AttachmentKind.PHOTO, blob=photo),))
    await other.says("where is my order please?")
    id = await guest.id()
    (turn,) = await house.store.read(lambda tx: tx.turns.list(id))
    assert (await stranger.get(f"/console/desk/{id}/why/{turn.id}")).status_code == 303
    for wrong in (f"{await other.id()}/why/{turn.id}", f"{id}/why/{id}"):
        answer = await agent.get(f"/console/desk/{wrong}")
        assert answer.status_code == 400 and "no such question any more" in answer.text
    house.store.blobs.delete(photo)
    answer = await agent.get(f"/console/desk/{id}/why/{turn.id}")
    assert answer.status_code == 400 and "not kept any more" in answer.text
