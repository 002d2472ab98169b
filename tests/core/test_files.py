"""Files on the whole road: what is shown while they come, what becomes of those that harm."""

from __future__ import annotations

import asyncio

from core.values import Attachment, AttachmentKind
from tests.core.conftest import Road
from tests.core.test_road import WHOLE, png

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
