"""Puts things on a ground, chooses light and angle, presses the button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from bot.demo.studio import lens, shapes, surfaces
from bot.demo.studio.tracer import Camera, Colour, Light, Thing, render

Painter = Callable[[np.random.Generator], Image.Image]
SIZE = (800, 600)
UPRIGHT = (600, 800)


@dataclass(frozen=True, slots=True)
class Angle:
    """From where: `distance` (dm), `height` in radians above the ground, `round` the thing, towards `target`."""

    distance: float
    height: float = 0.7
    round: float = 0.0
    target: tuple[float, float, float] = (0.0, 0.0, 0.3)
    size: tuple[int, int] = SIZE
    dim: bool = False


OAK = surfaces.wood()
WALNUT = surfaces.wood((124, 84, 56), (70, 44, 28), 2.1)
PALE = surfaces.wood((222, 196, 160), (184, 150, 110), 1.1)
CONCRETE = surfaces.stone()
SLATE = surfaces.stone((58, 60, 64), (112, 112, 114))
SAND = surfaces.stone((150, 128, 96), (206, 186, 150))
TILES = surfaces.tiles()
TERRACOTTA = surfaces.tiles((176, 108, 76), (150, 140, 128), 3.1)
GREY_CARPET = surfaces.carpet()
BEIGE_CARPET = surfaces.carpet((138, 120, 96), (196, 180, 154))
PICNIC = surfaces.weave((228, 226, 220), (152, 40, 40))
BLANKET = surfaces.weave((190, 178, 152), (70, 84, 92), 0.8)
WHITE_TOP = surfaces.plain((226, 226, 224), 0.03)


def any_light(rng: np.random.Generator, dim: bool) -> Light:
    """A window, a lamp or the sun, from some side."""
    side = rng.uniform(0, 2 * np.pi)
    return Light(
        towards=(float(np.cos(side)), float(np.sin(side)), float(rng.uniform(0.9, 1.9))),
        strength=float(rng.uniform(0.55, 0.8) if dim else rng.uniform(0.8, 1.2)),
        softness=float(rng.uniform(4, 8) if dim else rng.uniform(6, 22)),
        warm=(1.0, 0.9, 0.74) if dim else (1.0, 0.97, 0.91),
        above=(0.3, 0.28, 0.25) if dim else (0.44, 0.46, 0.5),
        below=(0.12, 0.1, 0.08) if dim else (0.16, 0.15, 0.13),
    )


def shoot(
    rng: np.random.Generator, things: Sequence[Thing], floor: Colour | None, angle: Angle, shine: float = 0.04
) -> Image.Image:
    """One photo of these things; `floor` None: the things bring their own ground."""
    around = angle.round - np.pi / 2 + float(rng.normal(0, 0.06))
    up = angle.height + float(rng.normal(0, 0.03))
    x, y, z = angle.target
    flat = angle.distance * np.cos(up)
    eye = (x + flat * float(np.cos(around)), y + flat * float(np.sin(around)), z + angle.distance * float(np.sin(up)))
    camera = Camera(eye, angle.target, 0.62 if angle.size[0] > angle.size[1] else 0.8, float(rng.normal(0, 0.03)))
    everything = list(things) if floor is None else [*things, Thing(shapes.ground, floor, shine)]
    light = render(everything, camera, any_light(rng, angle.dim), angle.size)
    return lens.develop(light, lens.any_shot(rng, angle.dim), rng)
