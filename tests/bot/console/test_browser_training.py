"""The training page in a real browser: a training that others see too, promoted by a tap; readable on a phone."""

from __future__ import annotations

from typing import cast

import pytest
from playwright.async_api import Page, expect

from core.training import Check, News, Outcome
from tests.bot.console.browsing import PHONE, chromium, log_in, page_of
from tests.bot.console.stage import ADMIN, Gateway
from tests.fakes.trainer import FakeTrainer

pytestmark = pytest.mark.browser

CHECKS = (
    Check("the right entry in the cases", 0.8, 0.85, True),
    Check("the right entry in held-out conversations", 0.61, 0.78, True),
)


REPORT = (
    b"<!doctype html><title>Report</title><style>.card { border-radius: 9px }</style><h1>What the training came to</h1>"
    b"<p class=card>\xe2\x80\x9cmy cup is in pieces\xe2\x80\x9d</p><svg viewBox='0 0 10 10'><circle r='5'/></svg>"
)


async def start(page: Page) -> None:
    await page.get_by_role("button", name="Start").click()
    await expect(page.locator("#training")).to_contain_text("A training is running")


async def say(gateway: Gateway, seq: int, *, outcome: Outcome | None = None, **told: object) -> None:
    (*_, order) = cast(FakeTrainer, gateway.house.learning._trainer).sent
    await gateway.house.learning.hear(News(order.training, seq, outcome=outcome, **told))  # type: ignore[arg-type]


async def test_a_training_is_followed_live_and_promoted_by_a_tap(gateway: Gateway) -> None:
    gateway.brain.workers["train"] = 1
    async with chromium() as browser, page_of(browser, gateway.url) as page:
        await log_in(page, ADMIN)
        await page.get_by_role("link", name="Training").click()
        await expect(page.locator("#taught")).to_contain_text("No past question has a known answer yet")
        # A failed one first
        await start(page)
        worse = (Check("the right entry in the cases", 0.8, 0.7, False),)
        kept = [await gateway.store.keep(raw) for raw in (b"worse", b"<p>worse")]
        why = "it is worse on: the right entry in the cases"
        await say(gateway, 1, outcome=Outcome(kept[0], kept[1], False, why, worse))
        await expect(page.locator(".trainings")).to_contain_text("Cannot be promoted: it is worse on")
        await expect(page.get_by_role("button", name="Promote")).to_have_count(0)
        # Then one whose steps are seen without a reload
        await start(page)
        await say(gateway, 1, stage="listening", done=3, total=10)
        await expect(page.locator(".stage")).to_contain_text("Reading what customers asked 3 of 10")
        await say(gateway, 2, stage="comparison", done=7, total=290)
        await expect(page.locator(".stage")).to_contain_text("Comparing it with the model in force 7 of 290")
        kept = [await gateway.store.keep(b"a model"), await gateway.store.keep(REPORT)]
        await say(gateway, 3, outcome=Outcome(*kept, True, "it is not worse in anything that was compared", CHECKS))
        await expect(page.locator(".trainings > li").first).to_contain_text("61.0 % → 78.0 %")
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Promote").click()
        await expect(page.locator("#training")).to_contain_text(f"started by {ADMIN}")
        await expect(page.locator(".chip.live").first).to_contain_text("in force")
        # The report shows itself without running anything
        async with page.context.expect_page() as opened:
            await page.get_by_role("link", name="Report").first.click()
        shown = await opened.value
        await expect(shown.get_by_role("heading", level=1)).to_contain_text("What the training")
        assert await shown.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius") == "9px"
        assert await shown.evaluate("window.origin") == "null"
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Back to the shipped model").click()
        await expect(page.locator("#training")).to_contain_text("The model that ships with Polydesk")


async def test_a_phone_shows_it_without_scrolling_sideways(gateway: Gateway) -> None:
    gateway.brain.workers["train"] = 1
    async with chromium() as browser, page_of(browser, gateway.url, viewport=PHONE) as page:
        await log_in(page, ADMIN)
        await page.goto("/console/training")
        await start(page)
        await say(
            gateway,
            1,
            outcome=Outcome("a" * 64, "b" * 64, True, "it is not worse in anything that was compared", CHECKS),
        )
        await expect(page.locator(".trainings")).to_contain_text("May be promoted")
        assert await page.locator("main").evaluate("(main) => main.scrollWidth") <= PHONE["width"]
        assert await page.locator("header").evaluate("(bar) => bar.scrollWidth") <= PHONE["width"]
