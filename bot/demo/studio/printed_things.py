"""The catalogue of photos of labels, papers, cards and canisters."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from bot.demo.studio import camping, fabrics, parcels, prints, screens, shapes, sheets, stage, surfaces
from bot.demo.studio.fabrics import fleece, ripstop
from bot.demo.studio.prints import PEOPLE
from bot.demo.studio.screens import Page
from bot.demo.studio.sheets import sheet
from bot.demo.studio.stage import Angle, Painter, shoot
from bot.demo.studio.tracer import Colour, Thing

Rng = np.random.Generator


def _code_screen(rng: Rng) -> Image.Image:
    """What a phone shows when something is to be sent back without a printer."""
    page = Page(screens.LIGHT, False, "", "17:26", 1190)
    number = f"RT-{rng.integers(10**6, 10**7)}"
    page.heading("Your return")
    page.line("Show this QR code at the parcel")
    page.line("shop. They print the label.")
    page.picture.paste(prints.square_code(f"https://example.com/returns/{number}", 460), (50, page.y + 10))
    page.y += 500
    page.line(f"Return no. {number}", size=32)
    page.button("Save as PDF", quiet=True)
    return page.picture


def _label_on_box(rng: Rng) -> Image.Image:
    carton = parcels.Carton((1.5, 1.1, 0.55), yaw=0.25)
    box = parcels.plain(rng, carton, PEOPLE[2])
    label = sheet(
        prints.return_label(rng, PEOPLE[2]), (0.76, 0.52), (0.3, -0.35, 1.106), 0.3, gloss=0.1, thickness=0.01
    )
    return shoot(rng, [*box, label], stage.CONCRETE, Angle(4.4, 0.95, 0, (0.2, -0.2, 1.0)))


def _return_phone(rng: Rng, floor: Colour, yaw: float, angle: Angle) -> Image.Image:
    return shoot(rng, sheets.phone(_code_screen(rng), (0, 0, 0), yaw), floor, angle)


RETURNS: dict[str, Painter] = {
    "return-label": lambda r: shoot(
        r,
        [sheet(prints.return_label(r, PEOPLE[0]), (0.76, 0.52), (0, 0, 0.01), 0.12, sheets.curl(0.25))],
        stage.OAK,
        Angle(2.3, 1.05, 0, (0, 0, 0)),
    ),
    "return-qr-phone": lambda r: _return_phone(
        r, stage.BLANKET, 0.25, Angle(2.1, 1.15, 0, (0, 0.05, 0), stage.UPRIGHT)
    ),
    "return-label-box": _label_on_box,
    "test-return-label": lambda r: shoot(
        r,
        [sheet(prints.return_label(r, PEOPLE[3]), (0.76, 0.52), (0, 0, 0.02), -0.3, sheets.folds((1.57, 0.0, 0.12)))],
        stage.BEIGE_CARPET,
        Angle(2.3, 1.0, 0.1, (0, 0, 0), dim=True),
    ),
    "test-return-phone": lambda r: _return_phone(
        r, stage.WALNUT, -0.2, Angle(2.2, 1.1, 0.1, (0, 0.05, 0), stage.UPRIGHT, True)
    ),
}

A4 = (1.05, 1.485)
GOODS: tuple[tuple[str, float], ...] = (
    ("Fjell 2 tent", 329.0),
    ("Ember stove", 49.9),
    ("Lodge mug", 14.9),
    ("Storholm parka", 249.0),
    ("Trollvik boots", 189.0),
)


def _paper(
    rng: Rng,
    person: prints.Person,
    which: slice,
    marks: bool,
    yaw: float,
    relief: sheets.Relief,
    floor: Colour,
    angle: Angle,
) -> Image.Image:
    page = prints.invoice(rng, person, GOODS[which], marks)
    return shoot(rng, [sheet(page, A4, (0, 0, 0.02), yaw, relief)], floor, angle)


def _invoice_on_screen(rng: Rng) -> Image.Image:
    page = Image.new("RGB", (1400, 800), (82, 86, 89))
    sheet_ = prints.invoice(rng, PEOPLE[2], GOODS[2:5])
    page.paste(sheet_.crop((0, 0, 840, 760)), (280, 40))
    things = sheets.monitor(page, (1.75, 1.0), (0, 0.6, 1.4), 0.15)
    return shoot(rng, things, stage.WHITE_TOP, Angle(3.6, 0.08, 0.1, (0, 0.5, 1.4)))


INVOICES: dict[str, Painter] = {
    "invoice-desk": lambda r: _paper(
        r, PEOPLE[4], slice(0, 2), True, 0.1, sheets.smooth, stage.OAK, Angle(3.6, 1.1, 0, (0, 0.35, 0))
    ),
    "invoice-folded": lambda r: _paper(
        r,
        PEOPLE[3],
        slice(1, 4),
        False,
        -0.15,
        sheets.folds((1.57, 0.33, 0.14), (1.57, -0.33, 0.1)),
        stage.SLATE,
        Angle(4.0, 1.1, 0.1, (0, 0, 0), stage.UPRIGHT),
    ),
    "invoice-screen": _invoice_on_screen,
    "test-invoice": lambda r: _paper(
        r,
        PEOPLE[5],
        slice(2, 5),
        True,
        0.35,
        sheets.folds((0.0, 0.0, 0.1), (1.57, 0.0, 0.08)),
        stage.PICNIC,
        Angle(3.9, 1.0, -0.1, (0, 0.2, 0), stage.UPRIGHT, True),
    ),
}

CARD = (0.43, 0.27)
PINE, BERRY, NIGHT, MUSTARD = (34, 84, 74), (132, 40, 62), (36, 48, 84), (196, 148, 40)


def _card(
    rng: Rng,
    back: bool,
    ground: surfaces.Rgb,
    at: tuple[float, float],
    yaw: float,
    scratched: float = 1.0,
    amount: int = 50,
) -> Thing:
    return sheet(
        prints.gift_card(rng, back, amount, ground, scratched),
        CARD,
        (at[0], at[1], 0.015),
        yaw,
        gloss=0.35,
        thickness=0.008,
    )


def _envelope(at: shapes.Point, yaw: float) -> Thing:
    paper = Image.new("RGB", (400, 260), (206, 190, 160))
    ImageDraw.Draw(paper).line([(0, 0), (200, 150), (400, 0)], fill=(160, 142, 112), width=4)
    return sheet(paper, (0.62, 0.42), at, yaw, thickness=0.01)


GIFT_CARDS: dict[str, Painter] = {
    "gift-card": lambda r: shoot(r, [_card(r, True, PINE, (0, 0), 0.1)], stage.BLANKET, Angle(1.35, 1.1, 0, (0, 0, 0))),
    "gift-card-wood": lambda r: shoot(
        r,
        [_card(r, False, BERRY, (-0.1, 0.36), -0.15, amount=100), _card(r, True, BERRY, (0.05, -0.26), 0.08, 0.7)],
        stage.OAK,
        Angle(1.8, 1.05, 0, (0, 0, 0)),
    ),
    "gift-card-envelope": lambda r: shoot(
        r,
        [_envelope((0.25, 0.3, 0.006), -0.4), _card(r, False, NIGHT, (-0.05, 0), 0.25, amount=25)],
        stage.WHITE_TOP,
        Angle(1.7, 1.0, 0.1, (0.05, 0.05, 0)),
    ),
    "test-gift-card": lambda r: shoot(
        r, [_card(r, True, MUSTARD, (0, 0), -0.3, 0.85)], stage.WALNUT, Angle(1.3, 1.0, -0.1, (0, 0, 0), dim=True)
    ),
    "test-gift-card-front": lambda r: shoot(
        r,
        [_card(r, False, (60, 60, 64), (0, 0), 0.4, amount=75), _envelope((-0.5, 0.3, 0.006), 0.9)],
        stage.PICNIC,
        Angle(1.6, 1.1, 0.2, (0, 0, 0)),
    ),
}


def _label(
    rng: Rng, picture: Image.Image, half: tuple[float, float], under: Colour, yaw: float, angle: Angle
) -> Image.Image:
    seed = float(rng.uniform(0, 30))
    label = sheet(picture, half, (0, 0, 0.26), yaw, sheets.crumple(0.09, 1.3, seed), gloss=0.12, thickness=0.006)
    return shoot(rng, [label, sheets.cloth(under, sheets.crumple(0.34, 0.8, seed + 5))], None, angle)


WASH_ALL = ("wash30", "bleach-no", "dry-no", "iron", "clean-no")
WASH_WARM = ("wash40", "bleach-no", "dry", "iron-no", "clean-no")
WASH_HAND = ("hand", "bleach-no", "dry-no", "iron-no", "clean-no")
SHELL = ("100% POLYAMIDE", "MEMBRANE 100% PU")
CLOSE = Angle(1.5, 1.1, 0, (0, 0, 0.25))
LABELS: dict[str, Painter] = {
    "care-label-white": lambda r: _label(
        r, fabrics.care_label(SHELL, WASH_ALL), (0.42, 0.42), fleece((50, 80, 120)), 0.1, CLOSE
    ),
    "care-label-blue": lambda r: _label(
        r,
        fabrics.care_label(("100% POLYESTER",), WASH_WARM, (244, 244, 240), (34, 50, 88)),
        (0.42, 0.42),
        ripstop((190, 80, 40)),
        -0.25,
        Angle(1.4, 1.0, 0.1, (0, 0, 0.25)),
    ),
    "care-label-fleece": lambda r: _label(
        r,
        fabrics.care_label(("80% WOOL", "20% POLYAMIDE"), WASH_HAND),
        (0.4, 0.4),
        fleece((150, 146, 136)),
        0.4,
        Angle(1.6, 0.95, -0.1, (0, 0, 0.25), dim=True),
    ),
    "test-care-label": lambda r: _label(
        r,
        fabrics.care_label(("94% POLYAMIDE", "6% ELASTANE"), WASH_WARM),
        (0.42, 0.42),
        ripstop((60, 66, 58)),
        -0.4,
        Angle(1.45, 1.05, 0.2, (0, 0, 0.25), stage.UPRIGHT),
    ),
    "test-care-black": lambda r: _label(
        r,
        fabrics.care_label(SHELL, WASH_ALL, (230, 230, 226), (30, 30, 32)),
        (0.38, 0.38),
        fleece((120, 40, 40)),
        0.2,
        Angle(1.35, 1.1, -0.2, (0, 0, 0.25), dim=True),
    ),
    "size-label-boot": lambda r: _label(
        r,
        fabrics.size_label(
            (("EU", "42"), ("UK", "8"), ("US", "8.5"), ("CM", "27")), (26, 26, 28), (236, 236, 230), "TROLLVIK"
        ),
        (0.42, 0.3),
        ripstop((96, 84, 62)),
        0.1,
        CLOSE,
    ),
    "size-label-jacket": lambda r: _label(
        r,
        fabrics.size_label((("EU", "M"), ("UK", "38"), ("US", "M")), (200, 196, 186), (34, 50, 44)),
        (0.4, 0.29),
        fleece((40, 92, 88)),
        -0.2,
        Angle(1.4, 1.0, 0.1, (0, 0, 0.25), dim=True),
    ),
    "size-label-close": lambda r: _label(
        r,
        fabrics.size_label(
            (("EU", "38"), ("UK", "5"), ("US W", "7"), ("CM", "24")), (150, 40, 44), (244, 240, 232), "SIZE"
        ),
        (0.44, 0.31),
        ripstop((50, 52, 56)),
        0.25,
        Angle(1.15, 1.15, 0, (0, 0, 0.25)),
    ),
    "test-size-label": lambda r: _label(
        r,
        fabrics.size_label(
            (("EU", "45"), ("UK", "10.5"), ("US", "11"), ("CM", "29.5")), (40, 44, 60), (220, 200, 120), "TROLLVIK"
        ),
        (0.42, 0.3),
        fleece((110, 96, 80)),
        -0.35,
        Angle(1.4, 1.05, -0.2, (0, 0, 0.25), dim=True),
    ),
}


def _gas(
    rng: Rng,
    ground: surfaces.Rgb,
    ink: surfaces.Rgb,
    grams: int,
    mix: str,
    yaw: float,
    floor: Colour,
    angle: Angle,
    burner: bool = False,
) -> Image.Image:
    wide = 0.54 if grams > 150 else 0.45
    things = camping.canister(
        camping.canister_wrap(ground, ink, grams, mix), (0, 0, 0), yaw, wide, 0.86 if grams > 150 else 0.66
    )
    if burner:
        things += camping.stove((0, 0, 1.04 if grams > 150 else 0.84), float(rng.uniform(0, 2)))
    return shoot(rng, things, floor, angle)


CANISTERS: dict[str, Painter] = {
    "gas-canister-table": lambda r: _gas(
        r, (190, 52, 34), (250, 246, 236), 230, "winter mix", -1.9, stage.OAK, Angle(3.2, 0.55, 0, (0, 0, 0.5))
    ),
    "gas-canister-rock": lambda r: _gas(
        r, (36, 84, 140), (244, 244, 240), 100, "summer mix", -2.1, stage.SAND, Angle(2.8, 0.6, 0.1, (0, 0, 0.4))
    ),
    "gas-canister-stove": lambda r: _gas(
        r, (216, 178, 52), (30, 30, 30), 230, "all season", -1.7, stage.SLATE, Angle(3.8, 0.45, 0, (0, 0, 0.75)), True
    ),
    "test-canister": lambda r: _gas(
        r,
        (60, 120, 70),
        (246, 244, 236),
        450,
        "winter mix",
        -2.3,
        stage.PALE,
        Angle(3.0, 0.7, 0.2, (0, 0, 0.5), stage.UPRIGHT, True),
    ),
    "test-canister-stove": lambda r: _gas(
        r,
        (190, 52, 34),
        (250, 246, 236),
        100,
        "summer mix",
        -1.6,
        stage.CONCRETE,
        Angle(3.4, 0.4, -0.3, (0, 0, 0.65)),
        True,
    ),
}

PICTURES: dict[str, Painter] = RETURNS | INVOICES | GIFT_CARDS | LABELS | CANISTERS
