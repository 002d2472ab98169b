"""The chat page in a real browser: typed, shown, said, tapped; live, on a phone, and after the server was away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from core.asking import Prediction, Question
from core.errors import PolydeskError
from core.values import Author, Role
from tests.bot.console.browsing import PHONE, chromium, drop, held_back, page_of
from tests.bot.console.stage import Gateway, jpeg, think, wav
from tests.fakes.house import sure

pytestmark = pytest.mark.browser

SOME_SECONDS = re.compile("0:0[1-9]")
STREAM = re.compile(r"/stream\?")
MIA = Author("mia", "Mia", Role.AGENT)


async def write(page: Page, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.keyboard.press("Enter")


def lines(page: Page, who: str):  # type: ignore[no-untyped-def]
    return page.locator(f"#lines .{who}")


async def test_typed_answered_tapped_and_still_there_after_a_reload(gateway: Gateway) -> None:
    async with chromium() as browser, page_of(browser, gateway.url) as page:
        await page.goto("/")
        await expect(page.get_by_role("heading", name="Test shop")).to_be_visible()
        await write(page, "where is my order please?")
        answer = lines(page, "bot").first
        await expect(answer).to_contain_text("automated assistant")
        await expect(answer.get_by_role("link", name="the tracking page")).to_have_attribute("target", "_blank")
        # "That's not it" offers the next candidates or a person
        await answer.get_by_role("button", name="That's not it").click()
        await expect(lines(page, "bot").nth(1)).to_contain_text("Is it one of these?")
        await lines(page, "bot").nth(1).get_by_role("button", name="When are you open?").click()
        await expect(lines(page, "bot").nth(2)).to_contain_text("Nine to five.")
        told = await page.locator("#lines .bubble").all_inner_texts()
        await page.reload()
        await expect(lines(page, "bot")).to_have_count(3)
        assert await page.locator("#lines .bubble").all_inner_texts() == told
        await expect(answer.get_by_role("button", name="That's not it")).to_be_disabled()


async def test_photos_by_choice_paste_and_drop_and_a_voice_note(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "say.wav").write_bytes(wav(3))
    heard: list[Question] = []

    def listen(question: Question) -> Prediction | PolydeskError:
        heard.append(question)
        return sure(question, "track-order")

    gateway.brain.think = listen
    async with (
        chromium(tmp_path / "say.wav") as browser,
        page_of(browser, gateway.url, viewport=PHONE, has_touch=True) as page,
    ):
        await page.goto("/")
        files = [{"name": "one.jpg", "mimeType": "image/jpeg", "buffer": jpeg("red", 300)}]
        await page.locator("#photo").set_input_files(files)  # type: ignore[arg-type]
        await drop(page.locator("#text"), [("two.jpg", "image/jpeg", jpeg("blue", 300))], "paste")
        await drop(page.locator("#lines"), [("three.jpg", "image/jpeg", jpeg("green", 300))])
        await expect(page.locator(".part img")).to_have_count(3)
        await drop(page.locator("#lines"), [("bill.pdf", "application/pdf", b"%PDF-")])
        await expect(page.get_by_role("alert")).to_contain_text("bill.pdf is neither")
        await page.get_by_role("button", name="Remove two.jpg").click()
        await page.get_by_label("Your message").fill("what is wrong with these?")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(lines(page, "customer").locator("img")).to_have_count(2)
        await expect(lines(page, "bot").first).to_be_visible()
        # A voice note: recorded, listened to, sent
        await page.get_by_role("button", name="Record a voice note").click()
        await expect(page.get_by_role("timer")).to_have_text(SOME_SECONDS)
        await page.get_by_role("button", name="Stop, and listen").click()
        await expect(page.locator(".part voice-note span")).to_have_text(SOME_SECONDS)
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(lines(page, "customer").locator("voice-note")).to_have_count(1)
        await expect(lines(page, "bot")).to_have_count(2)
        # Another one is discarded, nothing of it stays
        await page.get_by_role("button", name="Record a voice note").click()
        await page.get_by_role("button", name="Discard the recording").click()
        await expect(page.locator(".part")).to_have_count(0)
        wide = await page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= PHONE["width"]
    assert [len(question.photos) for question in heard] == [2, 0]
    assert [len(question.voices) for question in heard] == [0, 1]
    recorded = await gateway.store.fetch(heard[1].voices[0])
    assert recorded[:4] == b"\x1aE\xdf\xa3" and len(recorded) > 2000  # WebM


async def test_what_was_written_while_the_server_was_away_arrives_once_even_after_a_reload(gateway: Gateway) -> None:
    async with chromium() as browser, page_of(browser, gateway.url) as page:
        await page.goto("/")
        await write(page, "where is my order please?")
        await expect(lines(page, "bot")).to_have_count(1)
        # Given that nothing gets through
        await page.route("**/messages", lambda route: route.abort())
        await page.route(STREAM, lambda route: route.abort())
        await page.locator("#photo").set_input_files(  # type: ignore[call-arg]
            [{"name": "one.jpg", "mimeType": "image/jpeg", "buffer": jpeg()}]
        )
        await write(page, "second order, with a photo")
        await write(page, "third order, please")
        await expect(page.locator(".fate").first).to_contain_text("Not sent yet")
        await page.get_by_label("Your message").fill("not even sent")
        await page.reload()
        await expect(page.locator(".waiting")).to_have_count(2)
        await expect(page.get_by_label("Your message")).to_have_value("not even sent")
        # When the server is back, though its first acknowledgement gets lost
        lost = 0

        async def lose(route) -> None:  # type: ignore[no-untyped-def]
            nonlocal lost
            lost += 1
            if lost > 1:
                await route.continue_()
                return
            await route.fetch()
            await route.abort()

        await page.unroute("**/messages")
        await page.route("**/messages", lose)
        await page.unroute(STREAM)
        await page.evaluate("() => window.dispatchEvent(new Event('online'))")
        # Then everything is there, in order, once
        await expect(lines(page, "bot")).to_have_count(3)
        await expect(page.locator(".waiting")).to_have_count(0)
        said = await lines(page, "customer").locator(".bubble").all_inner_texts()
        assert said == ["where is my order please?", "second order, with a photo", "third order, please"]
        await expect(lines(page, "customer").locator("img")).to_have_count(1)
        assert lost > 1


async def test_a_human_is_announced_and_heard_live_and_the_bot_is_silent(gateway: Gateway) -> None:
    async with chromium() as browser, page_of(browser, gateway.url, color_scheme="dark") as page:
        await page.goto("/")
        await page.get_by_role("button", name="Talk to a person").click()
        await expect(lines(page, "bot").first).to_contain_text("asked a colleague")
        (waiting,) = await gateway.store.read(lambda tx: tx.conversations.list())
        await gateway.house.desk.claim(waiting.id, MIA)
        await expect(lines(page, "system")).to_contain_text("Mia is here for you now")
        photo = await gateway.store.keep(jpeg("red", 200))
        await gateway.house.desk.say(waiting.id, MIA, "Hello, **I** am Mia.", [photo])
        await expect(lines(page, "agent")).to_contain_text("Hello, I am Mia.")
        await expect(lines(page, "agent").locator("img")).to_be_visible()
        await expect(page.locator("#with")).to_have_text("Mia")
        await write(page, "where is my order please?")
        await expect(lines(page, "customer").locator("time")).to_have_count(2)  # heard
        await gateway.house.answering.idle()
        await expect(lines(page, "bot")).to_have_count(1)
        await gateway.house.desk.hand_back(waiting.id, MIA)
        await expect(lines(page, "system").nth(1)).to_contain_text("assistant is back")
        await expect(lines(page, "bot")).to_have_count(1)
        # The photo opens large, and closes with the keyboard
        await lines(page, "agent").get_by_role("button").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        # A new chat is asked about, and forgets the old one
        await page.get_by_role("button", name="Start a new chat").click()
        await page.get_by_role("button", name="Start a new one").click()
        await expect(page.locator(".line")).to_have_count(0)
        gateway.brain.think = think
        await write(page, "where is my order please?")
        await expect(lines(page, "bot").first).to_contain_text("automated assistant")


async def test_whoever_is_faster_than_the_scripts_is_heard(gateway: Gateway) -> None:
    async with chromium() as browser, page_of(browser, gateway.url) as page:
        # Given a slow line: the page is shown before its scripts are there
        came = await held_back(page, "**/chat/lines.js")
        await page.goto("/", wait_until="commit")
        # When somebody writes and sends at once
        await page.get_by_label("Your message").fill("where is my order please?")
        await page.get_by_role("button", name="Send", exact=True).click()
        came.set()
        # Then it is sent as soon as the scripts are there, once
        await expect(lines(page, "bot").first).to_contain_text("tracking page")
        await expect(lines(page, "customer")).to_have_count(1)
