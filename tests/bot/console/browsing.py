"""Headless Chromium at a gateway; a page that complains fails its test."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Locator, Page, Route, async_playwright, expect

from tests.bot.console.stage import PASSWORD

_PATIENCE = 20_000  # ms; a busy machine takes its time

CHROMIUM = "/usr/bin/chromium"
SWITCHES = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=user-gesture-required",
)
PHONE = {"width": 375, "height": 667}


@asynccontextmanager
async def chromium(recording: Path | None = None) -> AsyncIterator[Browser]:
    """A browser; `recording` (WAV) is what its microphone hears."""
    more = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        *([f"--use-file-for-fake-audio-capture={recording}"] if recording else []),
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES, *more])
        try:
            yield browser
        finally:
            await browser.close()


class Complaints(list[str]):
    """What a page's scripts and its content policy complained about."""

    def listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", lambda said: self._note(said.text) if said.type in ("error", "warning") else None)

    def _note(self, text: str) -> None:
        # The network's and the server's refusals are part of what is tested.
        refusals = ("Failed to load resource", "Response Status Error Code", "htmx:sendError", "htmx:afterRequest")
        if not text.startswith(refusals) and "net::ERR" not in text:
            self.append(text)


@asynccontextmanager
async def page_of(browser: Browser, url: str, **options: object) -> AsyncIterator[Page]:
    """A person's window, with cookies and storage of its own."""
    context = await browser.new_context(base_url=url, locale="en-GB", **options)  # type: ignore[arg-type]
    context.set_default_timeout(_PATIENCE)
    expect.set_options(timeout=_PATIENCE)
    complaints = Complaints()
    context.on("page", complaints.listen)
    page = await context.new_page()
    try:
        yield page
    finally:
        await context.close()
    assert not complaints, complaints


async def log_in(page: Page, name: str) -> None:
    await page.goto("/console/login")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/console/desk")


async def held_back(page: Page, address: str) -> asyncio.Event:
    """From now on, requests to such addresses leave only once the event is set."""
    leave = asyncio.Event()

    async def wait(route: Route) -> None:
        await leave.wait()
        await route.continue_()

    await page.route(address, wait)
    return leave


async def drop(place: Locator, files: Sequence[tuple[str, str, bytes]], event: str = "drop") -> None:
    """Drop (or paste) files of (name, type, bytes) there, as a person's hand would."""
    told = [(name, kind, base64.b64encode(raw).decode()) for name, kind, raw in files]
    await place.evaluate(
        """(place, [files, event]) => {
          const data = new DataTransfer();
          for (const [name, type, raw] of files) {
            const bytes = Uint8Array.from(atob(raw), (letter) => letter.charCodeAt(0));
            data.items.add(new File([bytes], name, { type }));
          }
          const made = event === "paste"
            ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
            : new DragEvent(event, { dataTransfer: data, bubbles: true, cancelable: true });
          place.dispatchEvent(made);
        }""",
        [told, event],
    )
