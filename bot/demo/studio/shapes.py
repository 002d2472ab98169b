"""Signed distances to simple solids, for the tracer.

Formulas: Inigo Quilez, "Distance functions" (https://iquilezles.org/articles/distfunctions). Points are (n, 3) float32,
lengths decimetres; negative is inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import cos, sin

import numpy as np

from bot.demo.studio.surfaces import cloudy
from bot.demo.studio.tracer import Array, Distance

Point = tuple[float, float, float]


def _f(values: object) -> Array:
    result: Array = np.asarray(values, dtype=np.float32)
    return result


def ground(points: Array) -> Array:
    """The plane z = 0."""
    return points[:, 2]


def box(half: Point, rounding: float = 0.0) -> Distance:
    """A box round the origin with these half sides."""
    sides = _f(half) - rounding

    def distance(points: Array) -> Array:
        q = np.abs(points) - sides
        outside = np.linalg.norm(np.maximum(q, 0), axis=1)
        return _f(outside + np.minimum(q.max(axis=1), 0) - rounding)

    return distance


def capsule(start: Point, end: Point, radius: float) -> Distance:
    """A rod with round ends."""
    a, ab = _f(start), _f(end) - _f(start)
    long = float(ab @ ab)

    def distance(points: Array) -> Array:
        ap = points - a
        along = np.clip(ap @ ab / long, 0, 1)[:, None]
        return _f(np.linalg.norm(ap - along * ab, axis=1) - radius)

    return distance


def chain(stations: Sequence[Point], radius: float) -> Distance:
    """A cord through these points."""
    return union(*(capsule(a, b, radius) for a, b in pairwise(stations)))


def tube(start: Point, end: Point, radius: float) -> Distance:
    """A rod with flat ends."""
    a, ab = _f(start), _f(end) - _f(start)
    long = float(np.sqrt(ab @ ab))
    axis = ab / long

    def distance(points: Array) -> Array:
        ap = points - a
        along = ap @ axis
        beside = np.linalg.norm(ap - along[:, None] * axis, axis=1) - radius
        ends = np.abs(along - long / 2) - long / 2
        inside = np.minimum(np.maximum(beside, ends), 0)
        return _f(inside + np.hypot(np.maximum(beside, 0), np.maximum(ends, 0)))

    return distance


def ring(radius: float, thickness: float) -> Distance:
    """A torus round the origin, standing in the x-z plane."""

    def distance(points: Array) -> Array:
        round_ = np.hypot(points[:, 0], points[:, 2]) - radius
        return _f(np.hypot(round_, points[:, 1]) - thickness)

    return distance


def ball(centre: Point, radii: Point) -> Distance:
    """An ellipsoid (a bound of the distance, good enough to march on)."""
    c, r = _f(centre), _f(radii)

    def distance(points: Array) -> Array:
        p = points - c
        k0 = np.linalg.norm(p / r, axis=1)
        k1 = np.linalg.norm(p / (r * r), axis=1)
        return _f(k0 * (k0 - 1) / np.maximum(k1, 1e-5))

    return distance


def polygon(corners: Sequence[tuple[float, float]], x: Array, y: Array) -> Array:
    """Signed distance of (x, y) to a closed polygon in the plane."""
    ring_ = np.array(corners, np.float32)
    best = np.full(len(x), 1e9, np.float32)
    sign = np.ones(len(x), np.float32)
    for (ax, ay), (bx, by) in zip(ring_, np.roll(ring_, -1, axis=0), strict=True):
        ex, ey, wx, wy = bx - ax, by - ay, x - ax, y - ay
        t = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
        best = np.minimum(best, (wx - t * ex) ** 2 + (wy - t * ey) ** 2)
        up, down, left = y >= ay, y < by, ex * wy > ey * wx
        sign = np.where((up & down & left) | (~up & ~down & ~left), -sign, sign)
    return _f(sign * np.sqrt(best))


def turned_profile(corners: Sequence[tuple[float, float]]) -> Distance:
    """What a lathe makes of a closed (radius, z) profile."""

    def distance(points: Array) -> Array:
        return polygon(corners, _f(np.hypot(points[:, 0], points[:, 1])), points[:, 2])

    return distance


def extruded(corners: Sequence[tuple[float, float]], half: float, rounding: float = 0.0) -> Distance:
    """An (x, z) outline pulled along y to both sides."""

    def distance(points: Array) -> Array:
        flat = polygon(corners, points[:, 0], points[:, 2]) + rounding
        side = np.abs(points[:, 1]) - half + rounding
        inside = np.minimum(np.maximum(flat, side), 0)
        return _f(inside + np.hypot(np.maximum(flat, 0), np.maximum(side, 0)) - rounding)

    return distance


def union(*parts: Distance) -> Distance:
    """All parts together."""
    return lambda points: _f(np.minimum.reduce([part(points) for part in parts]))


def blend(width: float, *parts: Distance) -> Distance:
    """All parts together, the seams filled smoothly over `width`."""

    def distance(points: Array) -> Array:
        total = parts[0](points)
        for part in parts[1:]:
            other = part(points)
            h = np.clip(0.5 + 0.5 * (other - total) / width, 0, 1)
            total = _f(other + (total - other) * h - width * h * (1 - h))
        return total

    return distance


def without(solid: Distance, *holes: Distance) -> Distance:
    """The solid with holes cut into it."""
    return lambda points: _f(np.maximum.reduce([solid(points), *(-hole(points) for hole in holes)]))


def common(*parts: Distance) -> Distance:
    """Only what all parts share."""
    return lambda points: _f(np.maximum.reduce([part(points) for part in parts]))


def rough(solid: Distance, amount: float, scale: float, seed: float = 0.0) -> Distance:
    """The solid with an uneven surface: hills of up to `amount`, features of about 1/`scale` decimetres."""

    def distance(points: Array) -> Array:
        result = solid(points)
        near = np.abs(result) < amount * 2
        if near.any():
            result[near] += amount * (cloudy(points[near] + np.float32(seed), scale, 3) - 0.5)
        return result

    return distance


def placed(solid: Distance, at: Point, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Distance:
    """The solid turned (roll about x, pitch about y, yaw about z, radians) and moved to `at`."""
    frame = turn(yaw, pitch, roll)
    where = _f(at)
    return lambda points: solid(_f((points - where) @ frame))


def turn(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """The (3, 3) matrix whose columns are the turned axes; `points @ turn(...)` gives a thing's own coordinates."""
    z = np.array([[cos(yaw), -sin(yaw), 0], [sin(yaw), cos(yaw), 0], [0, 0, 1]])
    y = np.array([[cos(pitch), 0, sin(pitch)], [0, 1, 0], [-sin(pitch), 0, cos(pitch)]])
    x = np.array([[1, 0, 0], [0, cos(roll), -sin(roll)], [0, sin(roll), cos(roll)]])
    return _f(z @ y @ x)
