"""The catalogue of photos of broken gear."""

from __future__ import annotations

import numpy as np
from PIL import Image

from bot.demo.studio import camping, fabrics, mugs, parcels, stage, surfaces
from bot.demo.studio.fabrics import Zip, fleece, ripstop
from bot.demo.studio.mugs import Glaze
from bot.demo.studio.parcels import Carton
from bot.demo.studio.prints import PEOPLE
from bot.demo.studio.stage import Angle, Painter, shoot
from bot.demo.studio.tracer import Thing

Rng = np.random.Generator
BLUE = Glaze((64, 92, 112), (238, 232, 220), (222, 212, 192))
WHITE = Glaze((214, 210, 200), (168, 60, 44))
FOREST = Glaze((46, 92, 66), (242, 240, 234))
RUST = Glaze((190, 84, 52), (240, 236, 228))
CREAM = Glaze((226, 214, 184), (96, 70, 48), (96, 70, 48))
BLACK = Glaze((46, 46, 50), (46, 46, 50), (196, 160, 80))


def _lawn(rng: Rng, things: list[Thing], angle: Angle, dry: float = 0.2) -> Image.Image:
    return shoot(rng, things, surfaces.lawn(rng, dry), angle, 0.0)


MUGS: dict[str, Painter] = {
    "cracked-mug": lambda r: shoot(r, mugs.cracked(r, BLUE, 0.4), stage.OAK, Angle(2.9, 0.62)),
    "chipped-mug": lambda r: shoot(r, mugs.chipped(r, WHITE, 0.6), stage.PICNIC, Angle(3.0, 0.7, 0.1, (0, -0.2, 0.3))),
    "broken-handle": lambda r: shoot(
        r, mugs.without_handle(r, FOREST, -0.9), stage.CONCRETE, Angle(3.2, 0.6, -0.1, (0.3, -0.2, 0.3))
    ),
    "mug-shards": lambda r: shoot(r, mugs.shards(r, RUST, 0.5), stage.TILES, Angle(3.4, 0.8, 0.2, (0, 0, 0.1))),
    "test-mug": lambda r: shoot(r, mugs.cracked(r, CREAM, 0.9), stage.WALNUT, Angle(2.6, 0.75, 0.25, dim=True)),
    "test-mug-shards": lambda r: shoot(
        r, mugs.shards(r, BLACK, 1.5, 9), stage.PALE, Angle(4.0, 0.9, 0.6, (0, 0, 0.1), stage.UPRIGHT)
    ),
    "test-plate": lambda r: shoot(r, mugs.plate(r, BLUE), stage.BLANKET, Angle(4.4, 0.95, 0.3, (0, 0, 0))),
}

PARCELS: dict[str, Painter] = {
    "parcel-crushed": lambda r: shoot(
        r, parcels.crushed(r, Carton((1.5, 1.1, 0.8)), PEOPLE[0]), stage.CONCRETE, Angle(6.4, 0.6, 0, (0, 0, 0.6))
    ),
    "parcel-wet": lambda r: shoot(
        r, parcels.wet(r, Carton((1.3, 1.0, 0.9), yaw=-0.5), PEOPLE[1]), stage.TILES, Angle(6.2, 0.62, 0, (0, 0, 0.7))
    ),
    "parcel-torn": lambda r: shoot(
        r, parcels.torn(r, Carton((1.6, 1.1, 0.9), yaw=0.2), PEOPLE[2]), stage.OAK, Angle(6.4, 0.55, 0, (0, 0, 0.7))
    ),
    "parcel-corner": lambda r: shoot(
        r,
        parcels.crushed(r, Carton((1.0, 0.9, 1.1), (200, 160, 112), (190, 190, 186), 0.8), PEOPLE[3], 1.15),
        stage.GREY_CARPET,
        Angle(6.0, 0.7, 0.2, (0, 0, 0.9), dim=True),
    ),
    "test-parcel-wet": lambda r: shoot(
        r,
        parcels.wet(r, Carton((1.6, 1.0, 0.7), (170, 128, 84), (150, 110, 70), 0.7), PEOPLE[4], 0.6),
        stage.SLATE,
        Angle(6.3, 0.75, -0.1, (0, 0, 0.5)),
    ),
    "test-parcel-crushed": lambda r: shoot(
        r,
        parcels.crushed(r, Carton((1.7, 1.2, 0.65), (192, 150, 100), yaw=-0.35), PEOPLE[5], 0.95),
        stage.TERRACOTTA,
        Angle(6.6, 0.7, 0.1, (0, 0, 0.5), stage.UPRIGHT),
    ),
    "test-parcel-torn": lambda r: shoot(
        r,
        parcels.torn(r, Carton((1.3, 1.0, 1.0), (178, 134, 88), yaw=-0.25), PEOPLE[0], (170, 60, 50)),
        stage.BEIGE_CARPET,
        Angle(6.2, 0.5, 0.1, (0, 0, 0.8), dim=True),
    ),
}

ORANGE, NAVY, OLIVE, PLUM, TEAL, GREY = (
    (200, 96, 40),
    (38, 62, 94),
    (92, 96, 60),
    (96, 40, 72),
    (30, 110, 112),
    (120, 122, 126),
)


def _zip(
    rng: Rng, zip_: Zip, shell: surfaces.Rgb, lining: surfaces.Rgb, angle: Angle, soft: bool = False
) -> Image.Image:
    cover = fleece(shell) if soft else ripstop(shell)
    return shoot(rng, fabrics.zipper(rng, zip_, cover, fleece(lining)), None, angle)


ZIPS: dict[str, Painter] = {
    "zip-split": lambda r: _zip(r, Zip(), ORANGE, (60, 70, 90), Angle(2.9, 1.1, 0.1, (0, 0, 0))),
    "zip-teeth": lambda r: _zip(
        r,
        Zip(slider=0.62, gape_below=0.1, missing=(-0.6, 0.1)),
        NAVY,
        (170, 168, 160),
        Angle(2.3, 1.15, -0.2, (0, 0, 0)),
    ),
    "zip-torn": lambda r: _zip(
        r,
        Zip(slider=0.7, gape_below=0.03, torn=0.5, pull=(30, 30, 30)),
        OLIVE,
        (180, 90, 50),
        Angle(2.9, 1.2, 0.2, (0.1, -0.1, 0)),
    ),
    "zip-slider": lambda r: _zip(
        r,
        Zip(slider=0.1, gape_below=0.5, gape_above=0.6, teeth=(188, 160, 90)),
        PLUM,
        (40, 40, 46),
        Angle(2.2, 1.0, -0.3, (0, 0.05, 0), dim=True),
        True,
    ),
    "test-zip": lambda r: _zip(
        r,
        Zip(slider=0.25, gape_below=0.36, pull=(230, 200, 60)),
        TEAL,
        (200, 196, 186),
        Angle(2.6, 1.15, 0.35, (0, -0.1, 0), stage.UPRIGHT),
    ),
    "test-zip-torn": lambda r: _zip(
        r,
        Zip(slider=0.75, gape_below=0.05, torn=0.6, teeth=(200, 200, 200)),
        GREY,
        (120, 40, 40),
        Angle(2.7, 1.05, -0.15, (0.15, -0.2, 0), dim=True),
        True,
    ),
}

POLES: dict[str, Painter] = {
    "pole-grass": lambda r: _lawn(r, camping.pole(r, (206, 152, 40), "snapped"), Angle(3.6, 0.95, 0, (0.05, -0.1, 0))),
    "pole-floor": lambda r: shoot(
        r, camping.pole(r, (44, 62, 140), "bent", 0.1), stage.TILES, Angle(4.0, 0.9, 0.1, (0.2, 0.2, 0))
    ),
    "pole-table": lambda r: shoot(
        r, camping.pole(r, (40, 40, 44), "snapped", -0.4), stage.PALE, Angle(3.0, 1.0, 0.2, (0.05, -0.1, 0), dim=True)
    ),
    "test-pole": lambda r: _lawn(
        r, camping.pole(r, (170, 44, 40), "snapped", 0.9), Angle(3.3, 1.05, -0.1, (0.05, -0.1, 0)), 0.6
    ),
    "test-pole-bent": lambda r: shoot(
        r, camping.pole(r, (150, 152, 156), "bent", 0.5), stage.SAND, Angle(4.2, 1.0, -0.2, (0.2, 0.2, 0))
    ),
}

AT = (0.0, 0.0, 0.0)
BOOTS: dict[str, Painter] = {
    "boot-stones": lambda r: shoot(
        r,
        camping.boot(r, (122, 78, 46), (42, 42, 42), (190, 60, 40), 0.3, AT, 0.4),
        stage.CONCRETE,
        Angle(5.6, 0.42, 0, (0.2, 0, 0.7)),
    ),
    "boot-floor": lambda r: shoot(
        r,
        camping.boot(r, (92, 98, 82), (60, 56, 50), (30, 30, 30), 0.22, AT, -0.5),
        stage.OAK,
        Angle(5.2, 0.5, 0, (0.2, 0, 0.65)),
    ),
    "boot-grass": lambda r: _lawn(
        r,
        camping.boot(r, (70, 70, 74), (30, 30, 32), (220, 190, 60), 0.34, AT, 2.9),
        Angle(5.4, 0.5, 0.1, (-0.2, 0, 0.7)),
    ),
    "test-boot": lambda r: shoot(
        r,
        camping.boot(r, (160, 116, 70), (50, 44, 40), (90, 60, 40), 0.28, AT, 2.6),
        stage.GREY_CARPET,
        Angle(5.4, 0.45, 0.15, (-0.2, 0, 0.7), dim=True),
    ),
    "test-boot-close": lambda r: shoot(
        r,
        camping.boot(r, (104, 60, 40), (36, 36, 38), (60, 90, 60), 0.32, AT, 0.9),
        stage.SLATE,
        Angle(4.2, 0.35, 0.2, (0.3, 0.2, 0.5), stage.UPRIGHT),
    ),
}

PICTURES: dict[str, Painter] = MUGS | PARCELS | ZIPS | POLES | BOOTS
