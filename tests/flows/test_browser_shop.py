"""People in real browsers, real models behind them: a customer types, shows and says; an agent and an admin work."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import av
import pytest
from playwright.async_api import Page, expect

from tests.bot.console.browsing import PHONE, chromium, drop, page_of
from tests.flows.conftest import DEMO
from tests.flows.installation import Installation

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SLOW = 60_000  # ms; the first photo and the first voice note wait for their models


def spoken(ogg: Path, folder: Path) -> Path:
    """A recording as the WAV that Chromium's microphone hears, with a little silence at its end."""
    target = folder / "say.wav"
    with av.open(str(ogg)) as source, wave.open(str(target), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        resampler = av.AudioResampler("s16", "mono", 16_000)
        for frame in source.decode(audio=0):
            for piece in resampler.resample(frame):
                out.writeframes(piece.to_ndarray().tobytes())
        out.writeframes(b"\0" * 32_000)
    return target


async def log_in(page: Page, shop: Installation) -> None:
    await page.goto("/console/login")
    await page.get_by_label("Name").fill("admin")
    await page.get_by_label("Password").fill(shop.password)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/console/desk")


async def test_words_a_photo_and_a_voice_note_find_their_answers_and_a_person(
    shop: Installation, tmp_path: Path
) -> None:
    say = spoken(DEMO / "voice" / "password.ogg", tmp_path)
    async with (
        chromium(say) as browser,
        page_of(browser, shop.url, viewport=PHONE, has_touch=True) as ada,
        page_of(browser, shop.url) as desk,
    ):
        # On a busy machine the bot says, too, that it is still at it.
        answers = ada.locator("#lines .bot").filter(has_not_text="One moment")
        await ada.goto("/")
        # Typed
        await ada.get_by_label("Your message").fill("my zip is gone, can you mend it?")
        await ada.get_by_role("button", name="Send", exact=True).click()
        await expect(answers).to_have_count(1, timeout=SLOW)
        await expect(answers.first).to_contain_text("automated assistant")
        # Shown
        await drop(ada.locator("#lines"), [("mug.jpg", "image/jpeg", (DEMO / "photos/test-mug.jpg").read_bytes())])
        await ada.get_by_role("button", name="Send", exact=True).click()
        await expect(answers.nth(1)).to_contain_text("Sorry about that", timeout=SLOW)
        # Said: the microphone hears six seconds
        await ada.get_by_role("button", name="Record a voice note").click()
        await expect(ada.get_by_role("timer")).to_have_text(re.compile(r"0:0[5-9]"), timeout=SLOW)
        await ada.get_by_role("button", name="Send the voice note").click()
        await expect(answers.nth(2)).to_contain_text("Forgot password", timeout=SLOW)
        await ada.locator("#human").click()
        await expect(answers).to_have_count(4)
        # At the desk: everything, with the words of the voice note
        await log_in(desk, shop)
        await desk.get_by_label("Search conversations").fill("my zip is gone")
        await desk.get_by_role("heading", name="Found 1").wait_for()
        await desk.locator(".ticket.is-desk").click()
        transcript = desk.locator("#transcript")
        await expect(transcript).to_contain_text("my zip is gone")
        await expect(transcript.locator("voice-note span")).not_to_have_text("0:00")
        await expect(transcript.locator(".heard").last).to_contain_text("password")
        await desk.locator("#head").get_by_role("button", name="Take over").click()
        await expect(ada.locator("#lines .system").last).to_contain_text("Admin is here for you now")
        await desk.get_by_role("textbox", name="Answer").fill("A new mug is on its way.")
        await desk.get_by_role("button", name="Send").click()
        await expect(ada.locator("#lines .agent")).to_contain_text("A new mug is on its way.")
        await desk.get_by_role("button", name="Resolve").click()
        await expect(ada.locator("#lines .system").last).to_contain_text("closed now")


async def test_an_admin_teaches_the_bot_something_and_takes_it_back(shop: Installation) -> None:
    question = "do you engrave a name on the yodelling horn?"
    async with (
        chromium() as browser,
        page_of(browser, shop.url) as ada,
        page_of(browser, shop.url) as admin,
    ):
        answers = ada.locator("#lines .bot")

        async def ask(words: str, expected: int) -> None:
            await ada.get_by_label("Your message").fill(words)
            await ada.keyboard.press("Enter")
            await expect(answers).to_have_count(expected, timeout=SLOW)

        await ada.goto("/")
        await ask(question, 1)
        await expect(answers.last).not_to_contain_text("brass band")
        await log_in(admin, shop)
        await admin.goto("/console/knowledge/new")
        await admin.get_by_label("Question").fill("Do you engrave yodelling horns?")
        await admin.get_by_label("Variants").fill("engrave a name on the yodelling horn\nyodelling horn engraving")
        await admin.get_by_label("Answer").first.fill("Yes, **any name**, on any horn of a brass band.")
        await drop(
            admin.locator("[data-name=photos]"),
            [("one.jpg", "image/jpeg", (DEMO / "photos/answer-size-chart.png").read_bytes())],
        )
        await admin.get_by_role("button", name="Save to the draft").click()
        await admin.wait_for_url("**/entry/do-you-engrave-yodelling-horns")
        # Tried before it is published, with the evidence
        await admin.locator("#try").get_by_label("What a customer writes").fill(question)
        await admin.get_by_role("button", name="Ask").click()
        tried = admin.locator(".tried")
        await expect(tried).to_contain_text("brass band", timeout=2 * SLOW)
        await expect(tried).to_contain_text("engrave a name on the yodelling horn")
        await expect(tried).to_contain_text("What decided for Do you engrave yodelling horns?")
        await admin.locator(".steps").get_by_role("link", name="Publish").click()
        await admin.get_by_label("What changed").fill("horns")
        await admin.get_by_role("button", name="Publish").click()
        await expect(admin.locator("tr", has_text="horns")).to_contain_text("live", timeout=2 * SLOW)
        await ask(question, 2)
        await expect(answers.last).to_contain_text("brass band")
        # Taken back
        admin.on("dialog", lambda dialog: dialog.accept())
        await admin.locator("tr", has_text="seed").get_by_role("button", name="Roll back").click()
        await expect(admin.locator("tr", has_text="back to release")).to_contain_text("live", timeout=2 * SLOW)
        await admin.get_by_role("button", name="Discard the changes").click()
        await expect(admin.get_by_role("heading", name="Nothing to publish")).to_be_visible()
        await ask(f"please, {question}", 3)
        await expect(answers.last).not_to_contain_text("brass band")
        # At the desk, too, the bot tells what decided when somebody wants to know: by the release that answered
        await admin.goto("/console/desk")
        await admin.locator(".ticket").first.click()
        why = admin.locator("details.why").nth(1)
        await why.locator("summary").click()
        await why.get_by_role("button", name="What decided?").click()
        await expect(why).to_contain_text("What decided for Do you engrave yodelling horns?", timeout=SLOW)
