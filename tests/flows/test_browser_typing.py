"""Somebody who writes or speaks in pieces, in a real browser: the bot lets people finish."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.async_api import Page, Request, expect

from core.composing import LASTS
from tests.bot.console.browsing import chromium, page_of
from tests.flows.conftest import DEMO
from tests.flows.installation import Installation
from tests.flows.test_browser_shop import SLOW, spoken

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FRAGMENT = 0.9  # seconds after which "hi" is answered when nobody types on
KEY = 150  # ms from key to key


async def begin(page: Page) -> None:
    """Open the chat and have one question answered, so that all that follows is quick."""
    await page.goto("/")
    await page.get_by_label("Your message").fill("when are you open?")
    await page.keyboard.press("Enter")
    await expect(page.locator("#lines .bot")).to_have_count(1, timeout=SLOW)


async def test_a_message_typed_slowly_after_a_fragment_is_answered_with_it(shop: Installation) -> None:
    async with chromium() as browser, page_of(browser, shop.url) as ada:
        answers, box = ada.locator("#lines .bot"), ada.get_by_label("Your message")
        await begin(ada)
        # When a fragment is followed by what takes far longer to type than its quiet window lasts
        await box.fill("hello")
        began = time.monotonic()
        await ada.keyboard.type("\ncan you mend my zip?", delay=KEY)  # in one go: the first sign follows at once
        assert time.monotonic() - began > 3 * FRAGMENT
        assert await answers.count() == 1, "the bot did not let her finish"
        await ada.keyboard.press("Enter")
        # Then there is one answer to both
        await expect(answers).to_have_count(2, timeout=SLOW)
        await ada.wait_for_timeout(2000)
        await expect(answers).to_have_count(2)
    asked = (
        "SELECT count(*) AS turns FROM turns WHERE conversation = (SELECT conversation FROM messages WHERE text = ?)"
    )
    (row,) = shop.rows(asked, "can you mend my zip?")
    assert row["turns"] == 2


async def test_a_voice_note_recorded_after_a_fragment_is_answered_with_it(shop: Installation, tmp_path: Path) -> None:
    say = spoken(DEMO / "voice" / "mug-in-pieces.ogg", tmp_path)
    async with chromium(say) as browser, page_of(browser, shop.url) as ada:
        answers, box = ada.locator("#lines .bot"), ada.get_by_label("Your message")
        await begin(ada)
        # Given a microphone that has been used before: the first time, a browser takes longer than a fragment's window
        await ada.get_by_role("button", name="Record a voice note").click()
        await expect(ada.get_by_role("timer")).to_be_visible()
        await ada.get_by_role("button", name="Discard").click()
        await expect(ada.get_by_role("timer")).to_be_hidden()
        # When a fragment is sent and a recording begun, by fingers that are quicker than a busy machine
        await box.fill("listen")
        await ada.evaluate("document.querySelector('#form').requestSubmit(); document.querySelector('#voice').click()")
        spoken_for = "() => document.body.matches('.recording') && document.querySelector('#seconds').textContent"
        await ada.wait_for_function(f"{spoken_for} >= '0:05'", polling=50, timeout=SLOW)
        assert await answers.count() == 1, "the bot did not let her finish"
        await ada.get_by_role("button", name="Send the voice note").click()
        await expect(answers).to_have_count(2, timeout=SLOW)
        await ada.wait_for_timeout(2000)
        await expect(answers).to_have_count(2)


async def test_what_was_begun_and_given_up_delays_the_answer_no_longer(shop: Installation) -> None:
    async with chromium() as browser, page_of(browser, shop.url) as ada:
        answers, box = ada.locator("#lines .bot"), ada.get_by_label("Your message")
        await begin(ada)
        signs: list[Request] = []
        ada.on("request", lambda sent: signs.append(sent) if "/composing" in sent.url else None)
        await box.fill("hello")
        await ada.keyboard.type("\nmy zi", delay=KEY)
        await box.fill("")
        await expect(answers).to_have_count(2, timeout=SLOW)
        # Then what was said before it was taken up before the sign had run out
        goes_on, given_up = signs[-2:]
        asked = "SELECT opened_at FROM turns ORDER BY opened_at DESC LIMIT 1"
        (turn,) = shop.rows(asked)
        assert turn["opened_at"] - goes_on.timing["startTime"] < LASTS * 1000, "it waited until the sign had run out"
        words = goes_on.post_data or ""
        assert given_up.post_data == words.replace("=false", "=true") != words
        given = len(signs)
        # Long after the last words, typing is nobody's business
        await ada.clock.install()
        await ada.clock.fast_forward(15_000)
        await box.press_sequentially("some notes of my own", delay=20)
        assert len(signs) == given
