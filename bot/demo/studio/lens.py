"""What a phone does to the light before it is a JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from bot.demo.studio.tracer import Array


@dataclass(frozen=True, slots=True)
class Shot:
    """How a picture is taken: exposure (factor), white balance (red, blue), blur (px), noise (of 1), JPEG quality."""

    exposure: float = 1.0
    red: float = 1.0
    blue: float = 1.0
    blur: float = 0.5
    noise: float = 0.012
    vignette: float = 0.2
    contrast: float = 1.0
    quality: int = 80


def any_shot(rng: np.random.Generator, dim: bool = False) -> Shot:
    """A shot as people take them; `dim`: in the evening, by lamp light."""
    warm = float(rng.normal(0.1 if dim else 0.0, 0.05))
    return Shot(
        exposure=float(rng.uniform(0.75, 0.95) if dim else rng.uniform(0.9, 1.2)),
        red=1 + warm,
        blue=1 - 1.2 * warm,
        blur=float(rng.uniform(0.5, 1.1)),
        noise=float(rng.uniform(0.016, 0.03) if dim else rng.uniform(0.006, 0.016)),
        vignette=float(rng.uniform(0.1, 0.35)),
        contrast=float(rng.uniform(0.92, 1.1)),
        quality=int(rng.integers(66, 82)),
    )


def develop(light: Array, shot: Shot, rng: np.random.Generator) -> Image.Image:
    """Linear light (height, width, 3) to a picture."""
    height, width = light.shape[:2]
    ys, xs = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    corner = (1 - shot.vignette * (xs**2 + ys**2) / 2)[..., None]
    exposed = light * shot.exposure * corner * np.array([shot.red, 1.0, shot.blue])
    toned = np.clip(exposed, 0, None)
    toned = toned * (1 + toned / 4) / (1 + toned)  # a shoulder instead of burnt-out highlights
    screen = np.clip(toned * 1.35, 0, 1) ** (1 / 2.2)
    screen = np.clip((screen - 0.5) * shot.contrast + 0.5, 0, 1)
    sharp = Image.fromarray((screen * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(shot.blur))
    return grain(sharp, shot.noise, rng)


def grain(picture: Image.Image, amount: float, rng: np.random.Generator) -> Image.Image:
    """Sensor noise: some of it grey, some coloured, more of it in the shadows."""
    pixels = np.asarray(picture.convert("RGB"), np.float32) / 255
    grey = rng.normal(0, amount, (*pixels.shape[:2], 1))
    coloured = rng.normal(0, amount * 0.6, pixels.shape)
    noisy = pixels + (grey + coloured) * (1.25 - 0.6 * pixels)
    return Image.fromarray((np.clip(noisy, 0, 1) * 255).astype(np.uint8))


def save(picture: Image.Image, path: Path, quality: int) -> None:
    """Write a JPEG without any metadata."""
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
    path.write_bytes(buffer.getvalue())
