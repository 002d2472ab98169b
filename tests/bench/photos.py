"""How often a photo alone finds the product it shows, with one, three and five example photos of each.

    python -m tests.bench.photos ../shared/data var/models WORK [--examples 1 3 5] [--folds 5]

Grocery Store (MIT): 81 products, five photos by telephone each, of which every one is asked once while others are
examples; the fifth example is the iconic picture, as there are only four others. What is asked is never an example.
The official test photos were taken in other shops and are harder: `unlike` counts the two fifths of the photos that are
least like any other photo of their product (as one glance of EfficientNet-Lite2 sees them), where the floors come near
to what they reach there.

The floors see one glance of the same network: logistic regression, and the nearest example.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from pathlib import Path

import numpy as np

from tests.bench.asked import Row, ask, share, slug
from workers.media import images
from workers.model.heads import Floats
from workers.model.image import EfficientNetLite

UNLIKE = 0.4
PHOTOS = 5  # of a product


def products(folder: Path) -> tuple[list[str], list[list[Path]], list[Path], list[str]]:
    """Names, photos, iconic pictures and descriptions, in the order of the classes."""
    with (folder / "classes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    photos: list[list[Path]] = [[] for _ in rows]
    for line in (folder / "train_subset.txt").read_text(encoding="utf-8").splitlines():
        path, product, _ = line.split(",")
        photos[int(product)].append(folder / path.strip())
    icons = [folder / row["Iconic Image Path (str)"].lstrip("/") for row in rows]
    told = [
        (folder / row["Product Description Path (str)"].lstrip("/")).read_text(encoding="utf-8").strip() for row in rows
    ]
    return [row["Class Name (str)"] for row in rows], photos, icons, told


def examples(product: int, fold: int, count: int, photos: list[list[Path]], icons: list[Path]) -> list[Path]:
    """The example photos of a product while photo number `fold` is asked."""
    others = [photos[product][(fold + step) % PHOTOS] for step in range(1, PHOTOS)]
    return [*others[:count], *([icons[product]] if count > len(others) else [])]


def floors(known: Floats, owner: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """What logistic regression and the nearest example say, (q,) each."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=10, max_iter=100).fit(known, owner)
    return model.predict(asked), owner[(asked @ known.T).argmax(axis=1)]


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    options.add_argument("--examples", type=int, nargs="+", default=[1, 3, 5])
    options.add_argument("--folds", type=int, default=PHOTOS)
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    names, photos, icons, told = products(chosen.data / "grocery_store")
    bare = EfficientNetLite(chosen.models / "image", glances=(1.0,))

    def seen(paths: list[Path]) -> Floats:
        return np.asarray(bare.encode([images.decode(path.read_bytes()) for path in paths]).vectors)

    vectors = dict(zip(icons, seen(icons), strict=True))
    siblings = []
    for some in photos:
        near = (few := seen(some)) @ few.T - 2 * np.eye(len(some), dtype=np.float32)
        siblings += near.max(axis=1).tolist()
        vectors |= dict(zip(some, few, strict=True))
    unlike = np.array(siblings).reshape(len(names), PHOTOS) < np.quantile(siblings, UNLIKE)
    print(
        "| examples | right | of the unlike | logistic regression | nearest | adapt s | ms a question |\n"
        + "| --- " * 7
        + "|"
    )
    for count in chosen.examples:
        ours, hard, lr, nearest, spent, times = [], [], [], [], [], []
        for fold in range(chosen.folds):
            few = [examples(product, fold, count, photos, icons) for product in range(len(names))]
            entries: list[Row] = [
                {
                    "id": slug(name), "question": name.replace("-", " "), "answer": text,
                    "photos": [str(path.resolve()) for path in some],
                }
                for name, text, some in zip(names, told, few, strict=True)
            ]  # fmt: skip
            cases: list[Row] = [
                {"photo": str(photos[product][fold].resolve()), "expect": slug(name)}
                for product, name in enumerate(names)
            ]
            found = ask(chosen.work / f"photos-{count}-{fold}", chosen.models, entries, cases, photos=True)
            known = np.stack([vectors[path] for some in few for path in some])
            owner = np.repeat(np.arange(len(names)), [len(some) for some in few])
            says, near = floors(known, owner, np.stack([vectors[some[fold]] for some in photos]))
            ours += found.right
            hard += [right for right, far in zip(found.right, unlike[:, fold], strict=True) if far]
            lr += (says == np.arange(len(names))).tolist()
            nearest += (near == np.arange(len(names))).tolist()
            spent.append(found.seconds)
            times.append(found.milliseconds)
        print(
            f"| {count} | {share(ours)} | {share(hard)} | {share(lr)} | {share(nearest)} "
            f"| {np.max(spent):.1f} | {np.median(times):.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
