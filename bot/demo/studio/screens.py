"""Screenshots of the invented shop: tracking, checkout, discount codes, log-in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from bot.demo.studio import prints
from bot.demo.studio.prints import Ink


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a screen."""

    page: Ink = (246, 246, 243)
    card: Ink = (255, 255, 255)
    ink: Ink = (32, 34, 36)
    faint: Ink = (118, 120, 124)
    brand: Ink = (30, 88, 76)
    line: Ink = (218, 218, 214)
    error: Ink = (190, 38, 38)


LIGHT = Theme()
DARK = Theme((24, 26, 28), (38, 41, 44), (232, 232, 228), (150, 152, 156), (72, 156, 134), (62, 65, 68), (240, 104, 96))
SAND = Theme((240, 234, 222), (252, 249, 242), (52, 44, 36), (130, 118, 104), (146, 84, 40), (222, 212, 196))
GOOD: Ink = (34, 130, 78)


class Page:
    """A page that is written from top to bottom, `wide` (desktop, with a browser's bar) or narrow (phone)."""

    def __init__(self, theme: Theme, wide: bool, address: str, clock: str = "14:32", height: int = 0) -> None:
        self.theme, self.wide = theme, wide
        self.width, self.height = (1000, height or 680) if wide else (560, height or 1080)
        self.picture = Image.new("RGB", (self.width, self.height), theme.page)
        self.draw = ImageDraw.Draw(self.picture)
        self.left = 210 if wide else 32
        self.right = self.width - self.left
        if wide:
            self._browser(address)
        else:
            self._status(clock)
        self.y += 26

    def _browser(self, address: str) -> None:
        self.draw.rectangle((0, 0, self.width, 50), fill=(222, 224, 228))
        for index, ink in enumerate(((236, 106, 94), (244, 190, 79), (98, 196, 84))):
            self.draw.ellipse((18 + index * 26, 18, 32 + index * 26, 32), fill=ink)
        self.draw.rounded_rectangle((120, 10, 880, 40), 14, fill=(252, 252, 252))
        prints.write(self.picture, (140, 16), address, 17, (80, 82, 86))
        self.draw.rectangle((0, 50, self.width, 112), fill=self.theme.brand)
        prints.write(self.picture, (40, 66), "NORTHWIND OUTDOOR", 26, (255, 255, 255), bold=True)
        for index, word in enumerate(("Jackets", "Tents", "Boots", "Basket")):
            prints.write(self.picture, (580 + index * 100, 70), word, 19, (240, 240, 236))
        self.y = 112

    def _status(self, clock: str) -> None:
        prints.write(self.picture, (28, 14), clock, 22, self.theme.ink, bold=True)
        self.draw.rounded_rectangle((488, 18, 526, 36), 5, outline=self.theme.ink, width=2)
        self.draw.rectangle((491, 21, 514, 33), fill=self.theme.ink)
        self.draw.rectangle((0, 50, self.width, 116), fill=self.theme.brand)
        prints.write(
            self.picture, (self.width / 2, 68), "NORTHWIND OUTDOOR", 27, (255, 255, 255), bold=True, anchor="ma"
        )
        foot = self.height - 84
        self.draw.line((0, foot, self.width, foot), fill=self.theme.line, width=2)
        for index, word in enumerate(("Home", "Search", "Basket", "Profile")):
            x = 70 + index * 140
            self.draw.ellipse((x - 13, foot + 12, x + 13, foot + 38), outline=self.theme.faint, width=3)
            prints.write(self.picture, (x, foot + 46), word, 18, self.theme.faint, anchor="ma")
        self.y = 116

    def heading(self, text: str) -> None:
        """A big line."""
        prints.write(self.picture, (self.left, self.y), text, 34, self.theme.ink, bold=True)
        self.y += 58

    def line(self, text: str, faint: bool = False, size: int = 22) -> None:
        """A line of text."""
        prints.write(self.picture, (self.left, self.y), text, size, self.theme.faint if faint else self.theme.ink)
        self.y += int(size * 1.6)

    def pair(self, name: str, value: str, bold: bool = False) -> None:
        """A name on the left, a value on the right."""
        prints.write(self.picture, (self.left, self.y), name, 22, self.theme.ink, bold=bold)
        prints.write(self.picture, (self.right, self.y), value, 22, self.theme.ink, bold=bold, anchor="ra")
        self.y += 36

    def rule(self) -> None:
        """A thin line across."""
        self.draw.line((self.left, self.y + 6, self.right, self.y + 6), fill=self.theme.line, width=2)
        self.y += 24

    def box(self, name: str, value: str, wrong: bool = False) -> None:
        """An input with its name above."""
        prints.write(self.picture, (self.left, self.y), name, 18, self.theme.faint)
        edge = self.theme.error if wrong else self.theme.line
        self.draw.rounded_rectangle(
            (self.left, self.y + 26, self.right, self.y + 74), 8, fill=self.theme.card, outline=edge, width=3
        )
        prints.write(self.picture, (self.left + 16, self.y + 38), value, 22, self.theme.ink)
        self.y += 90

    def under(self, text: str) -> None:
        """A red sentence below an input."""
        prints.write(self.picture, (self.left, self.y - 10), text, 20, self.theme.error)
        self.y += 28

    def alert(self, lines: Sequence[str]) -> None:
        """A box with a red edge; its first line is bold."""
        ink = self.theme.error
        tall = 26 + 32 * len(lines)
        tint: Ink = tuple(int(0.85 * c + 0.15 * i) for c, i in zip(self.theme.card, ink, strict=True))  # type: ignore[assignment]
        self.draw.rounded_rectangle((self.left, self.y, self.right, self.y + tall), 10, fill=tint, outline=ink, width=2)
        self.draw.ellipse((self.left + 16, self.y + 14, self.left + 44, self.y + 42), fill=ink)
        prints.write(self.picture, (self.left + 30, self.y + 28), "!", 24, (255, 255, 255), bold=True, anchor="mm")
        for row, text in enumerate(lines):
            size = 22 if row == 0 else 19
            prints.write(
                self.picture, (self.left + 58, self.y + 14 + row * 32), text, size, self.theme.ink, bold=row == 0
            )
        self.y += tall + 24

    def button(self, text: str, quiet: bool = False) -> None:
        """A wide button."""
        fill = self.theme.card if quiet else self.theme.brand
        self.draw.rounded_rectangle(
            (self.left, self.y, self.right, self.y + 54), 10, fill=fill, outline=self.theme.brand, width=2
        )
        ink = self.theme.ink if quiet else (255, 255, 255)
        prints.write(self.picture, ((self.left + self.right) / 2, self.y + 27), text, 23, ink, bold=True, anchor="mm")
        self.y += 74

    def steps(self, names: Sequence[tuple[str, str]], done: int) -> None:
        """A parcel's stations from top to bottom, `done` of them behind it."""
        for index, (name, when) in enumerate(names):
            ink = GOOD if index < done else self.theme.line
            x = self.left + 16
            if index + 1 < len(names):
                self.draw.line(
                    (x, self.y + 14, x, self.y + 72), fill=GOOD if index + 1 < done else self.theme.line, width=5
                )
            self.draw.ellipse((x - 13, self.y, x + 13, self.y + 26), fill=ink)
            prints.write(self.picture, (x + 34, self.y), name, 23, self.theme.ink, bold=index == done - 1)
            prints.write(self.picture, (x + 34, self.y + 30), when, 18, self.theme.faint)
            self.y += 70


def tracking(
    theme: Theme,
    wide: bool,
    order: str,
    stations: Sequence[tuple[str, str]],
    done: int,
    expected: str,
    clock: str = "14:32",
) -> Image.Image:
    """The tracking page."""
    page = Page(theme, wide, "example.com/track", clock)
    page.heading("Track your order")
    page.line(f"Order {order}", faint=True)
    page.line(expected, size=25)
    page.rule()
    page.steps(stations, done)
    if not wide:
        page.rule()
        page.button("Redirect parcel", quiet=True)
    return page.picture


def declined(
    theme: Theme, wide: bool, lines: Sequence[str], total: str, card: str, clock: str = "20:05"
) -> Image.Image:
    """The last step of the checkout with an error about the payment."""
    page = Page(theme, wide, "example.com/checkout/payment", clock)
    page.heading("Checkout")
    page.alert(lines)
    page.line("Payment method", size=24)
    page.box("Card number", card, wrong=True)
    if not wide:
        page.box("Valid until / security code", "11 / 28      ***")
        page.pair("Delivery", "0.00 EUR")
    page.pair("Total", total, bold=True)
    page.button("Pay now")
    return page.picture


def voucher(
    theme: Theme,
    wide: bool,
    goods: Sequence[tuple[str, str]],
    code: str,
    problem: str,
    total: str,
    clock: str = "09:41",
) -> Image.Image:
    """The basket with a discount code that it does not accept."""
    page = Page(theme, wide, "example.com/basket", clock)
    page.heading("Your basket")
    for name, price in goods:
        page.pair(name, price)
    page.rule()
    page.box("Discount code", code, wrong=True)
    page.under(problem)
    page.pair("Discount", "0.00 EUR")
    page.pair("Total", total, bold=True)
    page.button("Go to checkout")
    return page.picture


def login(theme: Theme, wide: bool, mail: str, problem: Sequence[str], clock: str = "07:58") -> Image.Image:
    """The log-in page after a wrong password."""
    page = Page(theme, wide, "example.com/login", clock)
    page.heading("Log in")
    page.alert(problem)
    page.box("E-mail address", mail)
    page.box("Password", "**********", wrong=True)
    page.button("Log in")
    page.line("Forgot password?", faint=True)
    return page.picture
