"""Files on the whole road: what is shown while they come, what becomes of those that harm."""

from __future__ import annotations

import asyncio

from core.answering import Answering
from core.asking import Prediction, Question
from core.errors import BrainGone
from core.values import Attachment, AttachmentKind
from tests.core.conftest import Road
from tests.core.test_road import WHOLE, png
from tests.fakes.house import sure

PHOTO = (Attachment(AttachmentKind.PHOTO, ref="p1"),)


async def test_whoever_waits_for_a_photo_sees_that_we_are_at_it(road: Road) -> None:
    # Given a file server that takes its time
    comes, quick = asyncio.Event(), road.platform.fetch

    async def fetch(attachment: Attachment) -> bytes:
        await comes.wait()
        return await quick(attachment)

    road.platform.fetch = fetch  # type: ignore[method-assign]
    road.platform.files["p1"] = png()
    await road.customer().says(WHOLE, attachments=PHOTO)
    # Then "typing" is shown before there is anything to ask
    await road.until(lambda: road.platform.busy)
    assert not road.brain.asked
    comes.set()
    await road.settle()
    assert [len(question.photos) for question in road.brain.asked] == [1]
    assert road.platform.busy == 1


def kills(question: Question) -> Prediction | BrainGone:
    return BrainGone("died", held=True) if question.photos else sure(question, "track-order")


async def test_a_photo_that_kills_a_worker_kills_it_once_whatever_follows(road: Road) -> None:
    # Given a photo that has killed a worker, and words that are asked about without it
    road.platform.files["p1"] = png()
    road.brain.think = kills
    customer, quick = road.customer(), road.brain.ask
    hangs = asyncio.Event()

    async def ask(question: Question) -> Prediction:
        if road.brain.asked and not hangs.is_set():
            hangs.set()
            await asyncio.Event().wait()
        return await quick(question)

    road.brain.ask = ask  # type: ignore[method-assign]
    shown = await customer.says(WHOLE, attachments=PHOTO)
    async with asyncio.timeout(20):
        await hangs.wait()
    # When the customer writes again, and all of it is asked anew
    await customer.says("hello?")
    await road.settle()
    # Then the photo is not, the answer does not pretend to have seen it, and the agent sees it still
    assert [len(question.photos) for question in road.brain.asked] == [1, 0]
    assert road.brain.asked[1].text == f"{WHOLE}\nhello?"
    (text,) = road.platform.texts("c1")
    assert "See the tracking page." in text and text.count("damaged") == 1
    message = await road.store.read(lambda tx: tx.transcript.of_event(shown.id))
    assert message is not None and road.store.blobs.exists(message.attachments[0].blob)


async def test_a_photo_that_has_killed_a_worker_is_not_asked_about_after_a_restart(road: Road) -> None:
    # Given a gateway that ends just after a photo has killed a worker
    road.platform.files["p1"] = png()
    road.brain.think = kills
    quick = road.brain.ask
    hangs = asyncio.Event()

    async def ask(question: Question) -> Prediction:
        if road.brain.asked:
            hangs.set()
            await asyncio.Event().wait()
        return await quick(question)

    road.brain.ask = ask  # type: ignore[method-assign]
    await road.customer().says(WHOLE, attachments=PHOTO)
    async with asyncio.timeout(20):
        await hangs.wait()
    await road.answering.close()
    # When another one takes over
    road.brain.ask = quick  # type: ignore[method-assign]
    next_life = Answering(road.answering._room)
    await next_life.recover()
    await next_life.idle()
    await road.courier.idle()
    # Then the photo is not asked about again
    assert [len(question.photos) for question in road.brain.asked] == [1, 0]
    assert "damaged" in road.platform.texts("c1")[0]
    await next_life.close()


async def test_a_photo_alone_that_kills_a_worker_goes_to_a_human(road: Road) -> None:
    road.platform.files["p1"] = png()
    road.brain.think = kills
    await road.customer().says("", attachments=PHOTO)
    await road.settle()
    assert len(road.brain.asked) == 1
    assert (await road.conversation()).owner == "desk"
