"""Flat things that lie about: paper, cards, cloth, phones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from bot.demo.studio import shapes, surfaces
from bot.demo.studio.surfaces import Rgb
from bot.demo.studio.tracer import Array, Colour, Thing

Relief = Callable[[Array, Array], Array]


def smooth(x: Array, y: Array) -> Array:
    """No relief at all."""
    return np.zeros_like(x)


def curl(amount: float, corner: tuple[float, float] = (1.0, 1.0)) -> Relief:
    """Paper whose corner (in half sizes, as x, y in [-1, 1]) stands up by `amount`."""
    cx, cy = corner

    def relief(x: Array, y: Array) -> Array:
        towards = np.clip((x * cx + y * cy) / 2, 0, 1)
        return (amount * towards**2.5).astype(np.float32)

    return relief


def folds(*lines: tuple[float, float, float]) -> Relief:
    """Creases: (angle, offset, depth) each, in half sizes."""

    def relief(x: Array, y: Array) -> Array:
        total = np.zeros_like(x)
        for angle, offset, depth in lines:
            away = np.abs(x * np.cos(angle) + y * np.sin(angle) - offset)
            total += depth * np.clip(away, 0, 0.8)
        return total.astype(np.float32)

    return relief


def crumple(amount: float, scale: float = 2.0, seed: float = 0.0) -> Relief:
    """Cloth: soft hills of `amount` decimetres."""

    def relief(x: Array, y: Array) -> Array:
        place = np.stack([x, y, np.full_like(x, seed)], axis=1)
        return (amount * surfaces.cloudy(place, scale, 2)).astype(np.float32)

    return relief


def sheet(
    picture: Image.Image,
    half: tuple[float, float],
    at: shapes.Point,
    yaw: float = 0.0,
    relief: Relief = smooth,
    gloss: float = 0.0,
    thickness: float = 0.004,
    glow: float = 1.0,
    back: Rgb = (235, 233, 228),
    pitch: float = 0.0,
    roll: float = 0.0,
) -> Thing:
    """A picture on something thin, `half` its half sizes; `glow` above 1 for screens."""
    frame, where = shapes.turn(yaw, pitch, roll), np.array(at, np.float32)
    hx, hy = half

    def own(points: Array) -> Array:
        return ((points - where) @ frame).astype(np.float32)

    def distance(points: Array) -> Array:
        p = own(points)
        x, y = np.clip(p[:, 0], -hx, hx), np.clip(p[:, 1], -hy, hy)
        high = relief((x / hx).astype(np.float32), (y / hy).astype(np.float32))
        above = (np.abs(p[:, 2] - high) - thickness) * 0.75
        beside = np.maximum(np.abs(p[:, 0]) - hx, np.abs(p[:, 1]) - hy)
        outside = np.hypot(np.maximum(above, 0), np.maximum(beside, 0))
        return (np.minimum(np.maximum(above, beside), 0) + outside).astype(np.float32)

    def colour(points: Array, normals: Array) -> Array:
        p = own(points)
        seen = surfaces.sample(
            picture, ((p[:, 0] / hx + 1) / 2).astype(np.float32), ((1 - p[:, 1] / hy) / 2).astype(np.float32)
        )
        under = (normals @ frame)[:, 2] < -0.3
        seen[under] = surfaces.linear(back)
        return (seen * glow).astype(np.float32)

    return Thing(distance, colour, gloss, (*at, float(np.hypot(hx, hy)) + 0.25))


def cloth(colour: Colour, relief: Relief, scale: float = 1.0, lift: float = 0.0) -> Thing:
    """Fabric spread over everything, with hills; `scale` is the size of one relief unit in decimetres."""

    def distance(points: Array) -> Array:
        result = (points[:, 2] - lift - 0.35).astype(np.float32)
        near = result < 0.25
        x, y = (points[near, 0] / scale).astype(np.float32), (points[near, 1] / scale).astype(np.float32)
        result[near] = (result[near] + 0.35 - relief(x, y)) * 0.7
        return result

    return Thing(distance, colour)


def phone(screen: Image.Image, at: shapes.Point, yaw: float, glow: float = 1.7) -> list[Thing]:
    """A phone on its back, showing `screen` (about 9:19)."""
    x, y, z = at
    body = shapes.placed(shapes.box((0.37, 0.77, 0.045), 0.04), (x, y, z + 0.045), yaw=yaw)
    shell = Thing(body, surfaces.plain((28, 28, 32)), 0.8, (x, y, z, 1.0))
    glass = sheet(screen, (0.345, 0.735), (x, y, z + 0.09), yaw, gloss=0.25, thickness=0.003, glow=glow)
    return [shell, glass]


def monitor(
    screen: Image.Image, half: tuple[float, float], at: shapes.Point, yaw: float, glow: float = 1.6
) -> list[Thing]:
    """A computer's screen standing upright, its pixels just visible."""
    pixels = np.asarray(screen.convert("RGB"), np.float32)
    rows = 1 - 0.07 * (np.arange(pixels.shape[0]) % 3 == 0)[:, None, None]
    columns = 1 - 0.07 * (np.arange(pixels.shape[1]) % 3 == 0)[None, :, None]
    lit = Image.fromarray((pixels * rows * columns).astype(np.uint8))
    frame = shapes.placed(shapes.box((half[0] + 0.1, 0.1, half[1] + 0.1), 0.04), at, yaw=yaw)
    facing = (at[0] + float(np.sin(yaw)) * 0.11, at[1] - float(np.cos(yaw)) * 0.11, at[2])
    glass = sheet(lit, half, facing, yaw, gloss=0.12, thickness=0.004, glow=glow, roll=np.pi / 2)
    return [Thing(frame, surfaces.plain((34, 34, 38)), 0.3), glass]
