"""A turn from event to words, over the real store."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import pytest
from PIL import Image

from core.asking import Prediction, Question
from core.errors import BrainGone, Throttled
from core.store.trouble import Conflict
from core.values import Address, Attachment, AttachmentKind, Author, Call, EventKind, Problem, Reply, Role
from tests.core.conftest import Road
from tests.fakes.house import sure

WHOLE = "where is my order please?"
ASK_AGAIN = "My last message may not have reached you. If an answer is missing, please ask again and I'll repeat it."


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


async def test_a_question_is_answered_once_with_the_welcome_before_it(road: Road) -> None:
    await road.customer().says(WHOLE)
    await road.settle()
    assert len(road.platform.seen["c1"]) == 1
    text = road.platform.texts("c1")[0]
    assert "automated assistant" in text
    assert text.endswith("See the tracking page.")
    assert road.platform.button("c1", "That's not it")


async def test_the_same_event_four_times_is_answered_once(road: Road) -> None:
    customer = road.customer()
    event = customer.event(WHOLE)
    heard = await asyncio.gather(*(road.hearing.hear(event) for _ in range(4)))
    await road.settle()
    assert heard == [True] * 4
    assert len(road.platform.seen["c1"]) == 1
    assert len(road.brain.asked) == 1


async def test_two_messages_in_a_row_are_answered_in_order(road: Road) -> None:
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    road.brain.think = lambda question: sure(question, "opening-hours")
    await customer.says("when are you open today?")
    await road.settle()
    assert [text.split("\n")[-1] for text in road.platform.texts("c1")] == ["See the tracking page.", "Nine to five."]
    assert road.brain.asked[-1].history == (WHOLE,)


async def test_a_slow_chat_never_delays_another(road: Road) -> None:
    # Given a brain that hangs on the first chat
    gate = asyncio.Event()
    quick = road.brain.ask

    async def ask(question):  # type: ignore[no-untyped-def]
        if question.text.startswith("slow"):
            await gate.wait()
        return await quick(question)

    road.brain.ask = ask  # type: ignore[method-assign]
    await road.customer("slow").says("slow question for the bot?")
    await road.customer("fast").says(WHOLE)
    # Then the other chat is answered meanwhile
    await road.until(lambda: road.platform.texts("fast"))
    assert not road.platform.texts("slow")
    gate.set()
    await road.settle()
    assert road.platform.texts("slow")


async def test_photo_then_question_is_one_turn(road: Road) -> None:
    road.platform.files["p1"] = png()
    customer = road.customer()
    await customer.says("", attachments=(Attachment(AttachmentKind.PHOTO, ref="p1"),))
    await asyncio.sleep(0.1)
    await customer.says("my mug came broken, what now?")
    await road.settle()
    assert len(road.brain.asked) == 1
    asked = road.brain.asked[0]
    assert asked.text == "my mug came broken, what now?"
    assert len(asked.photos) == 1 and road.store.blobs.exists(asked.photos[0])


async def test_what_arrives_while_the_worker_thinks_supersedes_the_answer(road: Road) -> None:
    road.brain.gate = asyncio.Event()
    customer = road.customer()
    await customer.says(WHOLE)
    await road.until(lambda: road.brain.asked)
    await customer.says("I mean the order of last week?")
    await road.until(lambda: len(road.brain.asked) == 2)
    road.brain.gate.set()
    await road.settle()
    assert len(road.platform.seen["c1"]) == 1
    assert road.brain.asked[1].text == f"{WHOLE}\nI mean the order of last week?"


async def test_what_cannot_be_read_is_named_and_never_silence(road: Road) -> None:
    sticker = Attachment(AttachmentKind.OTHER, problem=Problem.STICKER)
    await road.customer().says("", attachments=(sticker,))
    await road.settle()
    assert "sticker" in road.platform.texts("c1")[0]
    assert not road.brain.asked


async def test_a_file_that_is_html_is_named_beside_the_answer(road: Road) -> None:
    road.platform.files["p1"] = b"<!DOCTYPE html><html><body>log in</body></html>"
    await road.customer().says(WHOLE, attachments=(Attachment(AttachmentKind.PHOTO, ref="p1"),))
    await road.settle()
    text = road.platform.texts("c1")[0]
    assert "See the tracking page." in text
    assert "can't open documents" in text
    assert road.brain.asked[0].photos == ()


async def test_clarify_then_a_tap_answers(road: Road) -> None:
    def unsure(question):  # type: ignore[no-untyped-def]
        return replace(sure(question, "track-order", 0.6, "opening-hours"), rivals=("opening-hours",))

    road.brain.think = unsure
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    assert "Did you mean" in road.platform.texts("c1")[0]
    await customer.taps(road.platform.button("c1", "When are you open?"))
    await road.settle()
    assert road.platform.texts("c1")[1] == "Nine to five."
    labels = await road.store.read(lambda tx: tx.labels.list())
    assert [(label.kind, label.entry) for label in labels] == [("chosen", "opening-hours")]


async def test_thats_not_it_offers_the_next_then_a_person(road: Road) -> None:
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    await customer.taps(road.platform.button("c1", "That's not it"))
    await road.settle()
    assert road.platform.button("c1", "When are you open?")
    await customer.taps(road.platform.button("c1", "None of these"))
    await road.settle()
    assert (await road.conversation()).owner == "desk"
    assert [label.kind for label in await road.store.read(lambda tx: tx.labels.list())] == ["wrong", "none_of_these"]


async def test_the_second_miss_in_a_row_asks_for_a_human(road: Road) -> None:
    road.brain.think = lambda question: sure(question, "track-order", 0.05, "opening-hours")
    customer = road.customer()
    await customer.says("write me a poem please?")
    await road.settle()
    assert road.platform.button("c1", "Talk to a person")
    assert (await road.conversation()).owner == "bot"
    await customer.says("no, a poem about cats?")
    await road.settle()
    assert (await road.conversation()).owner == "desk"
    assert "colleague" in road.platform.texts("c1")[1]


async def test_handoff_as_the_very_first_message_is_told(road: Road) -> None:
    road.brain.think = lambda question: replace(sure(question, "track-order", 0.1), builtin="person")
    await road.customer().says("I want a person, please!")
    await road.settle()
    assert "colleague" in road.platform.texts("c1")[0]
    waiting = await road.store.read(lambda tx: tx.desk.waiting())
    assert [one.handoff.reason for one in waiting] == ["asked"]


async def test_no_worker_means_a_human_and_the_customer_is_told(road: Road) -> None:
    road.brain.think = lambda question: BrainGone("nobody there")
    await road.customer().says(WHOLE)
    await road.settle()
    assert "isn't working" in road.platform.texts("c1")[0]
    assert (await road.conversation()).reason == "brain"
    assert len(road.brain.asked) == 3


async def test_a_photo_that_kills_a_worker_kills_it_once(road: Road) -> None:
    road.platform.files["p1"] = png()

    def think(question) -> Prediction | BrainGone:  # type: ignore[no-untyped-def]
        return BrainGone("died", held=True) if question.photos else sure(question, "track-order")

    road.brain.think = think
    await road.customer().says(WHOLE, attachments=(Attachment(AttachmentKind.PHOTO, ref="p1"),))
    await road.settle()
    assert [bool(asked.photos) for asked in road.brain.asked] == [True, False]
    text = road.platform.texts("c1")[0]
    assert "See the tracking page." in text
    assert "damaged" in text  # the answer does not pretend to have seen the photo


async def test_waiting_customers_get_one_receipt_and_can_have_the_bot_back(road: Road) -> None:
    customer = road.customer()
    await customer.says("/human", command="human")
    await road.settle()
    await customer.says("are you still there?")
    await customer.says("hello? anybody at all?")
    await road.settle()
    assert len(road.platform.texts("c1")) == 2  # the handoff, and one receipt
    await customer.taps(road.platform.button("c1", "Ask the bot instead"))
    await customer.says(WHOLE)
    await road.settle()
    assert road.platform.texts("c1")[-1].endswith("See the tracking page.")


async def test_an_entry_that_escalates_answers_then_hands_over(road: Road) -> None:
    road.brain.think = lambda question: sure(question, "warranty")
    await road.customer().says("I want to claim the warranty!")
    await road.settle()
    assert "Two years." in road.platform.texts("c1")[0]
    assert "colleague" in road.platform.texts("c1")[1]


async def test_a_throttled_platform_gets_it_later_and_once(road: Road) -> None:
    road.platform.trouble.append(Throttled("slow down", after=0.05))
    await road.customer().says(WHOLE)
    await road.until(lambda: road.platform.texts("c1"))
    await road.settle()
    assert len(road.platform.texts("c1")) == 1


async def test_an_edit_before_the_answer_is_what_is_asked(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.quiet._FRAGMENT", 6.0)  # the edit comes before that on any machine
    customer = road.customer()
    event = await customer.says("order")  # a fragment: the lane waits for more
    await customer.says("where is my parcel now?", kind=EventKind.EDITED, message=event.message)
    await road.settle()
    assert [asked.text for asked in road.brain.asked] == ["where is my parcel now?"]


async def test_an_edit_that_changes_nothing_is_not_answered_again(road: Road) -> None:
    customer = road.customer()
    event = await customer.says(WHOLE)
    await road.settle()
    await customer.says(WHOLE, kind=EventKind.EDITED, message=event.message)
    await road.settle()
    assert len(road.platform.texts("c1")) == 1


async def test_a_restart_asks_again_what_was_never_answered(road: Road) -> None:
    # Given an event that was committed, and a gateway that stopped before anybody looked
    await road.store.write(
        lambda tx: tx.ledger.remember(road.customer().event(WHOLE), 86_400_000, "default", "default")
    )
    await road.answering.recover()
    await road.settle()
    assert road.platform.texts("c1")[0].endswith("See the tracking page.")


async def test_what_fails_for_a_reason_nobody_foresaw_goes_to_a_human_and_is_told(road: Road) -> None:
    def explode(question):  # type: ignore[no-untyped-def]
        raise ZeroDivisionError("nobody foresaw this")

    road.brain.think = explode
    await road.customer().says(WHOLE)
    await road.until(lambda: road.platform.texts("c1"))
    assert "isn't working" in road.platform.texts("c1")[0]
    assert (await road.conversation()).owner == "desk"
    assert await road.store.read(lambda tx: tx.ledger.unanswered()) == ()


async def test_a_row_that_changes_again_and_again_does_not_leave_the_customer_in_silence(road: Road) -> None:
    render = road.platform.render
    left = 3

    def refuse(address: Address, reply: Reply) -> tuple[Call, ...]:
        nonlocal left
        left -= 1
        if left >= 0:
            raise Conflict("somebody else changed the row")
        return render(address, reply)

    road.platform.render = refuse  # type: ignore[method-assign]
    await road.customer().says(WHOLE)
    await road.until(lambda: road.platform.texts("c1"))
    assert (await road.conversation()).owner == "desk"


async def test_the_same_answer_twice_in_a_row_offers_a_person(road: Road) -> None:
    customer = road.customer()
    road.platform.files["one"] = png()
    await customer.says(WHOLE)
    await road.settle()
    await customer.says("this one, please", attachments=(Attachment(AttachmentKind.PHOTO, ref="one"),))
    await road.settle()
    first, second = road.platform.texts("c1")
    assert first.endswith("See the tracking page.")
    assert second == "That is all I can say about this myself. Shall a person look at it?"
    assert road.platform.button("c1", "Talk to a person")
    # Later the answer is worth repeating
    road.clock.ahead += 3600 * 1000
    await customer.says(WHOLE)
    await road.settle()
    assert road.platform.texts("c1")[-1] == "See the tracking page."


async def test_a_foreign_language_is_named_at_the_second_miss_too(road: Road) -> None:
    def think(question: Question) -> Prediction:
        foreign = question.text.startswith("¿")
        return replace(sure(question, "track-order", 0.01), spoken=not foreign, language="es" if foreign else "en")

    road.brain.think = think
    customer = road.customer()
    await customer.says("colourless green ideas sleep?")
    await road.settle()
    await customer.says("¿Dónde está mi pedido?")
    await road.settle()
    assert "can't answer in español" in road.platform.texts("c1")[-1]
    assert (await road.conversation()).owner == "desk"


async def test_a_block_that_is_heard_late_silences_nobody_who_writes(road: Road) -> None:
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    await road.hearing.hear(customer.event(kind=EventKind.BLOCKED, at=road.clock.now() - 60_000))
    await road.hearing.hear(customer.event(kind=EventKind.BLOCKED, at=road.clock.now() + 1000))
    assert (await road.conversation()).blocked
    await customer.says("and when are you open?")
    await road.settle()
    assert not (await road.conversation()).blocked
    assert len(road.platform.texts("c1")) == 2


async def test_who_blocked_us_when_a_human_came_hears_of_it_later(road: Road) -> None:
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    await road.hearing.hear(customer.event(kind=EventKind.BLOCKED, at=road.clock.now() + 1000))
    id = (await road.conversation()).id
    await road.desk.claim(id, Author("bea", "Bea", role=Role.AGENT))
    await road.hearing.hear(customer.event(kind=EventKind.UNBLOCKED))
    await customer.says("hello, is anybody there?")
    await customer.says("hello again?")
    await road.settle()
    assert road.platform.texts("c1")[1:] == ["Bea is here for you now."]


@pytest.mark.parametrize("command", ["help", "start"])
async def test_a_command_is_for_the_human_who_has_the_word(road: Road, command: str) -> None:
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    await road.desk.claim((await road.conversation()).id, Author("bea", "Bea", role=Role.AGENT))
    await customer.says(f"/{command}", command=command)
    await road.settle()
    assert road.platform.texts("c1")[1:] == ["Bea is here for you now."]


async def test_words_from_long_ago_get_an_apology_and_a_human(road: Road) -> None:
    await road.customer().says(WHOLE, at=road.clock.now() - 3 * 3600 * 1000)
    await road.settle()
    assert "sorry this took so long" in road.platform.texts("c1")[0]
    assert (await road.conversation()).owner == "desk"
    assert not road.brain.asked


async def test_a_double_tap_counts_once(road: Road) -> None:
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    key = road.platform.button("c1", "That's not it")
    await customer.taps(key)
    await customer.taps(key)
    await road.settle()
    assert len(road.platform.texts("c1")) == 2
    assert (await road.conversation()).owner == "bot"


async def test_help_as_the_first_word_says_who_is_speaking_and_a_sticker_is_no_answer(road: Road) -> None:
    road.brain.think = lambda question: sure(question, "track-order", 0.05)
    customer = road.customer()
    await customer.says("/help", command="help")
    await customer.says("write me a poem please?")
    await customer.says("", attachments=(Attachment(AttachmentKind.OTHER, problem=Problem.STICKER),))
    await road.settle()
    texts = road.platform.texts("c1")
    assert "automated assistant" in texts[0] and all("automated assistant" not in text for text in texts[1:])
    assert (await road.conversation()).misses == 1


async def test_without_a_readable_release_a_human_is_asked(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await road.store.read(lambda tx: tx.knowledge.live("default"))
    assert row is not None
    road.store.blobs.delete(row.blob)
    await road.customer().says(WHOLE)
    await road.until(lambda: road.platform.texts("c1"))
    assert "isn't working" in road.platform.texts("c1")[0]
    await road.desk.claim((await road.conversation()).id, Author("mia", "Mia", Role.AGENT))
