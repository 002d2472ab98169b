"""The knowledge pages in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Dialog, Page, expect

from bot.wiring import KB_ID
from core.asking import Candidate, Prediction, Question
from tests.bot.console.browsing import chromium, drop, held_back, log_in, page_of
from tests.bot.console.stage import ADMIN, KNOWLEDGE, Gateway, Guest, jpeg, wav
from tests.fakes.house import sure

pytestmark = pytest.mark.browser


async def confirm(page: Page) -> None:
    page.once("dialog", lambda dialog: dialog.accept())


async def test_an_entry_with_a_photo_is_added_published_and_rolled_back(gateway: Gateway) -> None:
    guest = Guest(gateway.house)
    gateway.brain.think = lambda question: sure(question, "gift-card" if "gift" in question.text else "track-order")
    async with chromium() as browser, page_of(browser, gateway.url) as page:
        await log_in(page, ADMIN)
        await page.goto("/console/knowledge")
        await page.get_by_role("link", name="New").click()
        await page.get_by_label("Question").fill("How do I use a gift card?")
        await expect(page.get_by_label("Id")).to_have_value("how-do-i-use-a-gift-card")
        await page.get_by_label("Id").fill("Gift Card")
        await page.get_by_label("Variants").fill("redeem my card\ngift voucher")
        await page.get_by_label("Answer").first.fill("Type **the code** at the till.")
        preview = page.locator("#preview")
        await expect(preview.locator(".screen.telegram b")).to_have_text("the code")
        await preview.get_by_text("Slack").click()
        await expect(preview.locator(".screen.slack")).to_be_visible()
        # A photo by drop is there at once; what is none is refused, and the form keeps everything
        photos = page.locator("[data-name=photos]")
        await drop(photos, [("card.jpg", "image/jpeg", jpeg("red", 200)), ("page.jpg", "image/jpeg", b"<html></html>")])
        await expect(page.get_by_role("alert")).to_contain_text(
            "page.jpg cannot be read (a document): send JPEG, PNG, WebP"
        )
        await expect(photos.locator("input[name=photos]:not([value=''])")).to_have_count(1)
        await page.locator("#entry").evaluate("(form) => { form.noValidate = true; }")
        await page.get_by_role("button", name="Save to the draft").click()
        await expect(page.get_by_role("alert")).to_contain_text("expected an id")
        await expect(page.get_by_label("Variants")).to_have_value("redeem my card\ngift voucher")
        await page.get_by_label("Id").fill("gift-card")
        await page.keyboard.press("Control+s")
        await page.wait_for_url("**/entry/gift-card")
        await expect(photos.locator("img")).to_have_count(1)
        await expect(page.locator(".entries [aria-current]")).to_contain_text("gift card")
        # Not live yet: the bot of the live release does not know it
        await guest.says("how do I use my gift card?")
        assert not any("till" in line for line in await guest.hears())
        await page.locator(".steps").get_by_role("link", name="Publish").click()
        await expect(page.locator(".changes")).to_contain_text("gift-card")
        await page.get_by_label("What changed").fill("gift cards")
        await page.get_by_role("button", name="Publish").click()
        await expect(page.locator("tr", has_text="gift cards")).to_contain_text("live")
        await guest.says("how do I use my gift card now?")
        assert (await guest.hears())[-1] == "Type **the code** at the till."
        # And back
        await confirm(page)
        await page.locator("tr", has_text="seed").get_by_role("button", name="Roll back").click()
        await expect(page.locator("tr", has_text="back to release 1")).to_contain_text("live")
        await guest.says("how do I use my gift card today?")
        assert "till" not in (await guest.hears())[-1]


async def test_the_try_box_takes_text_photo_and_voice_and_shows_why(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "say.wav").write_bytes(wav(3))
    photo = await gateway.store.keep(jpeg("green", 100))
    await gateway.store.write(lambda tx: tx.blobs.refer(photo, "x", "x"))
    asked: list[Question] = []

    def think(question: Question) -> Prediction:
        asked.append(question)
        made = sure(question, "return-damaged", 0.91, "opening-hours")
        best = Candidate("return-damaged", 0.91, {"text": 0.4, "photo": 0.88, "voice": 0.2})
        return replace(
            made,
            candidates=(best, *made.candidates[1:]),
            transcript="it is all in pieces",
            ocr=("FRAGILE",),
            evidence={"nearest": {"photo": photo, "similarity": 0.83}},
        )

    gateway.brain.think = think
    async with chromium(tmp_path / "say.wav") as browser, page_of(browser, gateway.url) as page:
        await log_in(page, ADMIN)
        await page.goto("/console/knowledge")
        lab = page.locator("#try")
        await lab.get_by_label("What a customer writes").fill("look at this")
        await drop(lab.locator("[data-kind=photo]"), [("mug.jpg", "image/jpeg", jpeg("blue", 200))])
        await lab.get_by_role("button", name="Record").click()
        await expect(lab.get_by_role("button", name=re.compile(r"Stop \([1-9]\d* s\)"))).to_be_visible()
        await lab.get_by_role("button", name="Stop").click()
        await expect(lab.locator("input[name=voice]:not([value=''])")).to_have_count(1)
        await lab.get_by_role("button", name="Ask").click()
        tried = page.locator(".tried")
        for words in ("Answers", "91 %", "it is all in pieces", "FRAGILE", "Send us a photo", "0.88", "0.83"):
            await expect(tried).to_contain_text(words)
        await expect(tried.locator(".evidence img")).to_be_visible()
        # The words become a variant of what they should have found
        await tried.get_by_label("Entry").select_option("opening-hours")
        await tried.get_by_role("button", name="Add as a variant").click()
        await expect(tried).to_contain_text("is a variant of When are you open?")
        await expect(page.locator("#changes")).to_have_text("1")
    assert (asked[0].text, len(asked[0].photos), len(asked[0].voices)) == ("look at this", 1, 1)
    entry = (await gateway.house.publishing.draft()).entry("opening-hours")
    assert entry is not None and "look at this" in entry.variants


async def test_two_admins_at_one_entry_lose_nothing(gateway: Gateway) -> None:
    entry = KNOWLEDGE.entry("track-order")
    assert entry is not None
    async with chromium() as browser, page_of(browser, gateway.url) as page:
        await log_in(page, ADMIN)
        await page.goto("/console/knowledge/entry/track-order")
        await page.get_by_label("Question").fill("Where is my parcel?")
        theirs = replace(entry, question="Where did it go?")
        await gateway.store.write(lambda tx: tx.knowledge.put(KB_ID, theirs, by="grace"))
        await page.get_by_role("button", name="Save to the draft").click()
        await expect(page.get_by_role("alert")).to_contain_text("grace changed this entry")
        await expect(page.get_by_label("Question")).to_have_value("Where is my parcel?")
        await page.get_by_role("button", name="Save mine instead").click()
        await expect(page.locator("#saved")).to_contain_text("Saved to the draft")
        # Saving again needs no reload, and leaving with unsaved words is asked about
        await page.get_by_label("Question").fill("Where is my box?")
        await page.get_by_role("button", name="Save to the draft").click()
        await expect(page.locator(".entries")).to_contain_text("Where is my box?")
        await page.get_by_label("Question").fill("half a thou")
        asked: list[str] = []

        async def stay(dialog) -> None:  # type: ignore[no-untyped-def]
            asked.append(dialog.type)
            await dialog.accept()

        page.once("dialog", stay)
        await page.get_by_role("link", name="When are you open?").click()
        await page.wait_for_url("**/entry/opening-hours")
        assert asked == ["beforeunload"]


async def test_a_tap_before_the_scripts_are_there_counts(gateway: Gateway) -> None:
    async with chromium() as browser, page_of(browser, gateway.url) as page:
        await log_in(page, ADMIN)
        await page.goto("/console/knowledge/entry/opening-hours")
        await page.get_by_label("Answer").first.fill("Ten to six.")
        await page.get_by_role("button", name="Save to the draft").click()
        await expect(page.locator("#saved")).to_contain_text("Saved to the draft")
        # Given a page whose scripts come late
        came = await held_back(page, "**/htmx.min.js")
        await page.goto("/console/knowledge/releases", wait_until="commit")
        await page.get_by_label("What changed").fill("hours")
        await page.get_by_role("button", name="Publish").click()
        came.set()
        # Then it is published, and the address holds nothing of the form
        await expect(page.locator("tr", has_text="hours")).to_contain_text("live")
        assert "?" not in page.url
        # What needs no script works at once
        came.clear()
        await page.goto("/console/knowledge/entry/opening-hours", wait_until="commit")
        await page.get_by_label("Enabled").uncheck()
        came.set()
        await page.wait_for_load_state()
        await expect(page.get_by_label("Enabled")).not_to_be_checked()


async def test_what_is_typed_while_the_form_is_saved_is_warned_about(gateway: Gateway) -> None:
    async with chromium() as browser, page_of(browser, gateway.url) as page:
        await log_in(page, ADMIN)
        await page.goto("/console/knowledge/entry/opening-hours")
        came = await held_back(page, "**/console/knowledge/entry")
        await page.get_by_label("Answer").first.fill("Ten to six.")
        await page.get_by_role("button", name="Save to the draft").click()
        # When somebody types on before the save has arrived
        await page.get_by_label("Answer").first.fill("Ten to six, but on Sundays.")
        came.set()
        await expect(page.locator("#saved")).to_contain_text("Saved to the draft")
        # Then leaving asks first
        asked: list[str] = []

        async def stay(dialog: Dialog) -> None:
            asked.append(dialog.type)
            await dialog.accept()

        page.on("dialog", stay)
        await page.goto("/console/desk")
        assert asked == ["beforeunload"]
