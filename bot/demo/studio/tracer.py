"""Renders solid things on a ground by sphere tracing signed distances.

Method: J. C. Hart, "Sphere tracing: a geometric method for the antialiased ray tracing of implicit surfaces" (1996).
Lengths are decimetres, z points up, the ground is z = 0. Arrays of points are (n, 3) float32, colours (n, 3) linear
light in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Distance = Callable[[Array], Array]
Colour = Callable[[Array, Array], Array]

STEPS = 110
FAR = 60.0
NEAR_ENOUGH = 0.0015


@dataclass(frozen=True, slots=True)
class Thing:
    """Something to look at: `distance(points)` to its surface, `colour(points, normals)`, `gloss` in [0, 1].

    `bound` is a sphere (x, y, z, radius) round it; far from the sphere its exact distance is not asked for.
    """

    distance: Distance
    colour: Colour
    gloss: float = 0.0
    bound: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Light:
    """One lamp or sun (`towards` it, `strength`, `softness` of its shadows) and the sky's colours above and below."""

    towards: tuple[float, float, float] = (0.5, -0.4, 0.9)
    strength: float = 1.0
    softness: float = 10.0
    warm: tuple[float, float, float] = (1.0, 0.97, 0.9)
    above: tuple[float, float, float] = (0.42, 0.45, 0.5)
    below: tuple[float, float, float] = (0.16, 0.14, 0.12)


@dataclass(frozen=True, slots=True)
class Camera:
    """A phone: where it is, what it looks at, its angle of view (radians, vertical) and its roll."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    view: float = 0.75
    roll: float = 0.0


def single(values: object) -> Array:
    """Any numbers as float32."""
    result: Array = np.asarray(values, dtype=np.float32)
    return result


def _unit(v: Array) -> Array:
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    result: Array = (v / np.maximum(length, 1e-6)).astype(np.float32)
    return result


def _bounded(thing: Thing, points: Array) -> Array:
    if thing.bound is None:
        return thing.distance(points)
    x, y, z, radius = thing.bound
    away: Array = np.linalg.norm(points - np.array([x, y, z], np.float32), axis=1).astype(np.float32) - radius
    near = away < 0.3
    result = np.maximum(away, 0.15).astype(np.float32)
    if near.any():
        result[near] = thing.distance(points[near])
    return result


def _nearest(things: Sequence[Thing], points: Array) -> Array:
    result = _bounded(things[0], points)
    for thing in things[1:]:
        result = np.minimum(result, _bounded(thing, points))
    return result


def _rays(camera: Camera, width: int, height: int) -> tuple[Array, Array]:
    eye = np.array(camera.eye, np.float32)
    forward = _unit(np.array(camera.target, np.float32) - eye)
    right = _unit(np.cross(forward, np.array([0, 0, 1], np.float32)).astype(np.float32))
    up = np.cross(right, forward).astype(np.float32)
    cos, sin = np.cos(camera.roll), np.sin(camera.roll)
    right, up = cos * right + sin * up, cos * up - sin * right
    half = np.tan(camera.view / 2)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    u = (xs.ravel() + 0.5 - width / 2) / (height / 2) * half
    v = (height / 2 - ys.ravel() - 0.5) / (height / 2) * half
    rays = forward[None, :] + u[:, None] * right[None, :] + v[:, None] * up[None, :]
    return eye, _unit(rays.astype(np.float32))


def _march(things: Sequence[Thing], eye: Array, rays: Array) -> Array:
    """How far each ray goes before it hits something; at least FAR when it hits nothing."""
    travelled = np.full(len(rays), 0.05, np.float32)
    active = np.arange(len(rays))
    for _ in range(STEPS):
        points = eye + travelled[active, None] * rays[active]
        step = _nearest(things, points)
        travelled[active] += step * 0.9
        going = (np.abs(step) > NEAR_ENOUGH * (1 + travelled[active] * 0.1)) & (travelled[active] < FAR)
        active = active[going]
        if len(active) == 0:
            break
    return travelled


def _normals(thing: Thing, points: Array) -> Array:
    eps = 0.002
    total = np.zeros_like(points)
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        offset = np.array(corner, np.float32)
        total += offset * thing.distance((points + eps * offset).astype(np.float32))[:, None]
    return _unit(total)


def _shadows(things: Sequence[Thing], points: Array, towards: Array, softness: float) -> Array:
    """How much of the lamp each point sees, in [0, 1]."""
    seen = np.ones(len(points), np.float32)
    travelled = np.full(len(points), 0.04, np.float32)
    active = np.arange(len(points))
    for _ in range(36):
        step = _nearest(things, (points[active] + travelled[active, None] * towards).astype(np.float32))
        seen[active] = np.minimum(seen[active], np.clip(softness * step / travelled[active], 0, 1))
        travelled[active] += np.clip(step, 0.03, 0.6)
        active = active[(seen[active] > 0.01) & (travelled[active] < 12)]
        if len(active) == 0:
            break
    return seen * seen * (3 - 2 * seen)


def _openness(things: Sequence[Thing], points: Array, normals: Array) -> Array:
    """How open the space over each point is (ambient occlusion), in [0, 1]."""
    closed = np.zeros(len(points), np.float32)
    for i, reach in enumerate((0.05, 0.15, 0.35, 0.7)):
        gap = _nearest(things, (points + reach * normals).astype(np.float32))
        closed += np.clip(reach - gap, 0, None) / reach * (0.5**i)
    result: Array = np.clip(1 - 0.5 * closed, 0.12, 1).astype(np.float32)
    return result


def _shade(things: Sequence[Thing], thing: Thing, points: Array, rays: Array, light: Light) -> Array:
    normals = _normals(thing, points)
    towards = _unit(np.array(light.towards, np.float32))
    lit = np.clip(normals @ towards, 0, 1)
    seen = np.ones(len(points), np.float32)
    facing = lit > 0
    if facing.any():
        lifted = (points[facing] + 0.01 * normals[facing]).astype(np.float32)
        seen[facing] = _shadows(things, lifted, towards, light.softness)
    open_ = _openness(things, points, normals)
    sky = np.array(light.above, np.float32)
    floor = np.array(light.below, np.float32)
    mix = (normals[:, 2:3] + 1) / 2
    ambient = (floor + mix * (sky - floor)) * open_[:, None]
    direct = (lit * seen * light.strength)[:, None] * np.array(light.warm, np.float32)
    result = thing.colour(points, normals) * (ambient + direct)
    if thing.gloss:
        mirrored = rays - 2 * np.sum(rays * normals, axis=1, keepdims=True) * normals
        spark = np.clip(mirrored @ towards, 0, 1) ** (20 + 180 * thing.gloss) * seen
        glancing = 0.04 + 0.5 * np.clip(1 + np.sum(rays * normals, axis=1), 0, 1) ** 4
        window = floor + (mirrored[:, 2:3] + 1) / 2 * (sky * 1.8 - floor)
        result = result + thing.gloss * (
            spark[:, None] * light.strength * 0.9 + (glancing * open_)[:, None] * window.astype(np.float32)
        )
    shaded: Array = result.astype(np.float32)
    return shaded


def render(things: Sequence[Thing], camera: Camera, light: Light, size: tuple[int, int]) -> Array:
    """Take the picture: (height, width, 3) linear light, for `size` = (width, height) in pixels."""
    width, height = size
    eye, rays = _rays(camera, width, height)
    travelled = _march(things, eye, rays)
    picture = np.tile(np.array(light.above, np.float32) * 0.9, (len(rays), 1))
    hit = np.flatnonzero(travelled < FAR)
    points = (eye + travelled[hit, None] * rays[hit]).astype(np.float32)
    gaps = np.stack([np.abs(_bounded(thing, points)) for thing in things])
    owner = gaps.argmin(axis=0)
    for index, thing in enumerate(things):
        mine = owner == index
        if mine.any():
            picture[hit[mine]] = _shade(things, thing, points[mine], rays[hit[mine]], light)
    return picture.reshape(height, width, 3)
