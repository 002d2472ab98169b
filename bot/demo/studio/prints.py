"""Things that are printed: writing, barcodes, parcel labels, return labels, invoices, gift cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Ink = tuple[int, int, int]
BLACK: Ink = (24, 24, 26)
GREY: Ink = (110, 112, 116)


def font(size: float) -> ImageFont.FreeTypeFont:
    """Pillow's own font (Aileron), which is there wherever Pillow is."""
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType; the demo's pictures need it")
    return found


def write(
    picture: Image.Image,
    at: tuple[float, float],
    text: str,
    size: float,
    ink: Ink = BLACK,
    bold: bool = False,
    anchor: str = "la",
) -> None:
    """Write one line (or several, at \\n) on a picture."""
    draw, place = ImageDraw.Draw(picture), anchor if "\n" not in text else None
    # There is only a regular cut: bold is written twice, a little apart, so that the letters do not run together.
    for shift in (0.0, max(1.0, size / 30)) if bold else (0.0,):
        draw.text((at[0] + shift, at[1]), text, fill=ink, font=font(size), anchor=place, spacing=size * 0.35)


def bars(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A linear barcode (of nothing in particular)."""
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    x = 0
    unit = max(1, width // 110)
    while x < width:
        bar, gap = int(rng.integers(1, 4)) * unit, int(rng.integers(1, 4)) * unit
        draw.rectangle((x, 0, min(x + bar - 1, width), height), fill=BLACK)
        x += bar + gap
    return picture


def square_code(text: str, side: int) -> Image.Image:
    """A QR code of `text`, `side` pixels wide with its quiet zone."""
    modules = cv2.QRCodeEncoder.create().encode(text)
    return Image.fromarray(np.asarray(modules)).convert("RGB").resize((side, side), Image.Resampling.NEAREST)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does not exist, and where they do not live."""

    name: str
    street: str
    town: str


PEOPLE = (
    Person("Mira Falk", "Birkenstieg 4", "22999 Hafenstadt"),
    Person("Jonas Overbeck", "Am Alten Speicher 19", "10999 Seeburg"),
    Person("Ida Lindqvist", "Tallvägen 7", "117 00 Norrby"),
    Person("Tom Ashdown", "3 Ferry Row", "Lowmouth LM4 2TT"),
    Person("Greta Sommer", "Lerchenfeld 88", "80999 Bergheim"),
    Person("Paul Reuter", "Wiesengrund 2a", "04999 Auental"),
)


def parcel_label(rng: np.random.Generator, person: Person) -> Image.Image:
    """The courier's label on a parcel."""
    paper = Image.new("RGB", (600, 420), (246, 246, 244))
    draw = ImageDraw.Draw(paper)
    draw.rectangle((6, 6, 593, 413), outline=BLACK, width=3)
    draw.rectangle((6, 6, 593, 76), fill=BLACK)
    write(paper, (24, 20), "SWIFTLINE PARCEL", 34, (255, 255, 255), bold=True)
    write(paper, (24, 92), "From: Northwind Outdoor, Lagerstr. 1", 19, GREY)
    write(paper, (24, 128), f"{person.name}\n{person.street}\n{person.town}", 30)
    write(paper, (440, 120), f"{rng.uniform(0.6, 9):.1f} kg", 34, bold=True)
    paper.paste(bars(rng, 540, 96), (30, 274))
    write(paper, (300, 376), f"SL {rng.integers(10**9, 10**10)}", 22, anchor="ma")
    return paper


def return_label(rng: np.random.Generator, person: Person) -> Image.Image:
    """The label for sending something back, with its QR code."""
    paper = Image.new("RGB", (760, 520), (250, 250, 248))
    draw = ImageDraw.Draw(paper)
    draw.rectangle((10, 10, 749, 509), outline=BLACK, width=4)
    write(paper, (34, 30), "RETURN LABEL", 58, bold=True)
    number = f"RT-{rng.integers(10**6, 10**7)}"
    paper.paste(square_code(f"https://example.com/returns/{number}", 250), (474, 40))
    write(paper, (34, 118), "Postage paid, no stamp needed", 23, GREY)
    write(paper, (34, 166), "To: Northwind Outdoor\nReturns, Gate 4\nLagerstr. 1, 10999 Seeburg", 28)
    write(paper, (34, 298), f"From: {person.name}, {person.town}", 21, GREY)
    paper.paste(bars(rng, 680, 100), (38, 340))
    write(paper, (380, 452), f"Return no. {number}", 30, anchor="ma")
    return paper


def invoice(
    rng: np.random.Generator, person: Person, lines: Sequence[tuple[str, float]], marks: bool = False
) -> Image.Image:
    """An invoice on A4; `marks`: somebody has circled the name with a red pen."""
    paper = Image.new("RGB", (840, 1188), (250, 250, 247))
    draw = ImageDraw.Draw(paper)
    write(paper, (70, 64), "NORTHWIND OUTDOOR", 32, (30, 74, 66), bold=True)
    write(paper, (70, 108), "Lagerstr. 1 · 10999 Seeburg", 18, GREY)
    write(paper, (560, 64), "INVOICE", 50, bold=True)
    write(
        paper,
        (560, 138),
        f"No. NW-{rng.integers(10000, 99999)}\nDate {rng.integers(1, 28)}.0{rng.integers(1, 9)}.2026",
        22,
    )
    write(paper, (70, 226), f"Bill to\n{person.name}\n{person.street}\n{person.town}", 27)
    draw.line((70, 420, 770, 420), fill=BLACK, width=3)
    for x, head in ((70, "Item"), (520, "Qty"), (770, "Amount")):
        write(paper, (x, 384), head, 23, bold=True, anchor="ra" if x == 770 else "la")
    y, total = 446, 0.0
    for name, price in lines:
        write(paper, (70, y), name, 25)
        write(paper, (530, y), "1", 25)
        write(paper, (770, y), f"{price:.2f} EUR", 25, anchor="ra")
        y, total = y + 50, total + price
    draw.line((430, y + 8, 770, y + 8), fill=BLACK, width=2)
    write(paper, (430, y + 26), "VAT 19 % included", 22, GREY)
    write(paper, (770, y + 26), f"{total * 0.19 / 1.19:.2f} EUR", 22, GREY, anchor="ra")
    write(paper, (430, y + 68), "Invoice total", 30, bold=True)
    write(paper, (770, y + 68), f"{total:.2f} EUR", 30, bold=True, anchor="ra")
    write(
        paper,
        (70, 1060),
        "Thank you for your order! VAT ID DE000000000\nQuestions about this invoice: example.com/invoice",
        20,
        GREY,
    )
    if marks:
        wobble = [
            (60 + 240 * (1 + np.cos(t)) + rng.normal(0, 4), 292 + 46 * np.sin(t) + rng.normal(0, 3))
            for t in np.linspace(0, 6.8, 40)
        ]
        draw.line([(float(x), float(y)) for x, y in wobble], fill=(200, 30, 30), width=6, joint="curve")
        write(paper, (590, 300), "wrong!", 44, (200, 30, 30))
    return paper


def gift_card(rng: np.random.Generator, back: bool, amount: int, ground: Ink, scratched: float = 1.0) -> Image.Image:
    """A plastic gift card: its front, or its back with the code scratched free up to a share."""
    card = Image.new("RGB", (860, 540), ground)
    draw = ImageDraw.Draw(card)
    if not back:
        for row in range(3):
            peaks = [(x, 540 - row * 60 - 150 * float(rng.random())) for x in range(-50, 920, 95)]
            shade: Ink = (
                max(0, ground[0] - 22 * (3 - row)),
                max(0, ground[1] - 20 * (3 - row)),
                max(0, ground[2] - 16 * (3 - row)),
            )
            draw.polygon([(-50, 540), *peaks, (910, 540)], fill=shade)
        write(card, (50, 44), "NORTHWIND OUTDOOR", 38, (250, 248, 240), bold=True)
        write(card, (50, 130), "GIFT CARD", 84, (250, 248, 240), bold=True)
        write(card, (810, 440), f"{amount} EUR", 66, (250, 248, 240), bold=True, anchor="ra")
        return card
    draw.rectangle((0, 50, 860, 130), fill=(30, 30, 32))
    write(card, (50, 160), "Gift card code", 32, (250, 248, 240))
    draw.rectangle((50, 212, 810, 312), fill=(238, 238, 232))
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    code = "-".join("".join(letters[i] for i in rng.integers(0, len(letters), 4)) for _ in range(4))
    write(card, (74, 234), code, 52)
    edge = 50 + 760 * scratched
    if scratched < 1:
        jag = [(edge + float(rng.normal(0, 9)), y) for y in range(212, 313, 10)]
        draw.polygon([(810, 212), *jag, (810, 312)], fill=(150, 152, 156))
    write(
        card,
        (50, 340),
        "Scratch gently. Redeem at the checkout\nunder Gift card, or in our shops.",
        30,
        (250, 248, 240),
    )
    card.paste(bars(rng, 420, 76), (50, 444))
    return card
