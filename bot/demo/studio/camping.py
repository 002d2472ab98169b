"""Camp gear: gas canisters, tent poles that snapped, boots that lose their soles."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from bot.demo.studio import prints, shapes, surfaces
from bot.demo.studio.surfaces import Rgb
from bot.demo.studio.tracer import Array, Colour, Distance, Thing, single

STEEL: Rgb = (168, 170, 174)


def canister_wrap(ground: Rgb, ink: Rgb, grams: int, mix: str) -> Image.Image:
    """What is printed round a gas canister."""
    wrap = Image.new("RGB", (1800, 420), ground)
    draw = ImageDraw.Draw(wrap)
    for start in (0, 900):
        draw.rectangle((start + 20, 300, start + 420, 316), fill=ink)
        prints.write(wrap, (start + 220, 40), "NORTHWIND", 62, ink, bold=True, anchor="ma")
        prints.write(wrap, (start + 220, 120), "GAS", 130, ink, bold=True, anchor="ma")
        prints.write(wrap, (start + 220, 330), f"{grams} g · {mix}", 48, ink, anchor="ma")
        prints.write(wrap, (start + 480, 60), "EN 417\nIsobutane / Propane\nScrew valve", 44, ink)
        draw.polygon([(start + 520, 380), (start + 570, 290), (start + 620, 380)], outline=(200, 30, 30), width=8)
        prints.write(wrap, (start + 650, 320), "FLAMMABLE", 36, ink)
    return wrap


def canister(
    wrap: Image.Image, at: shapes.Point, yaw: float, radius: float = 0.54, height: float = 0.86
) -> list[Thing]:
    """A screw-on canister standing at `at`."""
    wall = [(0, 0.05), (radius - 0.08, 0.0), (radius, 0.05), (radius, height * 0.74)]
    dome = [
        (radius * np.cos(t) * 0.98 + 0.01, height * 0.74 + radius * 0.42 * np.sin(t)) for t in np.linspace(0.1, 1.32, 7)
    ]
    top = dome[-1][1]
    solid = shapes.turned_profile([*wall, *dome, (0.12, top + 0.01), (0, top + 0.01)])
    valve = shapes.turned_profile(
        [(0, top), (0.13, top), (0.13, top + 0.05), (0.085, top + 0.06), (0.085, top + 0.17), (0, top + 0.17)]
    )
    where = np.array(at, np.float32)

    def own(points: Array) -> Array:
        return (points - where).astype(np.float32)

    def printed(points: Array, normals: Array) -> Array:
        p = own(points)
        u = np.mod((np.arctan2(p[:, 1], p[:, 0]) - yaw) / (2 * np.pi), 1).astype(np.float32)
        v = 1 - (p[:, 2] - 0.06) / (height * 0.7)
        result = surfaces.sample(wrap, u, np.clip(v, 0, 1).astype(np.float32))
        result[(v < 0) & (np.abs(v + 0.02) < 0.012)] = surfaces.linear(STEEL)
        return result

    def threaded(points: Array, normals: Array) -> Array:
        rows = 0.75 + 0.25 * np.sin(points[:, 2] * 260)
        return (surfaces.linear((196, 176, 120)) * rows[:, None]).astype(np.float32)

    bound = (at[0], at[1], at[2] + height / 2, 0.85)
    return [
        Thing(lambda p: (solid(own(p)) - 0.006).astype(np.float32), printed, 0.75, bound),
        Thing(lambda p: valve(own(p)), threaded, 0.6, (at[0], at[1], at[2] + top, 0.4)),
    ]


def stove(at: shapes.Point, yaw: float) -> list[Thing]:
    """A small burner screwed on a canister whose valve ends at `at`."""
    x, y, z = at
    parts = [shapes.tube((x, y, z - 0.06), (x, y, z + 0.12), 0.13), shapes.tube((x, y, z), (x, y, z + 0.42), 0.06)]
    parts.append(shapes.tube((x, y, z + 0.36), (x, y, z + 0.5), 0.2))
    for arm in range(3):
        c, s = np.cos(yaw + arm * 2.094), np.sin(yaw + arm * 2.094)
        knee = (x + 0.48 * c, y + 0.48 * s, z + 0.4)
        parts.append(shapes.capsule((x + 0.05 * c, y + 0.05 * s, z + 0.3), knee, 0.025))
        parts.append(shapes.capsule(knee, (x + 0.5 * c, y + 0.5 * s, z + 0.62), 0.025))
        parts.append(shapes.capsule((x + 0.5 * c, y + 0.5 * s, z + 0.62), (x + 0.2 * c, y + 0.2 * s, z + 0.6), 0.022))
    knob = shapes.capsule((x + 0.1, y - 0.05, z + 0.06), (x + 0.38, y - 0.16, z + 0.06), 0.02)
    parts.append(knob)
    return [Thing(shapes.union(*parts), surfaces.plain((150, 150, 152)), 0.8, (x, y, z + 0.3, 0.8))]


def pole(rng: np.random.Generator, colour: Rgb, kind: str, yaw: float = 0.3) -> list[Thing]:
    """Two segments of a tent pole: `snapped` (splinters and the cord), `bent` (kinked), or `split` (cracked along)."""
    radius = 0.048
    drop = 0.07
    things: list[Thing] = []
    paint = surfaces.plain(colour, 0.1)
    turned = shapes.turn(yaw)

    def world(x: float, y: float, z: float = drop) -> shapes.Point:
        p = turned @ np.array([x, y, z], np.float32)
        return (float(p[0]), float(p[1]), float(p[2]))

    def add(solid: Distance, tint: Colour, gloss: float) -> None:
        things.append(Thing(solid, tint, gloss))

    if kind == "bent":
        knee, far = world(0.1, 0.12, drop + 0.02), world(1.6, 0.85)
        add(
            shapes.blend(0.05, shapes.capsule(world(-2.4, 0), knee, radius), shapes.capsule(knee, far, radius)),
            paint,
            0.5,
        )
        add(shapes.tube(world(-1.0, 0.045), world(-0.62, 0.062), radius + 0.014), surfaces.plain(STEEL), 0.7)
        add(shapes.tube(far, world(2.3, 1.19), radius + 0.014), surfaces.plain(STEEL), 0.7)
        return things
    left_end, right_start = world(-0.2, 0.0), world(0.28, -0.16)
    left = shapes.rough(shapes.tube(world(-2.6, 0.1), left_end, radius), 0.012, 9)
    tip = shapes.rough(shapes.ball(left_end, (0.16, 0.16, 0.1)), 0.3, 9, 3.0)
    right = shapes.tube(right_start, world(2.5, -0.75), radius)
    bite = shapes.rough(shapes.ball(right_start, (0.14, 0.14, 0.1)), 0.3, 9, 8.0)
    for solid, broken in ((left, tip), (right, bite)):
        cut = shapes.without(solid, broken)

        def frayed(points: Array, normals: Array, broken: Distance = broken) -> Array:
            result = paint(points, normals)
            fresh = np.abs(broken(points)) < 0.02
            result[fresh] = surfaces.linear((222, 214, 196))
            return result

        add(cut, frayed, 0.5)
    splinters = []
    for end, away in ((left_end, 1.0), (right_start, -1.0)):
        for _ in range(7):
            root = np.array(end, np.float32) - away * 0.12 * turned[:, 0] + rng.normal(0, 0.02, 3)
            out = root + away * turned[:, 0] * float(rng.uniform(0.12, 0.3)) + rng.normal(0, 0.03, 3)
            start: shapes.Point = (float(root[0]), float(root[1]), float(root[2]))
            splinters.append(shapes.capsule(start, (float(out[0]), float(out[1]), float(out[2])), 0.008))
    things.append(Thing(shapes.union(*splinters), surfaces.plain((214, 204, 180)), 0.1, (*world(0.04, -0.08), 0.8)))
    add(shapes.tube(world(-1.35, 0.052), world(-0.95, 0.036), radius + 0.015), surfaces.plain(STEEL), 0.7)
    add(shapes.tube(world(1.15, -0.392), world(1.5, -0.484), radius + 0.015), surfaces.plain(STEEL), 0.7)
    sag = [world(-0.25 + 0.53 * t, 0.02 - 0.18 * t - 0.34 * np.sin(np.pi * t), 0.035) for t in np.linspace(0, 1, 9)]
    cord = surfaces.weave((230, 230, 226), (180, 40, 40), 9.0)
    things.append(Thing(shapes.chain(sag, 0.02), cord, 0.05, (*world(0.04, -0.2), 0.7)))
    return things


def boot(
    rng: np.random.Generator, leather: Rgb, sole: Rgb, laces: Rgb, gape: float, at: shapes.Point, yaw: float
) -> list[Thing]:
    """A hiking boot, toe towards +x, standing on its heel; the sole hangs down from the toe by `gape` radians."""
    tilt = float(np.arcsin(0.56 * np.tan(gape)))
    lift = 1.1 * np.sin(tilt) + 0.05
    frame, where = shapes.turn(yaw, -tilt), np.array([at[0], at[1], at[2] + lift], np.float32)

    def own(points: Array) -> Array:
        return ((points - where) @ frame).astype(np.float32)

    foot = shapes.ball((0.35, 0, 0.42), (1.15, 0.47, 0.42))
    toe = shapes.ball((1.05, 0, 0.36), (0.5, 0.47, 0.34))
    heel = shapes.ball((-0.62, 0, 0.5), (0.5, 0.44, 0.52))
    shaft = shapes.capsule((-0.42, 0, 0.7), (-0.34, 0, 1.35), 0.44)
    collar = shapes.placed(shapes.box((0.9, 0.9, 0.4)), (-0.3, 0, 1.85), pitch=-0.12)
    leg = shapes.ball((-0.33, 0, 1.6), (0.36, 0.34, 0.8))
    floor = shapes.placed(shapes.box((3, 3, 1)), (0, 0, -0.86))
    upper = shapes.without(shapes.blend(0.25, foot, toe, heel, shaft), collar, leg, floor)
    outline = [(-1.1, 0.0), (1.45, 0.06), (1.62, 0.2), (1.5, 0.26), (0.3, 0.17), (-1.12, 0.22)]
    slab = shapes.extruded(outline, 0.45, 0.06)

    def bottom(points: Array) -> Array:
        # The front half of the sole hangs down: turned about a line across the ball of the foot.
        p = points.copy()
        front = np.clip((p[:, 0] + 0.1) / 1.6, 0, 1)
        p[:, 2] += np.tan(gape) * front * front * 1.6
        studs = 0.05 * (np.mod(p[:, 0] * 4.2, 1) > 0.5) * (p[:, 2] < 0.07)
        waist = 0.07 * np.exp(-(((p[:, 0] + 0.15) / 0.5) ** 2)) + 0.3 * np.clip((p[:, 0] - 1.0) / 0.6, 0, 1) ** 2
        return single((slab(p) + np.where(np.abs(p[:, 1]) > 0.2, waist * 0.6, 0) + studs) * 0.6)

    def skin(points: Array, normals: Array) -> Array:
        p = own(points)
        grain = 0.8 + 0.4 * surfaces.cloudy(p, 7.0, 4)
        result = surfaces.linear(leather) * grain[:, None]
        cap = p[:, 0] > 1.05 - 0.2 * np.abs(p[:, 1])
        result[cap] *= 0.42
        seam = np.abs(p[:, 0] + 0.15 + 0.35 * (p[:, 2] - 0.5)) < 0.012
        rim = p[:, 2] > 1.28
        result[seam] *= 0.4
        result[rim] = surfaces.linear((52, 50, 50))
        dusty = np.clip(0.42 - p[:, 2], 0, 0.4) * 1.6 * surfaces.cloudy(p, 3.0, 3)
        result = result * (1 - dusty[:, None]) + surfaces.linear((150, 130, 100)) * dusty[:, None]
        inside = (np.hypot(p[:, 0] + 0.33, p[:, 1]) < 0.36) & (p[:, 2] > 0.75)
        result[inside] = surfaces.linear((40, 40, 42))
        return single(result)

    bound = (at[0], at[1], at[2] + lift + 0.6, 1.9)
    rubber = surfaces.plain(sole, 0.2)
    glue = surfaces.linear((206, 186, 130))

    def underside(points: Array, normals: Array) -> Array:
        p = own(points)
        result = rubber(points, normals)
        bare = (normals[:, 2] > 0.55) & (p[:, 0] > -0.2)
        result[bare] = glue * (0.5 + 0.7 * surfaces.cloudy(p, 8.0, 3))[bare, None]
        return result.astype(np.float32)

    things = [
        Thing(lambda p: (upper(own(p)) * 0.85).astype(np.float32), skin, 0.12, bound),
        Thing(lambda p: bottom(own(p)), underside, 0.05, bound),
    ]
    rows = []
    for row in range(5):
        t = row / 4
        x, z = 0.62 - 0.62 * t, 0.83 + 0.42 * t
        jump = float(rng.normal(0, 0.02))
        rows.append(shapes.capsule((x, -0.2, z - 0.02), (x - 0.13, 0.2, z + 0.06 + jump), 0.032))
        rows.append(shapes.capsule((x, 0.2, z - 0.02), (x - 0.13, -0.2, z + 0.06 + jump), 0.032))
    cord = shapes.union(*rows)
    things.append(Thing(lambda p: cord(own(p)), surfaces.plain(laces), 0.05, bound))
    return things
