"""Edits on the fake Telegram: what takes the place of what, and what is said anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from core.errors import Blocked, OutcomeUnknown
from core.values import Choice, Reply
from tests.adapters.stage import Shelf, picture
from tests.adapters.telegram.stage import address, say, talking
from tests.fakes.telegram import FakeTelegram


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as platform:
        yield platform


async def test_an_edit_replaces_words_captions_and_buttons(telegram: FakeTelegram) -> None:
    shelf = Shelf()
    async with talking(telegram, shelf) as (adapter, ada):
        here = address(telegram, ada.id)
        (text,) = await say(adapter, here, Reply("one", (Choice("k", "K"),)))
        (photo,) = await say(adapter, here, Reply("one", pictures=(shelf.put(picture()),)))
        (edited,) = await say(adapter, here, Reply("**two**", edits=text.message))
        (again,) = await say(adapter, here, Reply("**two**", edits=text.message))
        (captioned,) = await say(adapter, here, Reply("two", edits=photo.message))
    seen = [one for one in ada.seen if one.by_bot]
    assert [(one.text, one.kind, one.buttons) for one in seen] == [("two", "text", ()), ("two", "photo", ())]
    assert edited == again == text  # an edit that changes nothing is a success
    assert captioned == photo


async def test_words_that_cannot_be_edited_any_more_are_said_anew(telegram: FakeTelegram) -> None:
    async with talking(telegram) as (adapter, ada):
        here = address(telegram, ada.id)
        (sent,) = await say(adapter, here, Reply("See the tracking page."))
        telegram.fail_next("editMessageText", 400, description="Bad Request: message to edit not found")
        (anew,) = await say(adapter, here, Reply("Send us a photo.", edits=sent.message))
        assert anew.message != sent.message
        assert [one.text for one in ada.seen][-1] == "Send us a photo."
        # What may have been said anew already is not said once more
        telegram.fail_next("editMessageText", 400, description="Bad Request: message can't be edited")
        (call,) = adapter.render(here, Reply("No photo needed.", edits=sent.message))
        with pytest.raises(OutcomeUnknown, match="said anew"):
            await adapter.send(replace(call, since=1))
        # Whoever blocks the bot blocks it in edits too
        await ada.blocks_bot()
        with pytest.raises(Blocked):
            await say(adapter, here, Reply("z", edits=sent.message))
