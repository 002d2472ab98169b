"""What aligning photos with words is worth, beside what is there without it.

    python -m tests.bench.alignment ../shared/data var/models WORK

Photos: 81 products, their names with descriptions as the entries' words, five phone photos of each (Grocery Store,
MIT). A photo finds its entry by words alone, among all 81: with ConSE, and with the projection of
`workers.train.aligning`, for held-out photos of products it knows and for products of which it saw no photo; then with
fewer products to learn from, which tells how many pairs it takes. No official test part is touched.

Voices are asked about by `tests/bench/sounds.py`.
"""

from __future__ import annotations

import argparse
import csv
import re
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from workers.model.conse import Conse
from workers.model.ports import Picture
from workers.model.shelf import Shelf
from workers.train import results as told
from workers.train.aligning import Pairs, aligned

_STOPS = re.compile(r"(?<=[.!?])\s+")
SENTENCES = 4  # of a description
PRODUCTS = (3, 5, 10, 20, 40)


def opened(path: Path) -> Picture:
    """A photo, no side longer than 800 pixels."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    image.thumbnail((800, 800))
    return np.asarray(image)


def photos(data: Path, shelf: Shelf, work: Path) -> Pairs:
    """The pairs of the grocery store; what was encoded is kept in `work`."""
    place = work / "grocery.npz"
    if place.is_file():
        with np.load(place) as kept:
            return Pairs(*(kept[name] for name in Pairs.__dataclass_fields__))
    folder = data / "grocery_store"
    names, said = {}, {}
    with (folder / "classes.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            number = int(row["Class ID (int)"])
            names[number] = row["Class Name (str)"].replace("-", " ")
            about = (folder / row["Product Description Path (str)"].lstrip("/")).read_text(encoding="utf-8")
            said[number] = [one for one in _STOPS.split(about.strip()) if len(one) > 8][:SENTENCES]
    listed = [line.split(",") for line in (folder / "train_subset.txt").read_text().split()]
    text, conse = shelf.text("en"), Conse(shelf.text("en"), shelf.labels)
    seen = [shelf.image.encode([opened(folder / path)]) for path, _, _ in listed]
    labels = [one.labels[0] for one in seen if one.labels is not None]
    phrases = [(number, phrase) for number in sorted(names) for phrase in (names[number], *said[number])]
    pairs = Pairs(
        np.stack([one.vectors[0] for one in seen]),
        np.stack([conse.vector(one) for one in labels]),
        np.array([int(fine) for _, fine, _ in listed]),
        text.encode([phrase for _, phrase in phrases]),
        np.array([number for number, _ in phrases]),
    )
    place.parent.mkdir(parents=True, exist_ok=True)
    np.savez(place, **{name: getattr(pairs, name) for name in Pairs.__dataclass_fields__})
    return pairs


def row(name: str, one: told.Retrieved) -> str:
    """A line of the table."""

    def share(of: told.Share) -> str:
        return (
            "-" if of.value is None else f"{100 * of.value:5.1f} ({100 * (of.low or 0):.0f}-{100 * (of.high or 0):.0f})"
        )

    return (
        f"{name:34s} {one.held:5d}  first {share(one.before):>16s} -> {share(one.after):>16s}   "
        f"of five {share(one.before_5):>16s} -> {share(one.after_5):>16s}   sooner {one.sooner}, later {one.later}"
    )


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", type=int, default=0, help="just so many products")
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    shelf = Shelf(chosen.models, device="cpu")
    pairs = photos(chosen.data, shelf, chosen.work)
    dice = np.random.default_rng(chosen.seed)
    products = np.unique(pairs.owner)
    for many in (chosen.only,) if chosen.only else (*PRODUCTS, len(products)):
        some = dice.permutation(products)[:many]
        began = time.perf_counter()
        _, found = aligned(pairs.only(np.isin(pairs.owner, some)), seed=chosen.seed)
        took = time.perf_counter() - began
        print(f"{many} products, {found.pairs} photos: {'used' if found.kept else 'ConSE'}, {took:.0f} s", flush=True)
        print(row("  held-out photos", found.seen), flush=True)
        print(row("  held-out products", found.unseen), flush=True)


if __name__ == "__main__":
    main()
