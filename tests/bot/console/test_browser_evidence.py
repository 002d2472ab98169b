"""The evidence card in a browser: asked for by a click, it stays while the conversation goes on."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.bot.console.browsing import chromium, log_in, page_of
from tests.bot.console.stage import AGENT, Gateway, Guest
from tests.bot.console.test_evidence import explaining

pytestmark = pytest.mark.browser


async def test_a_click_tells_what_decided(gateway: Gateway) -> None:
    gateway.brain.think = explaining
    guest = Guest(gateway.house, "Grace")
    await guest.says("where is my order please?")
    id = await guest.id()
    async with chromium() as browser, page_of(browser, gateway.url) as page:
        await log_in(page, AGENT)
        await page.goto(f"/console/desk/{id}")
        why = page.locator("details.why").first
        await why.locator("summary").click()
        assert not any(question.explain for question in gateway.brain.asked)
        await why.get_by_role("button", name="What decided?").click()
        for words in ("What decided for Where is my order?", "“order” without it 8 % sure", "What spoke against it"):
            await expect(why).to_contain_text(words)
        await guest.says("and the other one, my order from monday?")
        await expect(page.locator(".said.customer")).to_have_count(2)
        await expect(why).to_contain_text("“order” without it 8 % sure")
