"""The catalogue of real photos, which come from two public collections named in MEDIA.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageOps

DOORS = "door_packages/images"
GROCERIES = "grocery_store/train"


def _small(picture: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(picture).convert("RGB")
    upright.thumbnail((800, 800), Image.Resampling.LANCZOS)
    return upright


def _unbranded(picture: Image.Image) -> Image.Image:
    """The parcel's printed marks blurred; they belong to somebody else's shop."""
    small = _small(picture)
    mask = Image.new("L", small.size, 0)
    wide, high = small.size
    ImageDraw.Draw(mask).rectangle((0.44 * wide, 0.55 * high, 0.59 * wide, 0.76 * high), fill=255)
    soft = small.filter(ImageFilter.GaussianBlur(6))
    small.paste(soft, (0, 0), mask.filter(ImageFilter.GaussianBlur(6)))
    return small


Source = tuple[str, Callable[[Image.Image], Image.Image]]
PICTURES: dict[str, Source] = {
    "door-two-boxes": (f"{DOORS}/PXL_20201101_154113387_*.jpg", _small),
    "door-bags": (f"{DOORS}/PXL_20201103_181911592_*.jpg", _small),
    "door-box": (f"{DOORS}/PXL_20201105_173148569_*.jpg", _small),
    "test-door-hall": (f"{DOORS}/PXL_20201101_154110239_*.jpg", _small),
    "test-door-corner": (f"{DOORS}/PXL_20201107_214721193_*.jpg", _small),
    "test-door-courier": (f"{DOORS}/PXL_20201107_191150218_*.jpg", _unbranded),
    "fresh-bananas": (f"{GROCERIES}/Fruit/Banana/Banana_028.jpg", _small),
    "fresh-apples": (f"{GROCERIES}/Fruit/Apple/Royal-Gala/Royal-Gala_001.jpg", _small),
    "fresh-oranges": (f"{GROCERIES}/Fruit/Orange/Orange_012.jpg", _small),
    "fresh-carrots": (f"{GROCERIES}/Vegetables/Carrots/Carrots_025.jpg", _small),
    "fresh-peppers": (f"{GROCERIES}/Vegetables/Pepper/Red-Bell-Pepper/Red-Bell-Pepper_00?.jpg", _small),
    "test-fresh-bananas": (f"{GROCERIES}/Fruit/Banana/Banana_037.jpg", _small),
    "test-fresh-tomatoes": (f"{GROCERIES}/Vegetables/Tomato/Vine-Tomato/*.jpg", _small),
    "test-fresh-apples": (f"{GROCERIES}/Fruit/Apple/Granny-Smith/*.jpg", _small),
}


def take(name: str, sources: Path) -> Image.Image:
    """The photo called `name`, cut down to at most 800 px.

    Raises:
        FileNotFoundError: `sources` does not hold the collections.
    """
    pattern, change = PICTURES[name]
    found = sorted(sources.glob(pattern))
    if not found:
        raise FileNotFoundError(f"{pattern} is not under {sources}; MEDIA.md says where to get the collections")
    with Image.open(found[0]) as picture:
        return change(picture)
