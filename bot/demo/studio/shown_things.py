"""The catalogue of screenshots, of screens photographed, of pictures that answers send along."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from bot.demo.studio import fabrics, prints, screens, shapes, sheets, stage, surfaces
from bot.demo.studio.screens import DARK, LIGHT, SAND, Page
from bot.demo.studio.stage import Angle, Painter, shoot
from bot.demo.studio.tracer import Array, Thing, single

Rng = np.random.Generator

MARCH = (
    ("Packed", "Mon 9 March, 11:20"),
    ("On its way", "Mon 9 March, 18:02 · Seeburg depot"),
    ("Out for delivery", "expected Wed 11 March"),
    ("Delivered", ""),
)
JUNE = (
    ("Packed", "Tue 2 June, 08:11"),
    ("On its way", "Tue 2 June, 16:40"),
    ("Out for delivery", "Thu 4 June, 07:15 · van 12"),
    ("Delivered", "today until 18:00"),
)
MAY = (
    ("Order received", "Sat 16 May, 21:03"),
    ("Packed", "Mon 18 May, 09:30"),
    ("On its way", "handed to the courier"),
    ("Delivered", ""),
)
OCTOBER = (
    ("Packed", "Thu 8 October, 10:02"),
    ("On its way", "Thu 8 October, 17:45"),
    ("Out for delivery", "Sat 10 October, 08:20"),
    ("Delivered", "Sat 10 October, 12:31 · left in a safe place"),
)
APRIL = (
    ("Packed", "Wed 1 April, 13:55"),
    ("On its way", "Thu 2 April, 02:10 · Auental hub"),
    ("Out for delivery", "expected Tue 7 April"),
    ("Delivered", ""),
)

TRACKING: dict[str, Painter] = {
    "tracking-desktop": lambda r: screens.tracking(LIGHT, True, "4471902", MARCH, 2, "Expected Wednesday, 11 March"),
    "tracking-phone": lambda r: screens.tracking(LIGHT, False, "4480031", JUNE, 3, "Arriving today until 18:00"),
    "tracking-dark": lambda r: screens.tracking(DARK, False, "4462210", MAY, 2, "Expected 20 - 22 May", "22:17"),
    "test-tracking": lambda r: screens.tracking(SAND, False, "4493377", APRIL, 2, "Expected Tuesday, 7 April", "06:48"),
    "test-tracking-delivered": lambda r: screens.tracking(
        LIGHT, False, "4510083", OCTOBER, 4, "Delivered on Saturday", "15:09"
    ),
}


def _photographed(rng: Rng, screen: Image.Image, angle: Angle) -> Image.Image:
    return shoot(rng, sheets.monitor(screen, (1.75, 1.19), (0, 0.6, 1.5), 0.1), stage.WALNUT, angle)


CHECKOUT: dict[str, Painter] = {
    "declined-desktop": lambda r: screens.declined(
        LIGHT, True, ("Payment declined", "Your bank has refused this payment."), "189.90 EUR", "**** **** **** 4417"
    ),
    "declined-phone": lambda r: screens.declined(
        LIGHT,
        False,
        ("Payment failed", "The card was not accepted. Please try", "again or choose another way to pay."),
        "64.80 EUR",
        "**** **** **** 0092",
    ),
    "declined-monitor": lambda r: _photographed(
        r,
        screens.declined(
            SAND,
            True,
            ("Transaction could not be completed", "Error 402: authorisation failed."),
            "412.00 EUR",
            "**** **** **** 7731",
        ),
        Angle(4.2, 0.06, 0.05, (0, 0.5, 1.5)),
    ),
    "test-declined": lambda r: screens.declined(
        DARK,
        False,
        ("Your card was declined", "Please check the details or contact", "your bank."),
        "329.00 EUR",
        "**** **** **** 5120",
        "23:40",
    ),
    "test-declined-monitor": lambda r: _photographed(
        r,
        screens.declined(
            LIGHT,
            True,
            ("We could not take your payment", "3-D Secure was not confirmed in time."),
            "77.50 EUR",
            "**** **** **** 3386",
        ),
        Angle(4.0, 0.12, -0.15, (0, 0.5, 1.5), dim=True),
    ),
    "voucher-desktop": lambda r: screens.voucher(
        LIGHT,
        True,
        (("Lodge mug", "14.90 EUR"), ("Trail socks", "17.00 EUR")),
        "TRAIL15",
        "This discount code is not valid.",
        "31.90 EUR",
    ),
    "voucher-phone": lambda r: screens.voucher(
        LIGHT, False, (("Storholm parka", "249.00 EUR"),), "HELLO10", "This code has expired.", "249.00 EUR"
    ),
    "voucher-dark": lambda r: screens.voucher(
        DARK,
        False,
        (("Fjell 2 tent", "329.00 EUR"), ("Peg set", "12.90 EUR")),
        "SUMMER20",
        "Code cannot be applied to reduced items.",
        "341.90 EUR",
        "18:26",
    ),
    "test-voucher": lambda r: screens.voucher(
        SAND,
        False,
        (("Ember stove", "49.90 EUR"), ("Gas 230 g", "7.90 EUR")),
        "WELCOME5",
        "Sorry, this code was already used.",
        "57.80 EUR",
        "12:12",
    ),
    "login-desktop": lambda r: screens.login(
        LIGHT, True, "mira.falk@example.com", ("Wrong e-mail or password", "Please try again.")
    ),
    "login-phone": lambda r: screens.login(
        LIGHT,
        False,
        "jonas@example.com",
        ("Password incorrect", "2 tries left before we lock", "the account for 30 minutes."),
    ),
    "test-login": lambda r: screens.login(
        DARK,
        False,
        "tom.ashdown@example.com",
        ("Account locked", "Too many wrong passwords.", "Try again in 30 minutes."),
        "21:54",
    ),
}


def _weather(rng: Rng) -> Image.Image:
    page = Page(DARK, False, "", "16:20")
    page.draw.rectangle((0, 50, page.width, 116), fill=(40, 70, 120))
    prints.write(page.picture, (280, 68), "MOUNTAIN WEATHER", 27, (255, 255, 255), bold=True, anchor="ma")
    page.heading("Bergheim, 1,240 m")
    page.line("14 °C, light rain", size=40)
    page.rule()
    for day, forecast in (
        ("Thursday", "rain      11 °C"),
        ("Friday", "cloudy      13 °C"),
        ("Saturday", "sunny      19 °C"),
        ("Sunday", "thunder      17 °C"),
    ):
        page.pair(day, forecast)
    page.rule()
    page.line("Snow line 2,600 m · wind 24 km/h SW", faint=True)
    return page.picture


def _mountains(rng: Rng) -> Image.Image:
    def high(points: Array) -> Array:
        far = np.clip((points[:, 1] - 2) / 10, 0, 1.2)
        flat = np.stack([points[:, 0], points[:, 1], np.zeros(len(points))], axis=1).astype(np.float32)
        return single(far * 6.5 * np.abs(surfaces.cloudy(flat, 0.16, 6) - 0.5) * 2)

    def rock(points: Array, normals: Array) -> Array:
        snow = (points[:, 2] + 1.2 * surfaces.cloudy(points, 0.8, 4) > 2.3) & (normals[:, 2] > 0.4)
        green = surfaces.linear((74, 96, 52)) * (0.6 + 0.7 * surfaces.cloudy(points, 2.0, 4))[:, None]
        result = np.where((points[:, 2] < 0.9)[:, None], green, surfaces.stone()(points, normals))
        result[snow] = 0.9
        haze = np.clip((points[:, 1] - 4) / 34, 0, 0.6)[:, None]
        return (result * (1 - haze) + np.array([0.5, 0.58, 0.7]) * haze).astype(np.float32)

    land = Thing(lambda p: ((p[:, 2] - high(p)) * 0.45).astype(np.float32), rock)
    return shoot(rng, [land], None, Angle(9, 0.2, 0, (0, 7, 1.4)))


def _football(rng: Rng) -> Image.Image:
    corners = np.array([(s * a, t * b, 0.0) for s in (-1, 1) for t in (-1, 1) for a, b in ((1, 1.618),)])
    poles = np.concatenate([corners, np.roll(corners, 1, 1), np.roll(corners, 2, 1)])
    poles = (poles / np.linalg.norm(poles[0])).astype(np.float32)

    def leather(points: Array, normals: Array) -> Array:
        near = (normals @ poles.T).max(axis=1)
        result = np.tile(surfaces.linear((236, 236, 232)), (len(points), 1))
        result[near > 0.93] = surfaces.linear((30, 30, 34))
        return result.astype(np.float32)

    ball = Thing(shapes.ball((0, 0, 1.08), (1.1, 1.1, 1.1)), leather, 0.3, (0, 0, 1.1, 1.3))
    return shoot(rng, [ball], surfaces.lawn(rng), Angle(6.5, 0.45, 0, (0.3, 0, 0.8)), 0.0)


ELSEWHERE: dict[str, Painter] = {
    "test-none-weather": _weather,
    "test-none-mountains": _mountains,
    "test-none-football": _football,
}


def size_chart() -> Image.Image:
    """The size chart that goes along with an answer."""
    chart = Image.new("RGB", (900, 560), (250, 249, 245))
    draw = ImageDraw.Draw(chart)
    prints.write(chart, (40, 30), "Sizes at a glance", 38, (30, 88, 76), bold=True)
    rows = (
        ("Clothes", "XS", "S", "M", "L", "XL", "XXL"),
        ("Chest cm", "82-87", "88-93", "94-101", "102-109", "110-118", "119-128"),
        ("Waist cm", "66-71", "72-78", "79-86", "87-94", "95-104", "105-115"),
        ("Boots EU", "37", "39", "41", "42", "44", "46"),
        ("Boots UK", "4", "5.5", "7", "8", "9.5", "11"),
        ("Foot cm", "23.5", "24.8", "26.1", "26.8", "28.1", "29.5"),
    )
    for index, row in enumerate(rows):
        y = 112 + index * 68
        if index in (0, 3):
            draw.rectangle((30, y, 870, y + 64), fill=(222, 232, 226))
        for column, cell in enumerate(row):
            x = 50 if column == 0 else 245 + (column - 1) * 112
            prints.write(
                chart, (x, y + 20), cell, 23, bold=index in (0, 3) or column == 0, anchor="la" if column == 0 else "ma"
            )
    return chart


def symbol_key() -> Image.Image:
    """The key to the wash symbols that goes along with an answer."""
    key = Image.new("RGB", (900, 600), (250, 249, 245))
    draw = ImageDraw.Draw(key)
    prints.write(key, (40, 30), "What the label says", 38, (30, 88, 76), bold=True)
    meanings = (
        ("wash30", "Wash at 30 °C"),
        ("wash40", "Wash at 40 °C"),
        ("hand", "Wash by hand only"),
        ("bleach-no", "Do not bleach"),
        ("dry", "Tumble dry, low"),
        ("dry-no", "Do not tumble dry"),
        ("iron", "Iron, low heat"),
        ("iron-no", "Do not iron"),
        ("clean-no", "Do not dry clean"),
    )
    for index, (mark, meaning) in enumerate(meanings):
        x, y = 50 + (index % 2) * 430, 112 + (index // 2) * 94
        fabrics.care_symbols(draw, (mark,), (x, y), 60)
        prints.write(key, (x + 90, y + 18), meaning, 25)
    return key


PICTURES: dict[str, Painter] = TRACKING | CHECKOUT | ELSEWHERE
ENCLOSED = {"answer-size-chart": size_chart, "answer-care-symbols": symbol_key}
