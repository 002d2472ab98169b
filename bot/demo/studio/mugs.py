"""Mugs that arrived cracked, chipped, without a handle, in pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bot.demo.studio import shapes, surfaces
from bot.demo.studio.surfaces import Rgb
from bot.demo.studio.tracer import Array, Colour, Distance, Thing, single

RADIUS, HEIGHT, WALL = 0.42, 0.92, 0.045
CLAY: Rgb = (226, 212, 190)
Bound = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Glaze:
    """How a mug looks: outside, inside, and a band round it (None: no band)."""

    outside: Rgb
    inside: Rgb
    band: Rgb | None = None


def _body() -> Distance:
    outer = shapes.turned_profile(
        [
            (0, 0),
            (RADIUS - 0.04, 0),
            (RADIUS, 0.05),
            (RADIUS, HEIGHT),
            (RADIUS - WALL, HEIGHT),
            (RADIUS - WALL, 0.08),
            (0, 0.06),
        ]
    )
    return lambda points: (outer(points) - 0.008).astype(np.float32)


def _handle(pieces: bool = False) -> Distance:
    bow = shapes.placed(shapes.ring(0.25, 0.055), (0, 0, 0))

    def stretched(points: Array) -> Array:
        return bow((points * np.array([1, 1, 0.85])).astype(np.float32))

    if pieces:
        half = shapes.box((0.4, 0.2, 0.4))
        return shapes.common(stretched, shapes.placed(half, (0.43, 0, 0)))
    return shapes.placed(stretched, (RADIUS + 0.06, 0, HEIGHT * 0.52))


def _hollow(points: Array) -> Array:
    """Where the drink would be: handles do not reach in there."""
    inside = np.hypot(points[:, 0], points[:, 1]) - (RADIUS - WALL)
    return single(np.maximum(inside, -(points[:, 2] - 0.07)))


def _crack(rng: np.random.Generator, start: float, lean: float) -> tuple[Array, Array]:
    """A jagged line down the wall: heights and the angle at each."""
    heights = np.linspace(HEIGHT + 0.02, rng.uniform(0.05, 0.25), 26).astype(np.float32)
    steps = rng.normal(lean / 26, 0.045, 26)
    return heights, (start + np.cumsum(steps)).astype(np.float32)


def _glazed(glaze: Glaze, cracks: list[tuple[Array, Array]], broken: Distance | None) -> Colour:
    def colour(points: Array, normals: Array) -> Array:
        round_ = np.hypot(points[:, 0], points[:, 1])
        inner = (round_ < RADIUS - WALL * 0.6) & (points[:, 2] > 0.03)
        speckle = 1 - 0.35 * (surfaces.noise(points, 55.0) > 0.8)
        result = surfaces.linear(glaze.outside) * (speckle * (0.95 + 0.1 * surfaces.cloudy(points, 3.0, 3)))[:, None]
        if glaze.band is not None:
            band = np.abs(points[:, 2] - HEIGHT * 0.72) < 0.06
            result[band & ~inner] = surfaces.linear(glaze.band)
        result[inner] = surfaces.linear(glaze.inside)
        angle = np.arctan2(points[:, 1], points[:, 0])
        for heights, angles in cracks:
            at = np.interp(-points[:, 2], -heights, angles)
            away = np.abs(np.angle(np.exp(1j * (angle - at)))) * RADIUS
            on = (points[:, 2] > heights[-1]) & (round_ < RADIUS + 0.05) & (round_ > RADIUS - WALL - 0.02)
            width = 0.006 + 0.007 * surfaces.noise(points, 20.0)
            result[on & (away < width * 2.6)] *= 0.75
            result[on & (away < width)] = surfaces.linear((38, 28, 22))
        if broken is not None:
            fresh = np.abs(broken(points)) < 0.006
            rough = (0.8 + 0.4 * surfaces.cloudy(points, 14.0, 3))[:, None]
            result[fresh] = (surfaces.linear(CLAY) * rough)[fresh]
        return result.astype(np.float32)

    return colour


def _moved(distance: Distance, colour: Colour, own: Callable[[Array], Array], gloss: float, bound: Bound) -> Thing:
    """The solid as seen from its own coordinates, `own(points)`."""
    return Thing(lambda p: distance(own(p)), lambda p, n: colour(own(p), n), gloss, bound)


def _at(
    distance: Distance, colour: Colour, at: shapes.Point, turn: tuple[float, float, float], gloss: float, reach: float
) -> Thing:
    frame, where = shapes.turn(*turn), np.array(at, np.float32)

    def own(points: Array) -> Array:
        return ((points - where) @ frame).astype(np.float32)

    middle = where + frame[:, 2] * 0.45
    return _moved(distance, colour, own, gloss, (float(middle[0]), float(middle[1]), float(middle[2]), reach))


def cracked(rng: np.random.Generator, glaze: Glaze, yaw: float, at: shapes.Point = (0, 0, 0)) -> list[Thing]:
    """A mug with one or two long cracks and a notch where they meet the rim."""
    first = float(rng.uniform(-0.4, 0.4)) - np.pi / 2 - yaw
    cracks = [_crack(rng, first, float(rng.uniform(-0.7, 0.7)))]
    cracks.append(_crack(rng, first + 0.05, float(rng.uniform(0.5, 1.0)) * float(rng.choice([-1, 1]))))
    notch = shapes.rough(
        shapes.ball((RADIUS * np.cos(first), RADIUS * np.sin(first), HEIGHT), (0.07, 0.07, 0.06)), 0.06, 12
    )
    mug = shapes.without(shapes.union(_body(), shapes.without(_handle(), _hollow)), notch)
    return [_at(mug, _glazed(glaze, cracks, notch), at, (yaw, 0, 0), 0.5, 0.95)]


def chipped(rng: np.random.Generator, glaze: Glaze, yaw: float, at: shapes.Point = (0, 0, 0)) -> list[Thing]:
    """A mug with a big piece out of the rim; the piece lies beside it."""
    where = -np.pi / 2 - yaw + float(rng.uniform(-0.5, 0.5))
    centre = (RADIUS * np.cos(where), RADIUS * np.sin(where), HEIGHT + 0.02)
    bite = shapes.rough(shapes.ball(centre, (0.22, 0.22, 0.24)), 0.14, 7)
    mug = shapes.without(shapes.union(_body(), shapes.without(_handle(), _hollow)), bite)
    piece = shapes.common(_body(), shapes.placed(shapes.ball((0, 0, 0), (0.16, 0.16, 0.17)), centre))
    colour = _glazed(glaze, [_crack(rng, where + 0.3, 0.5)], bite)
    beside = (at[0] + float(rng.uniform(-0.5, -0.2)), at[1] - 0.75, -RADIUS + 0.05)
    # The piece lies on its outer face, the wall flat on the table.
    turned = shapes.turn(float(rng.uniform(0, 6)), 0, 0) @ shapes.turn(0, np.pi / 2, 0) @ shapes.turn(-where, 0, 0)
    middle = np.array(centre, np.float32) * np.array([0.95, 0.95, 0.93], np.float32)
    spot = np.array([beside[0], beside[1], 0.05], np.float32)

    def own(points: Array) -> Array:
        return ((points - spot) @ turned + middle).astype(np.float32)

    shard = _moved(piece, _glazed(glaze, [], None), own, 0.4, (float(spot[0]), float(spot[1]), 0.05, 0.3))
    return [_at(mug, colour, at, (yaw, 0, 0), 0.5, 0.95), shard]


def without_handle(rng: np.random.Generator, glaze: Glaze, yaw: float, at: shapes.Point = (0, 0, 0)) -> list[Thing]:
    """A mug whose handle has come off and lies beside it."""
    cut = shapes.rough(shapes.placed(shapes.box((0.4, 0.3, 0.5)), (RADIUS + 0.47, 0, HEIGHT * 0.5)), 0.05, 14)
    stubs = shapes.without(_handle(), _hollow, cut)
    mug = shapes.union(_body(), stubs)
    bow = _handle(pieces=True)
    spot = (at[0] + float(rng.uniform(0.5, 0.9)), at[1] - float(rng.uniform(0.4, 0.7)), 0.06)
    lying = _at(bow, _glazed(glaze, [], None), spot, (float(rng.uniform(0, 6)), 0, np.pi / 2), 0.5, 1.0)
    lying = Thing(lying.distance, surfaces.plain(glaze.outside), 0.5, (spot[0], spot[1], 0.06, 0.5))
    return [_at(mug, _glazed(glaze, [], cut), at, (yaw, 0, 0), 0.5, 0.95), lying]


def shards(rng: np.random.Generator, glaze: Glaze, yaw: float, count: int = 7) -> list[Thing]:
    """A mug in pieces: the base still stands, the wall lies round it."""
    top = shapes.rough(shapes.placed(shapes.box((1.2, 1.2, 0.6)), (0, 0, 0.95), pitch=0.35), 0.35, 3.5)
    base = shapes.without(shapes.union(_body(), shapes.without(_handle(), _hollow)), top)
    things = [_at(base, _glazed(glaze, [_crack(rng, -1.2 - yaw, 0.4)], top), (0, 0, 0), (yaw, 0, 0), 0.5, 0.95)]
    for index in range(count):
        angle = float(rng.uniform(0, 6.28))
        outer = np.array([RADIUS * np.cos(angle), RADIUS * np.sin(angle), 0.5], np.float32)
        size = tuple(float(s) for s in rng.uniform(0.1, 0.26, 3))
        cutter = shapes.rough(
            shapes.placed(shapes.box((size[0], size[1], size[2])), tuple(outer), yaw=float(rng.uniform(0, 3))), 0.16, 5
        )
        piece = shapes.common(_body(), cutter)
        flip = np.pi / 2 if index % 3 else -np.pi / 2
        turned = shapes.turn(float(rng.uniform(0, 6))) @ shapes.turn(0, flip) @ shapes.turn(-angle)
        around = 6.28 * index / count + float(rng.uniform(-0.3, 0.3))
        away = float(rng.uniform(0.65, 1.15))
        spot = np.array([np.cos(around) * away, np.sin(around) * away, 0.06], np.float32)

        def own(points: Array, spot: Array = spot, turned: Array = turned, outer: Array = outer) -> Array:
            return ((points - spot) @ turned + outer).astype(np.float32)

        bound = (float(spot[0]), float(spot[1]), 0.05, 0.5)
        things.append(_moved(piece, _glazed(glaze, [], cutter), own, 0.4, bound))
    return things


def plate(rng: np.random.Generator, glaze: Glaze, apart: float = 0.14) -> list[Thing]:
    """A plate in two halves and a splinter."""
    profile = [(0, 0), (0.6, 0.0), (1.2, 0.14), (1.3, 0.2), (1.27, 0.24), (0.75, 0.09), (0.62, 0.06), (0, 0.06)]
    whole = shapes.turned_profile(profile)
    lean = float(rng.uniform(-0.4, 0.4))
    edge = shapes.rough(shapes.placed(shapes.box((3, 1.5, 3)), (0, -1.5, 0), yaw=lean), 0.3, 2.2)

    def colour(points: Array, normals: Array) -> Array:
        far = np.hypot(points[:, 0], points[:, 1])
        result = surfaces.linear(glaze.inside) * (0.95 + 0.1 * surfaces.cloudy(points, 3.0, 3))[:, None]
        result[far > 1.08] = surfaces.linear(glaze.outside)
        fresh = (np.abs(edge(points)) < 0.01) & (np.abs(normals[:, 2]) < 0.6)
        result[fresh] = surfaces.linear(CLAY) * 0.9
        return result.astype(np.float32)

    things = []
    for side, half in ((-1.0, shapes.common(whole, edge)), (1.0, shapes.without(whole, edge))):
        turned = shapes.turn(0.09 * side)
        shift = np.array([-np.sin(lean) * apart * side, np.cos(lean) * apart * side, 0.01], np.float32)

        def own(points: Array, turned: Array = turned, shift: Array = shift) -> Array:
            return ((points - shift) @ turned).astype(np.float32)

        things.append(_moved(half, colour, own, 0.5, (0, 0, 0.1, 1.6)))
    return things
