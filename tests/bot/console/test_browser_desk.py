"""The desk in a real browser, with a customer in another."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.bot.console.browsing import PHONE, chromium, drop, held_back, log_in, page_of
from tests.bot.console.stage import ADMIN, AGENT, OTHER_AGENT, Gateway, jpeg

pytestmark = pytest.mark.browser

# A window in the background, whose operating system keeps a list of what rang.
BACKGROUND = """
document.hasFocus = () => false;
window.heard = { notes: [], tones: 0 };
window.Notification = class {
  static permission = "granted";
  constructor(title, { tag }) { heard.notes.push([title, tag]); }
};
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...at) { heard.tones += 1; return start.apply(this, at); };
"""


async def taken_over(customer: Page, mia: Page) -> None:
    """A customer asks for a person, and Mia takes over."""
    await customer.goto("/")
    await customer.get_by_role("button", name="Talk to a person").click()
    await log_in(mia, AGENT)
    await mia.locator(".ticket").click()
    await mia.locator("#head").get_by_role("button", name="Take over").click()


async def test_a_customer_waits_is_taken_over_answered_and_handed_back(gateway: Gateway) -> None:
    async with (
        chromium() as browser,
        page_of(browser, gateway.url) as customer,
        page_of(browser, gateway.url) as mia,
    ):
        await mia.add_init_script(BACKGROUND)
        await log_in(mia, AGENT)
        await expect(mia).to_have_title("Desk · Polydesk")
        async with mia.expect_response("**/console/live"):
            await mia.reload()  # from now on it hears whatever happens
        await mia.get_by_label("Search conversations").click()  # browsers sound only for pages that were touched
        # A customer asks for a person: the tab counts, the page rings
        await customer.goto("/")
        await customer.get_by_label("Your message").fill("where is my order please?")
        await customer.keyboard.press("Enter")
        await expect(customer.locator(".line.bot")).to_have_count(1)
        await customer.get_by_role("button", name="Talk to a person").click()
        await expect(mia).to_have_title("(1) Desk · Polydesk")
        await expect(mia.locator("html")).to_have_attribute("data-rings", "1")
        (open_one,) = await gateway.store.read(lambda tx: tx.conversations.list())
        heard = await mia.evaluate("() => window.heard")
        assert heard == {"notes": [["A customer is waiting", f"polydesk-{open_one.id}"]], "tones": 2}
        ticket = mia.locator(".ticket.is-desk")
        await expect(ticket).to_contain_text("asked for a person")
        await ticket.click()
        await expect(mia.locator("#side")).to_contain_text("Where is my order?")
        await expect(mia.locator("#transcript")).to_contain_text("where is my order please?")
        # Nobody answers without taking over; a note is possible at once
        await expect(mia.get_by_role("textbox", name="Answer")).to_be_hidden()
        await mia.get_by_text("Internal note", exact=True).click()
        await mia.get_by_role("textbox", name="Internal note").fill("a regular customer")
        await mia.get_by_role("button", name="Save note").click()
        await expect(mia.locator(".said.note")).to_contain_text("a regular customer")
        await mia.locator("#head").get_by_role("button", name="Take over").click()
        await expect(customer.locator(".line.system")).to_contain_text("Mia is here")
        await expect(mia).to_have_title("Desk · Polydesk")
        # The bot's candidate, changed, with a photo
        await mia.locator(".idea").first.get_by_role("button", name="Use this answer").click()
        box = mia.get_by_role("textbox", name="Answer")
        await expect(box).to_have_value("See [the tracking page](https://example.com/track).")
        await box.press("End")
        await box.press_sequentially(" Bye!")
        await mia.locator(".writing input[type=file]").set_input_files(  # type: ignore[call-arg]
            [{"name": "map.jpg", "mimeType": "image/jpeg", "buffer": jpeg("red", 200)}]
        )
        await box.press("Control+Enter")
        await expect(customer.locator(".line.agent")).to_contain_text("See the tracking page. Bye!")
        await expect(customer.locator(".line.agent img")).to_be_visible()
        await expect(box).to_have_value("")
        await expect(customer.locator("#lines")).not_to_contain_text("a regular customer")
        # What the customer says now comes live, and the bot's idea is a draft
        await customer.get_by_label("Your message").fill("thanks, is my order late?")
        await customer.keyboard.press("Enter")
        await expect(mia.locator("#transcript")).to_contain_text("thanks, is my order late?")
        await expect(mia.locator(".said.draft")).to_contain_text("tracking page")
        await mia.get_by_role("button", name="Hand back").click()
        await expect(customer.locator(".line.system").last).to_contain_text("assistant is back")
        await customer.get_by_label("Your message").fill("so where is my order?")
        await customer.keyboard.press("Enter")
        await expect(customer.locator(".line.bot").last).to_contain_text("tracking page")


async def test_what_an_agent_types_survives_colleagues_reloads_and_refusals(gateway: Gateway) -> None:
    house = gateway.house
    async with (
        chromium() as browser,
        page_of(browser, gateway.url) as customer,
        page_of(browser, gateway.url) as mia,
        page_of(browser, gateway.url) as tom,
    ):
        await taken_over(customer, mia)
        box = mia.locator("#composer textarea")
        await box.fill("A long answer that took an hour")
        # Voice notes that play are not touched by what arrives
        await mia.locator("#transcript .said").first.evaluate("(one) => { one.touched = true; }")
        await customer.get_by_label("Your message").fill("hello? is anybody there?")
        await customer.keyboard.press("Enter")
        await expect(mia.locator("#transcript")).to_contain_text("is anybody there?")
        assert await mia.locator("#transcript .said").first.evaluate("(one) => one.touched")
        await expect(box).to_have_value("A long answer that took an hour")
        await mia.reload()
        await expect(box).to_have_value("A long answer that took an hour")
        # The conversation is taken away meanwhile: the refusal is told, the words stay
        (open_one,) = await house.store.read(lambda tx: tx.conversations.list())
        await house.desk.hand_back(open_one.id, _author(AGENT))
        await log_in(tom, OTHER_AGENT)
        await tom.goto(f"/console/desk/{open_one.id}")
        await tom.locator("#head").get_by_role("button", name="Take over").click()
        await expect(tom.locator("#head")).to_contain_text("You have it")
        await expect(mia.locator("#head")).to_contain_text("Tom has it")
        await expect(box).to_be_hidden()
        await mia.evaluate("() => document.getElementById('composer').requestSubmit()")
        await expect(mia.get_by_role("alert")).to_contain_text("Claim the conversation first")
        assert await box.input_value() == "A long answer that took an hour"


async def test_what_is_on_its_way_is_said_once_and_what_is_typed_meanwhile_stays(gateway: Gateway) -> None:
    async with (
        chromium() as browser,
        page_of(browser, gateway.url) as customer,
        page_of(browser, gateway.url) as mia,
    ):
        await taken_over(customer, mia)
        box = mia.get_by_role("textbox", name="Answer")
        said = customer.locator(".line.agent")
        # Given a server whose answer is lost
        lost = asyncio.Event()

        async def lose(route: Route) -> None:
            await route.fetch()
            await lost.wait()
            await route.abort()

        await mia.route("**/say", lose, times=1)
        await box.fill("Hello, I am Mia.")
        await box.press("Control+Enter")
        await expect(said).to_have_count(1)
        # When it is sent again, and more is typed before that has arrived
        lost.set()
        await expect(mia.get_by_role("alert")).to_contain_text("cannot be reached")
        await expect(box).to_have_value("Hello, I am Mia.")
        came = await held_back(mia, "**/say")
        await box.press("Control+Enter")
        await box.press("Control+Enter")  # impatient
        await box.press("End")
        await box.press_sequentially(" How can I help?")
        came.set()
        # Then the customer reads it once, and the rest is still to be sent
        await expect(box).to_have_value("How can I help?")
        await expect(mia.get_by_role("alert")).to_be_empty()
        await mia.reload()
        await expect(box).to_have_value("How can I help?")
        await box.press("Control+Enter")
        await expect(box).to_have_value("")
        await expect(said).to_have_count(2)
        assert [text.count("Mia.") for text in await said.all_inner_texts()] == [1, 0]
        # The same words can be said again
        await box.fill("How can I help?")
        await box.press("Control+Enter")
        await expect(said).to_have_count(3)


async def test_words_do_not_leave_without_their_photo(gateway: Gateway) -> None:
    async with (
        chromium() as browser,
        page_of(browser, gateway.url) as customer,
        page_of(browser, gateway.url) as mia,
    ):
        await taken_over(customer, mia)
        box = mia.get_by_role("textbox", name="Answer")
        # Given a photo that cannot be read, on a slow line
        came = await held_back(mia, "**/uploads**")
        await drop(mia.locator("#composer [data-upload]"), [("page.jpg", "image/jpeg", b"<html></html>")])
        await box.fill("see the photo")
        await box.press("Control+Enter")
        came.set()
        # Then the words wait too, and it is told why
        await expect(mia.get_by_role("alert")).to_contain_text("page.jpg cannot be read")
        await expect(mia.locator("#composer .thumb")).to_have_count(0)
        await expect(box).to_have_value("see the photo")
        (open_one,) = await gateway.store.read(lambda tx: tx.conversations.list())
        lines = await gateway.store.read(lambda tx: tx.transcript.list(open_one.id))
        assert not [line for line in lines if line.author.id == AGENT and line.text == "see the photo"]


async def test_a_page_that_was_logged_out_says_so_and_keeps_what_it_shows(gateway: Gateway) -> None:
    async with (
        chromium() as browser,
        page_of(browser, gateway.url) as customer,
        page_of(browser, gateway.url) as mia,
    ):
        await customer.goto("/")
        await customer.get_by_role("button", name="Talk to a person").click()
        await log_in(mia, AGENT)
        await expect(mia.locator(".ticket")).to_have_count(1)
        # Given a log-out in another tab
        await mia.context.clear_cookies()
        await customer.get_by_label("Your message").fill("hello? is anybody there?")
        await customer.keyboard.press("Enter")
        # Then the queue does not look empty
        await expect(mia.get_by_role("alert")).to_contain_text("You are logged out")
        await expect(mia.locator(".ticket")).to_have_count(1)


async def test_a_photo_that_cannot_be_read_is_in_nobodys_way(gateway: Gateway) -> None:
    for window in ({"width": 1280, "height": 720}, PHONE):
        async with (
            chromium() as browser,
            page_of(browser, gateway.url) as customer,
            page_of(browser, gateway.url, viewport=window) as mia,
        ):
            await customer.goto("/")
            await customer.get_by_role("button", name="Talk to a person").click()
            await log_in(mia, AGENT)
            await mia.locator(".ticket.is-desk").click()
            came = await held_back(mia, "**/claim")
            await mia.locator("#head").get_by_role("button", name="Take over").click()
            zone = mia.locator("#composer [data-upload]")
            alert = mia.get_by_role("alert")
            # What can be read is said, by the page and by the server; what began before ends it not
            await drop(zone, [("notes.pdf", "application/pdf", b"%PDF-1.4")])
            async with mia.expect_response("**/claim"):
                came.set()
            await expect(mia.locator("#head")).to_contain_text("You have it")
            await expect(alert).to_contain_text("notes.pdf cannot be read: send JPEG, PNG, WebP or GIF")
            await drop(zone, [("page.jpg", "image/jpeg", b"<html></html>")])
            await expect(alert).to_contain_text("page.jpg cannot be read (a document): send JPEG, PNG, WebP or GIF")
            # It covers nothing: it stands above the conversation, whose end is still in sight
            told, talk = await alert.bounding_box(), await mia.locator("#talk").bounding_box()
            assert told and talk and told["height"] > 0 and told["y"] + told["height"] <= talk["y"]
            await expect(mia.locator("#transcript .said").last).to_be_in_viewport(ratio=1)
            # A note is saved by mouse, and then the trouble is over
            await mia.get_by_text("Internal note", exact=True).click()
            await mia.get_by_role("textbox", name="Internal note").fill("sends strange photos")
            await mia.get_by_role("button", name="Save note").click()
            await expect(mia.locator("#transcript")).to_contain_text("sends strange photos")
            await expect(alert).to_be_empty()
            # So it is when the next photo can be read; one that was added together with it ends nothing
            await mia.get_by_text("Answer", exact=True).click()
            await drop(zone, [("page.jpg", "image/jpeg", b"<html></html>")])
            await expect(alert).to_contain_text("page.jpg")
            await drop(zone, [("mug.jpg", "image/jpeg", jpeg())])
            await expect(zone.locator("input[name=photo]:not([value=''])")).to_have_count(1)
            await expect(alert).to_be_empty()
            await drop(zone, [("a.jpg", "image/jpeg", jpeg("red")), ("b.pdf", "application/pdf", b"%PDF-1.4")])
            await expect(zone.locator("input[name=photo]:not([value=''])")).to_have_count(2)
            await expect(alert).to_contain_text("b.pdf")
            await mia.locator("#head").get_by_role("button", name="Resolve").click()
            await expect(mia.locator("#head")).to_contain_text("Resolved")


async def test_every_page_of_the_console_counts_with_one_connection(gateway: Gateway) -> None:
    async with (
        chromium() as browser,
        page_of(browser, gateway.url) as customer,
        page_of(browser, gateway.url) as first,
    ):
        streams: list[str] = []
        first.context.on("request", lambda asked: streams.append(asked.url) if "live" in asked.url else None)
        await log_in(first, ADMIN)
        second = await first.context.new_page()
        await second.goto("/console/knowledge")
        await customer.goto("/")
        await customer.get_by_role("button", name="Talk to a person").click()
        for page in (first, second):
            await expect(page.locator("[data-count]")).to_have_text("1")
        await expect(second).to_have_title("(1) Knowledge · Polydesk")
        assert len(streams) == 1
        # The tab that listened goes; another one takes over
        await first.close()
        (open_one,) = await gateway.store.read(lambda tx: tx.conversations.list())
        await gateway.house.desk.claim(open_one.id, _author(AGENT))
        await expect(second.locator("[data-count]")).to_be_hidden()
        gateway.brain.workers = {"text": 0, "media": 0}
        gateway.house.bell.ring("anything")
        await expect(second.locator("#warning")).to_contain_text("No worker is running")


def _author(name: str):  # type: ignore[no-untyped-def]
    from core.values import Author, Role

    return Author(name, name.capitalize(), Role.AGENT)


async def test_an_agent_corrects_the_bot_in_a_long_conversation_while_a_colleague_looks_on(gateway: Gateway) -> None:
    async with (
        chromium() as browser,
        page_of(browser, gateway.url) as customer,
        page_of(browser, gateway.url) as mia,
        page_of(browser, gateway.url, viewport=PHONE) as tom,
    ):
        await customer.goto("/")
        for number in range(1, 7):
            await customer.get_by_label("Your message").fill(f"where is my order number {number} please?")
            await customer.keyboard.press("Enter")
            await expect(customer.locator(".line.bot")).to_have_count(number)
        (open_one,) = await gateway.store.read(lambda tx: tx.conversations.list())
        for page, name in ((mia, AGENT), (tom, OTHER_AGENT)):
            await log_in(page, name)
            await page.goto(f"/console/desk/{open_one.id}")
        # The first look at what changed touches nothing else
        await mia.locator(".said").first.evaluate("(one) => { one.touched = true; }")
        async with mia.expect_response(re.compile("/parts$")):
            gateway.house.bell.ring(open_one.id)
        await mia.wait_for_timeout(100)  # until it is drawn
        assert await mia.locator(".said").first.evaluate("(one) => one.touched")
        # The bot's ideas come first; another entry is found by its words
        first = mia.locator(".said.customer").first
        await first.get_by_role("button", name="Which entry is this about?").click()
        which = first.get_by_role("group", name="Which entry is this about?")
        await expect(which.get_by_role("button").first).to_be_focused()
        await expect(which.get_by_role("button").first).to_contain_text("Where is my order? 95 %")
        await mia.keyboard.press("Escape")
        await expect(which).to_have_count(0)
        await first.get_by_role("button", name="Which entry is this about?").click()
        await which.get_by_role("searchbox").fill("mug")
        # What arrives meanwhile closes nothing
        await customer.get_by_label("Your message").fill("is my order late?")
        await customer.keyboard.press("Enter")
        await expect(mia.locator("#transcript")).to_contain_text("is my order late?")
        await which.get_by_role("searchbox").press("Enter")  # chooses nothing by itself
        await which.get_by_role("button", name="My item arrived damaged, what now?").last.click()
        # It stands there for both, and who looks at the first message goes on looking at it
        for page in (mia, tom):
            about = page.locator(".said.customer").first.locator(".about")
            await expect(about).to_contain_text("About My item arrived damaged, what now?, says an agent")
        await expect(which).to_have_count(0)
        await expect(first).to_be_in_viewport()
        labels = await gateway.store.read(lambda tx: tx.labels.of(open_one.id))
        assert [(label.kind, label.entry, label.by) for label in labels] == [("corrected", "return-damaged", AGENT)]
        # On a phone too, until the customer's words are gone from under it
        last = tom.locator(".said.customer").last
        await last.get_by_role("button", name="Which entry is this about?").click()
        await last.get_by_role("button", name="None of the entries").click()
        await expect(last.locator(".about")).to_contain_text("About none of the entries, says an agent")
        await last.get_by_role("button", name="Which entry is this about?").click()
        await last.get_by_role("button", name="Take back what was said").click()
        await expect(last.locator(".about")).not_to_contain_text("says an agent")
