"""Colours of materials, and the noise they are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from bot.demo.studio.tracer import Array, Colour

Rgb = tuple[int, int, int]
_LATTICE = np.random.default_rng(7).random((32, 32, 32)).astype(np.float32)
# A turn that lines up with nothing, so that the lattice of the noise is not seen on flat ground.
_ASKEW = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0].astype(np.float32)


def linear(rgb: Rgb) -> Array:
    """A screen colour (0-255, sRGB) as linear light."""
    result: Array = ((np.array(rgb, np.float32) / 255) ** 2.2).astype(np.float32)
    return result


def noise(points: Array, scale: float = 1.0) -> Array:
    """Smooth value noise in [0, 1] with features of about 1/`scale` decimetres."""
    p = points @ _ASKEW * scale + 100.0
    cell = np.floor(p).astype(np.int64)
    t = (p - cell).astype(np.float32)
    t = t * t * (3 - 2 * t)
    total = np.zeros(len(points), np.float32)
    for dx in (0, 1):
        for dy in (0, 1):
            for dz in (0, 1):
                weight = np.abs(1 - dx - t[:, 0]) * np.abs(1 - dy - t[:, 1]) * np.abs(1 - dz - t[:, 2])
                corner = (cell + np.array((dx, dy, dz))) % 32
                total += weight * _LATTICE[corner[:, 0], corner[:, 1], corner[:, 2]]
    return total


def cloudy(points: Array, scale: float = 1.0, octaves: int = 4) -> Array:
    """Fractal noise in [0, 1]."""
    total = np.zeros(len(points), np.float32)
    for octave in range(octaves):
        total += noise(points, scale * 2.03**octave) * 0.5 ** (octave + 1)
    result: Array = total / (1 - 0.5**octaves)
    return result


def _stretched(points: Array, x: float, y: float, z: float = 1.0) -> Array:
    result: Array = (points * np.array([x, y, z])).astype(np.float32)
    return result


def _between(low: Rgb, high: Rgb, share: Array) -> Array:
    a, b = linear(low), linear(high)
    result: Array = (a + np.clip(share, 0, 1)[:, None] * (b - a)).astype(np.float32)
    return result


def plain(rgb: Rgb, mottle: float = 0.06) -> Colour:
    """One colour, faintly uneven."""

    def colour(points: Array, normals: Array) -> Array:
        uneven = 1 + mottle * (cloudy(points, 6.0, 3) - 0.5) * 2
        result: Array = linear(rgb) * uneven[:, None]
        return result

    return colour


def wood(light: Rgb = (190, 140, 92), dark: Rgb = (120, 78, 44), plank: float = 1.4) -> Colour:
    """Planks along x."""

    def colour(points: Array, normals: Array) -> Array:
        row = np.floor(points[:, 1] / plank)
        shifted = _stretched(points, 0.35, 4.0)
        shifted[:, 0] += row * 7.3
        grain = cloudy(shifted, 1.0, 4) * 0.7 + 0.3 * noise(_stretched(points, 0.8, 30.0), 1.0)
        tone = 0.85 + 0.3 * np.modf(np.sin(row * 12.9898) * 43758.5)[0]
        gap = np.abs(points[:, 1] / plank - row - 0.5) > 0.485
        result: Array = _between(dark, light, grain * 1.5 - 0.25) * np.abs(tone)[:, None]
        result[gap] *= 0.25
        return result

    return colour


def carpet(low: Rgb = (62, 64, 70), high: Rgb = (120, 122, 126)) -> Colour:
    """Short pile."""

    def colour(points: Array, normals: Array) -> Array:
        return _between(low, high, cloudy(points, 11.0, 3) * 1.3 - 0.35 + cloudy(points, 0.9, 2) * 0.35)

    return colour


def tiles(rgb: Rgb = (208, 204, 196), joint: Rgb = (130, 126, 120), side: float = 2.6) -> Colour:
    """Square tiles with joints."""

    def colour(points: Array, normals: Array) -> Array:
        inside = np.abs(np.mod(points[:, :2] / side, 1.0) - 0.5).max(axis=1)
        result = linear(rgb) * (0.88 + 0.24 * cloudy(points, 1.5, 4))[:, None]
        result[inside > 0.482] = linear(joint)
        return result.astype(np.float32)

    return colour


def stone(low: Rgb = (96, 94, 92), high: Rgb = (176, 172, 164)) -> Colour:
    """Concrete or rock."""

    def colour(points: Array, normals: Array) -> Array:
        return _between(low, high, cloudy(points, 0.9, 5) * 0.9 + noise(points, 40.0) * 0.25 - 0.1)

    return colour


def weave(first: Rgb, second: Rgb, threads: float = 1.6) -> Colour:
    """A chequered tablecloth or blanket."""

    def colour(points: Array, normals: Array) -> Array:
        stripes = (np.mod(points[:, :2] * threads, 1.0) > 0.5).sum(axis=1) / 2.0
        fibres = 0.85 + 0.3 * noise(points, 45.0)
        return (_between(first, second, stripes.astype(np.float32)) * fibres[:, None]).astype(np.float32)

    return colour


def cardboard(rgb: Rgb = (184, 140, 92)) -> Colour:
    """Brown board with faint flutes."""

    def colour(points: Array, normals: Array) -> Array:
        flutes = 0.97 + 0.03 * np.sin(points[:, 0] * 70)
        uneven = 0.86 + 0.28 * cloudy(points, 1.1, 4)
        return (linear(rgb) * (flutes * uneven)[:, None]).astype(np.float32)

    return colour


def lawn(rng: np.random.Generator, dry: float = 0.2) -> Colour:
    """Grass from above: thousands of drawn blades, repeated every 8 decimetres."""
    side = 1024
    picture = Image.new("RGB", (side, side), (44, 58, 26))
    draw = ImageDraw.Draw(picture)
    for _ in range(15000):
        x, y = rng.uniform(0, side, 2)
        angle, length = rng.uniform(0, 6.28), rng.uniform(14, 46)
        shade = rng.uniform(0.45, 1.15)
        base = (150, 140, 70) if rng.random() < dry else (84, 122, 46)
        fill = tuple(int(min(255, c * shade)) for c in base)
        end = (x + np.cos(angle) * length, y + np.sin(angle) * length)
        draw.line([(x, y), end], fill=fill, width=int(rng.integers(2, 5)))
    return mapped(
        picture, lambda p: (np.mod(p[:, 0] / 8, 1).astype(np.float32), np.mod(p[:, 1] / 8, 1).astype(np.float32))
    )


def sample(picture: Image.Image, u: Array, v: Array) -> Array:
    """Colours (n, 3) of a picture at u (left 0, right 1) and v (top 0, bottom 1), smoothed between pixels."""
    pixels = (np.asarray(picture.convert("RGB"), np.float32) / 255) ** 2.2
    height, width = pixels.shape[:2]
    x = np.clip(u * width - 0.5, 0, width - 1.001)
    y = np.clip(v * height - 0.5, 0, height - 1.001)
    x0, y0 = x.astype(np.int64), y.astype(np.int64)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    top = pixels[y0, x0] * (1 - fx) + pixels[y0, x1] * fx
    low = pixels[y1, x0] * (1 - fx) + pixels[y1, x1] * fx
    result: Array = (top * (1 - fy) + low * fy).astype(np.float32)
    return result


def mapped(picture: Image.Image, where: Callable[[Array], tuple[Array, Array]]) -> Colour:
    """A picture laid on a surface; `where(points)` gives u and v."""

    def colour(points: Array, normals: Array) -> Array:
        u, v = where(points)
        return sample(picture, u, v)

    return colour
