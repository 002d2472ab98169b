"""Cloth with something on it: zips that have given up, care labels, size labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from bot.demo.studio import prints, shapes, sheets, surfaces
from bot.demo.studio.surfaces import Rgb
from bot.demo.studio.tracer import Array, Colour, Distance, Thing, single


@dataclass(frozen=True, slots=True)
class Zip:
    """A zip along y: where its slider is, how wide it gapes on each side, where teeth are missing, its colours."""

    slider: float = 0.4
    gape_below: float = 0.28
    gape_above: float = 0.5
    missing: tuple[float, float] = (9.0, 9.0)
    teeth: Rgb = (60, 60, 64)
    tape: Rgb = (32, 34, 38)
    pull: Rgb = (190, 70, 40)
    torn: float = 0.0


PITCH = 0.055


def ripstop(rgb: Rgb, grid: float = 5.0) -> Colour:
    """A light technical fabric with a faint grid."""

    def colour(points: Array, normals: Array) -> Array:
        lines = np.abs(np.mod(points[:, :2] * grid, 1.0) - 0.5).max(axis=1) > 0.46
        fine = 0.9 + 0.2 * surfaces.noise(points, 60.0)
        result = surfaces.linear(rgb) * fine[:, None]
        result[lines] *= 0.86
        return result.astype(np.float32)

    return colour


def fleece(rgb: Rgb) -> Colour:
    """Soft pile."""

    def colour(points: Array, normals: Array) -> Array:
        return (surfaces.linear(rgb) * (0.55 + 0.9 * surfaces.cloudy(points, 9.0, 4))[:, None]).astype(np.float32)

    return colour


def _gap(zip_: Zip, y: Array) -> Array:
    """Half of the opening at each height: closed at the slider, wide away from it."""
    below = np.clip(zip_.slider - 0.18 - y, 0, None)
    above = np.clip(y - zip_.slider - 0.1, 0, None)
    return single(zip_.gape_below * (1 - np.exp(-1.6 * below)) + zip_.gape_above * (1 - np.exp(-1.3 * above)))


def _teeth(zip_: Zip, side: float) -> Distance:
    block = shapes.box((0.034, 0.017, 0.024), 0.008)

    def distance(points: Array) -> Array:
        y = points[:, 1] - side * PITCH / 4
        row = np.round(y / PITCH)
        edge = side * (_gap(zip_, points[:, 1]) + 0.016)
        local = np.stack([points[:, 0] - edge, y - row * PITCH, points[:, 2] - 0.1], axis=1).astype(np.float32)
        result = block(local) * 0.8
        bald = (row * PITCH > zip_.missing[0]) & (row * PITCH < zip_.missing[1]) & (side > 0)
        return np.where(bald, np.maximum(result, 0.05), result).astype(np.float32)

    return distance


def zipper(rng: np.random.Generator, zip_: Zip, shell: Colour, lining: Colour, hills: float = 0.22) -> list[Thing]:
    """The front of a jacket with its zip; a `torn` zip has come out of the seam on the right, threads hanging."""
    seed = float(rng.uniform(0, 30))

    def relief(points: Array) -> Array:
        far = np.clip(np.abs(points[:, 0]) / 0.9, 0, 1)
        flat = np.stack([points[:, 0] * 0.6, points[:, 1] * 0.35, np.full(len(points), seed)], axis=1)
        return (hills * far * surfaces.cloudy(flat.astype(np.float32), 1.6, 3)).astype(np.float32)

    def close_by(solid: Distance) -> Distance:
        """Asks for the exact distance only near the cloth; above it a bound is enough."""

        def distance(points: Array) -> Array:
            result = (points[:, 2] - 0.4).astype(np.float32)
            near = result < 0.2
            if near.any():
                result[near] = solid(points[near])
            return result

        return distance

    def panel(points: Array) -> Array:
        away = np.abs(points[:, 0])
        rip = zip_.torn * np.exp(-(((points[:, 1] + 0.35) / 0.5) ** 2)) * (points[:, 0] > 0)
        ragged = 0.05 * (surfaces.cloudy(points, 9.0, 2) - 0.5) * (rip > 0.03)
        inner = _gap(zip_, points[:, 1]) + 0.13 + rip + ragged
        slab = np.abs(points[:, 2] - 0.1 - relief(points)) - 0.03
        return single(np.maximum(slab * 0.7, (inner - away) * 0.7) - 0.006)

    def stitched(points: Array, normals: Array) -> Array:
        result = shell(points, normals)
        seam = np.abs(np.abs(points[:, 0]) - _gap(zip_, points[:, 1]) - 0.2) < 0.009
        result[seam & (np.mod(points[:, 1] * 14, 1) < 0.65)] *= 0.45
        return result

    def tape(points: Array) -> Array:
        away = np.abs(points[:, 0]) - _gap(zip_, points[:, 1])
        slab = np.abs(points[:, 2] - 0.09) - 0.008
        return single(np.maximum(np.maximum(slab, -away), away - 0.26) * 0.7)

    y = zip_.slider
    body = shapes.placed(shapes.box((0.085, 0.12, 0.05), 0.03), (0, y, 0.12))
    lean = float(rng.uniform(-0.7, 0.7))
    end = (0.42 * np.sin(lean), y - 0.42 * np.cos(lean), 0.2)
    tag = shapes.placed(shapes.box((0.05, 0.2, 0.02), 0.015), ((end[0]) / 1.6, y - (y - end[1]) / 1.6, 0.2), yaw=lean)
    lining_hills = sheets.crumple(0.05, 1.2, seed)
    things = [
        Thing(close_by(panel), stitched),
        sheets.cloth(lining, lining_hills, lift=-0.06),
        Thing(close_by(tape), ripstop(zip_.tape, 20.0)),
        Thing(close_by(shapes.union(_teeth(zip_, -1.0), _teeth(zip_, 1.0))), surfaces.plain(zip_.teeth), 0.5),
        Thing(body, surfaces.plain((120, 122, 126)), 0.8, (0, y, 0.12, 0.25)),
        Thing(tag, surfaces.plain(zip_.pull), 0.3, (float(end[0]) / 1.6, y - 0.2, 0.2, 0.35)),
    ]
    if zip_.torn:
        x = zip_.gape_below + 0.24
        threads = []
        for start in rng.uniform(-0.75, 0.05, 9):
            steps = [
                (x + i * 0.05, float(start + rng.normal(0, 0.03)), float(rng.uniform(0.12, 0.17))) for i in range(5)
            ]
            threads.append(shapes.chain(steps, 0.006))
        things.append(Thing(shapes.union(*threads), surfaces.plain((210, 200, 190)), 0, (x + 0.1, -0.35, 0.12, 0.7)))
    return things


def care_symbols(
    draw: ImageDraw.ImageDraw, marks: Sequence[str], at: tuple[int, int], side: int, ink: prints.Ink = prints.BLACK
) -> None:
    """Wash symbols: `wash30`, `wash40`, `hand`, `bleach-no`, `dry`, `dry-no`, `iron`, `iron-no`, `clean-no`."""
    pen = max(3, side // 18)
    for index, mark in enumerate(marks):
        x, y = at[0] + index * int(side * 1.3), at[1]
        box = (x, y, x + side, y + side)
        if mark.startswith(("wash", "hand")):
            draw.line(
                [
                    (x, y + side * 0.2),
                    (x + side * 0.15, y + side),
                    (x + side * 0.85, y + side),
                    (x + side, y + side * 0.2),
                ],
                fill=ink,
                width=pen,
            )
            wave = [(x + side * t, y + side * (0.25 + 0.05 * np.sin(t * 18))) for t in np.linspace(0.04, 0.96, 24)]
            draw.line(wave, fill=ink, width=pen)
            inside = mark[4:] or "~"
            draw.text(
                (x + side / 2, y + side * 0.62),
                inside,
                fill=ink,
                font=prints.font(side * 0.45),
                anchor="mm",
                stroke_width=1,
            )
        elif mark.startswith("bleach"):
            draw.polygon([(x + side / 2, y), (x + side, y + side), (x, y + side)], outline=ink, width=pen)
        elif mark.startswith("dry"):
            draw.rectangle(box, outline=ink, width=pen)
            draw.ellipse((x + pen, y + pen, x + side - pen, y + side - pen), outline=ink, width=pen)
        elif mark.startswith("iron"):
            draw.line(
                [
                    (x, y + side),
                    (x + side * 0.2, y + side * 0.4),
                    (x + side * 0.8, y + side * 0.4),
                    (x + side, y + side),
                    (x, y + side),
                ],
                fill=ink,
                width=pen,
            )
            draw.line(
                [
                    (x + side * 0.3, y + side * 0.15),
                    (x + side * 0.85, y + side * 0.15),
                    (x + side * 0.85, y + side * 0.4),
                ],
                fill=ink,
                width=pen,
            )
        else:
            draw.ellipse(box, outline=ink, width=pen)
        if mark.endswith("-no"):
            draw.line([(x, y), (x + side, y + side)], fill=ink, width=pen)
            draw.line([(x + side, y), (x, y + side)], fill=ink, width=pen)


def care_label(
    fibres: Sequence[str], marks: Sequence[str], ink: prints.Ink = prints.BLACK, ground: prints.Ink = (240, 240, 236)
) -> Image.Image:
    """A satin label from the side seam."""
    label = Image.new("RGB", (640, 640), ground)
    draw = ImageDraw.Draw(label)
    prints.write(label, (320, 40), "NORTHWIND", 52, ink, bold=True, anchor="ma")
    for row, fibre in enumerate(fibres):
        prints.write(label, (320, 130 + row * 54), fibre, 40, ink, anchor="ma")
    y = 150 + len(fibres) * 54
    care_symbols(draw, marks, (54, y), 86, ink)
    for row, line in enumerate(
        ("Wash inside out with like colours", "Close all zips · no softener", "MADE IN PORTUGAL")
    ):
        prints.write(label, (320, y + 140 + row * 52), line, 32, ink, anchor="ma")
    draw.line([(14, 16), (626, 16)], fill=tuple(max(0, c - 60) for c in ground), width=4)
    return label


def size_label(
    sizes: Sequence[tuple[str, str]], ground: prints.Ink, ink: prints.Ink, head: str = "NORTHWIND"
) -> Image.Image:
    """A woven label with the size in several countries' terms."""
    label = Image.new("RGB", (640, 460), ground)
    draw = ImageDraw.Draw(label)
    prints.write(label, (320, 34), head, 46, ink, bold=True, anchor="ma")
    step = 640 / len(sizes)
    for index, (country, value) in enumerate(sizes):
        x = step * (index + 0.5)
        prints.write(label, (x, 150), country, 44, ink, anchor="ma")
        prints.write(label, (x, 222), value, 92 if len(value) < 3 else 66, ink, bold=True, anchor="ma")
        if index:
            draw.line([(step * index, 150), (step * index, 330)], fill=ink, width=3)
    prints.write(label, (320, 374), "MADE IN ITALY", 36, ink, anchor="ma")
    threads = np.asarray(label, np.float32)
    threads *= (0.94 + 0.06 * (np.arange(460) % 4 > 1))[:, None, None]
    return Image.fromarray(threads.astype(np.uint8))
