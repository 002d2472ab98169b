"""Cardboard boxes after a rough journey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from bot.demo.studio import prints, shapes, surfaces
from bot.demo.studio.surfaces import Rgb
from bot.demo.studio.tracer import Array, Colour, Distance, Thing


@dataclass(frozen=True, slots=True)
class Carton:
    """A box: half sizes, board, tape, and how it is turned on the floor."""

    half: tuple[float, float, float]
    board: Rgb = (184, 140, 92)
    tape: Rgb = (206, 178, 128)
    yaw: float = 0.4


@dataclass(frozen=True, slots=True)
class Sticker:
    """A label on the lid: the picture, where its middle is, how it is turned."""

    picture: Image.Image
    x: float
    y: float
    tilt: float


def _sticker(rng: np.random.Generator, carton: Carton, person: prints.Person, x: float) -> Sticker:
    return Sticker(
        prints.parcel_label(rng, person), x * carton.half[0], -0.5 * carton.half[1], float(rng.normal(0, 0.06))
    )


def _skin(carton: Carton, sticker: Sticker, wet: float, seed: float) -> Colour:
    board = surfaces.cardboard(carton.board)
    hx, _, hz = carton.half

    def colour(points: Array, normals: Array) -> Array:
        result = board(points, normals)
        on_tape = np.abs(points[:, 1]) < 0.17
        side = (np.abs(points[:, 0]) > hx * 0.9) & (points[:, 2] > hz * 0.3)
        taped = on_tape & ((points[:, 2] > hz * 0.75) | side)
        result[taped] = surfaces.linear(carton.tape) * (0.9 + 0.2 * surfaces.noise(points, 9.0))[taped, None]
        seam = (np.abs(points[:, 1]) < 0.012) & (points[:, 2] > hz * 0.7)
        result[seam] *= 0.55
        if wet > 0:
            drift = points + np.array([seed, seed * 0.7, 0], np.float32)
            level = (points[:, 2] + hz) / (2 * hz) * 0.55 + 0.9 * (surfaces.cloudy(drift, 1.1, 4) - 0.5)
            depth = np.clip((wet - level) * 9, 0, 1)[:, None]
            rim = np.exp(-(((wet - level) * 26) ** 2))[:, None]
            result = result * (1 - 0.62 * depth) * (1 - 0.3 * rim)
        right, up = points[:, 0] - sticker.x, points[:, 1] - sticker.y
        cos, sin = np.cos(sticker.tilt), np.sin(sticker.tilt)
        u, v = (cos * right + sin * up) / 1.12 + 0.5, 0.5 - (cos * up - sin * right) / 0.78
        on = (u > 0) & (u < 1) & (v > 0) & (v < 1) & (points[:, 2] > 0) & (normals[:, 2] > 0.35)
        soaked = np.clip(1 - 0.5 * depth[on], 0, 1) if wet > 0 else 1.0
        result[on] = surfaces.sample(sticker.picture, u[on].astype(np.float32), v[on].astype(np.float32)) * soaked
        return result.astype(np.float32)

    return colour


def _crushed(
    carton: Carton, dents: list[tuple[float, float, float, float, float]], wrinkle: float, seed: float
) -> Distance:
    solid = shapes.box(carton.half, 0.035)

    def distance(points: Array) -> Array:
        # Each dent (x, y, z, reach, depth) pulls space towards the middle, so that the wall there gives way.
        moved = points.copy()
        for x, y, z, reach, depth in dents:
            centre = np.array([x, y, z], np.float32)
            away = np.linalg.norm(points - centre, axis=1)
            pull = depth * np.exp(-((away / reach) ** 2))
            moved += (centre / max(float(np.linalg.norm(centre)), 0.1))[None, :] * pull[:, None]
        creased = wrinkle * (surfaces.cloudy(points + seed, 2.2, 3) - 0.5)
        return ((solid(moved) + creased) * 0.6).astype(np.float32)

    return distance


def _standing(distance: Distance, colour: Colour, carton: Carton, gloss: float = 0.03) -> Thing:
    hz = carton.half[2]
    frame, where = shapes.turn(carton.yaw), np.array([0, 0, hz], np.float32)

    def own(points: Array) -> Array:
        return ((points - where) @ frame).astype(np.float32)

    reach = float(np.linalg.norm(carton.half)) + 0.4
    return Thing(lambda p: distance(own(p)), lambda p, n: colour(own(p), n), gloss, (0, 0, hz, reach))


def plain(rng: np.random.Generator, carton: Carton, person: prints.Person) -> list[Thing]:
    """A box with nothing wrong."""
    seed = float(rng.uniform(0, 20))
    skin = _skin(carton, _sticker(rng, carton, person, 5.0), 0, seed)
    return [_standing(_crushed(carton, [], 0.02, seed), skin, carton)]


def crushed(rng: np.random.Generator, carton: Carton, person: prints.Person, strength: float = 1.0) -> list[Thing]:
    """A box on which something heavy has stood, one edge pushed in."""
    hx, hy, hz = carton.half
    side = float(rng.choice([-1, 1]))
    dents = [
        (side * hx, -hy, hz, 0.8, 0.62 * strength),
        (-side * hx * 0.4, -hy, 0.1, 0.7, 0.34 * strength),
        (side * hx * 0.1, hy * 0.5, hz, 0.6, 0.3 * strength),
    ]
    seed = float(rng.uniform(0, 20))
    skin = _skin(carton, _sticker(rng, carton, person, -side * 0.4), 0, seed)
    return [_standing(_crushed(carton, dents, 0.16 * strength, seed), skin, carton)]


def wet(rng: np.random.Generator, carton: Carton, person: prints.Person, level: float = 0.42) -> list[Thing]:
    """A box that stood in the rain, soft at the bottom."""
    hx, hy, hz = carton.half
    dents = [(hx, -hy, -hz, 0.7, -0.12), (-hx * 0.6, -hy, 0, 0.9, 0.12)]
    seed = float(rng.uniform(0, 20))
    skin = _skin(carton, _sticker(rng, carton, person, 0.1), level, seed)
    return [_standing(_crushed(carton, dents, 0.07, seed), skin, carton, 0.12)]


def torn(rng: np.random.Generator, carton: Carton, person: prints.Person, inside: Rgb = (60, 96, 140)) -> list[Thing]:
    """A box with a hole in its front, through which one sees what was in it."""
    hx, hy, hz = carton.half
    x = float(rng.uniform(-0.35, 0.35)) * hx
    hole = shapes.ball((x, -hy, -hz * 0.15), (0.55 * hx, 0.3, 0.5 * hz))
    seed = float(rng.uniform(0, 20))
    jagged = shapes.rough(hole, 0.3, 3.5, seed)
    outer = _crushed(carton, [(-x, hy, hz, 0.6, 0.25)], 0.06, seed)
    hollow = shapes.without(outer, shapes.box((hx - 0.05, hy - 0.05, hz - 0.05)), jagged)
    skin = _skin(carton, _sticker(rng, carton, person, -0.2), 0, seed)

    def colour(points: Array, normals: Array) -> Array:
        result = skin(points, normals)
        ripped = np.abs(jagged(points)) < 0.035
        result[ripped] = surfaces.linear((222, 196, 156))
        return result

    box = _standing(hollow, colour, carton)
    stuff = shapes.rough(shapes.box((hx * 0.8, hy * 0.75, hz * 0.6), 0.25), 0.2, 2.5)
    content = _standing(stuff, surfaces.plain(inside, 0.2), carton, 0.2)
    return [box, content]
