"""Whether channels together are better than alone: groceries that are described, photographed, or both.

    python -m tests.bench.fusion ../shared/data var/models [--examples 3]

Grocery Store (MIT): an entry a product, known by its name and the first half of its description; the questions are a
quarter of the words of all of the description, sometimes with a word of the name, and photos that are no examples.
Channels are then missing, noisy and in conflict.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from core.knowledge.entries import Entry, KnowledgeBase
from workers.model import text as texts
from workers.model.adapt import Adapted, adapt
from workers.model.conse import Conse
from workers.model.fusion.opinions import PHOTO, TEXT, WORDS
from workers.model.heard import Said, hear
from workers.model.image import EfficientNetLite, label_names
from workers.model.ports import TextEncoder
from workers.model.scoring import Scored, score_all


def pixels(path: Path) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """A picture file."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def described(path: Path, name: str, dice: random.Random) -> tuple[list[str], str]:
    """Sentences to learn from, and a customer's words: some of what is written there, at times a word of the name."""
    sentences = [one for one in re.split(r"(?<=[.!?])\s+", path.read_text(encoding="utf-8").strip()) if one]
    words = [word for word in " ".join(sentences).split() if dice.random() < 0.25]
    if dice.random() < 0.4:
        words.append(dice.choice(name.split("-")).lower())
    return sentences[: max(1, len(sentences) // 2)], " ".join(words) or "hm"


def main() -> None:
    """Print accuracy and confidence of each combination."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("--examples", type=int, default=3)
    chosen = options.parse_args()
    dice = random.Random(3)
    grocery = chosen.data / "grocery_store"
    encoder, eyes = texts.minilm(chosen.models / "text-en"), EfficientNetLite(chosen.models / "image")
    conse = Conse(encoder, label_names(chosen.models / "image"))

    photos: dict[int, list[Path]] = {}
    for listed in (grocery / "train_subset.txt").read_text(encoding="utf-8").splitlines():
        path, product, _ = listed.split(",")
        photos.setdefault(int(product), []).append(grocery / path.strip())
    entries, asked, examples = [], {}, {}
    with (grocery / "classes.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            number, name = int(row["Class ID (int)"]), row["Class Name (str)"]
            known, asked[number] = described(grocery / row["Product Description Path (str)"].lstrip("/"), name, dice)
            entry = Entry(id=name.lower(), question=name.replace("-", " "), answer={}, variants=tuple(known))
            entries.append(entry)
            seen = eyes.encode([pixels(path) for path in photos[number][: chosen.examples]]).vectors
            examples[entry.id] = [(str(i), vector) for i, vector in enumerate(seen)]
    adapted = adapt(KnowledgeBase(title="groceries", entries=tuple(entries)), text=encoder, photos=examples)
    doors = [eyes.encode([pixels(path)]) for path in sorted((chosen.data / "door_packages").rglob("*.jpg"))]

    truth, kinds = [], {name: [] for name in ("text", "photo", "both", "noisy text", "strange photo", "conflict")}
    for number, entry in enumerate(entries):
        other = asked[(number + 40) % len(entries)]
        for path in photos[number][chosen.examples :]:
            truth.append(entry.id)
            seen = eyes.encode([pixels(path)])
            shown = conse.vector(seen.labels[0])[None]
            door = dice.choice(doors)
            kinds["text"].append(Said(text=asked[number]))
            kinds["photo"].append(Said(photos=seen.vectors, shown=shown))
            kinds["both"].append(Said(text=asked[number], photos=seen.vectors, shown=shown))
            kinds["noisy text"].append(Said(text="what is this please?", photos=seen.vectors, shown=shown))
            kinds["strange photo"].append(
                Said(text=asked[number], photos=door.vectors, shown=conse.vector(door.labels[0])[None])
            )
            kinds["conflict"].append(Said(text=other, photos=seen.vectors, shown=shown))
    results = {name: told(adapted, some, encoder) for name, some in kinds.items()}
    for name, scored in results.items():
        line(name, [one.candidates[0].entry for one in scored], truth, [one.confidence for one in scored])
    for channel in (TEXT, PHOTO, WORDS):
        best = [
            max(one.candidates, key=lambda c: c.channels.get(channel, 0)).entry
            for one in results["both"]
            if channel in one.candidates[0].channels
        ]
        if len(best) == len(truth):
            line(f"  {channel} (among ten)", best, truth, [0.0] * len(truth))
    strangers = told(adapted, [Said(photos=d.vectors, shown=conse.vector(d.labels[0])[None]) for d in doors], encoder)
    print("a parcel at a door, confidence:", " ".join(f"{one.confidence:.2f}" for one in strangers))
    pairs = zip(results["text"], results["photo"], truth, strict=True)
    either = [expect in (words.candidates[0].entry, photo.candidates[0].entry) for words, photo, expect in pairs]
    print(f"text or photo right: {100 * float(np.mean(either)):.1f}")


def told(adapted: Adapted, said: Sequence[Said], encoder: TextEncoder) -> list[Scored]:
    """Scores without small talk."""
    return score_all(adapted, hear(said, encoder, adapted.spelling), talk=False)


def line(name: str, found: Sequence[str], truth: Sequence[str], sure: Sequence[float]) -> None:
    """One line, with a 95 % interval."""
    right = np.array([a == b for a, b in zip(found, truth, strict=True)])
    share = right.mean()
    margin = 196 * float(np.sqrt(share * (1 - share) / len(right)))
    print(f"{name:22s} {100 * share:5.1f} ± {margin:.1f}   confidence {float(np.mean(sure)):.2f}")


if __name__ == "__main__":
    main()
