"""The quality page in a real browser, on a desk and on a phone."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.bot.console.browsing import PHONE, chromium, log_in, page_of
from tests.bot.console.stage import ADMIN, Gateway, Guest

pytestmark = pytest.mark.browser


async def test_the_budget_goes_to_the_draft_and_is_published(gateway: Gateway) -> None:
    await Guest(gateway.house).says("where is my order?")
    async with chromium() as browser, page_of(browser, gateway.url) as page:
        await log_in(page, ADMIN)
        await page.get_by_role("link", name="Quality").click()
        await expect(page.locator("#figures")).to_contain_text("Estimated, not guaranteed")
        budget = page.get_by_label("Error budget in percent")
        await expect(budget).to_have_value("2")
        await budget.fill("1")
        await page.get_by_role("button", name="Save to the draft").click()
        await expect(page.locator("#budget")).to_contain_text("2 % is in force until you publish 1 %")
        await page.get_by_role("link", name="publish").click()
        await expect(page.locator(".changes")).to_contain_text("error_budget")


async def test_a_phone_shows_it_without_scrolling_sideways(gateway: Gateway) -> None:
    await Guest(gateway.house).says("where is my order?")
    async with chromium() as browser, page_of(browser, gateway.url, viewport=PHONE) as page:
        await log_in(page, ADMIN)
        await page.goto("/console/quality")
        await expect(page.locator("#figures")).to_contain_text("Known to be wrong")
        assert await page.locator("main").evaluate("(main) => main.scrollWidth") <= PHONE["width"]
        assert await page.locator("header").evaluate("(bar) => bar.scrollWidth") <= PHONE["width"]
