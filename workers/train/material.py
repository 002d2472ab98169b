"""What knowledge bases for training the fusion are drawn from: topics with sentences, things with photos.

Read from the folder of public data, then encoded, read and recognised once by the product's own models, so that their
mistakes are real ones. Topics: BANKING77 (CC BY 4.0), CLINC150 (CC BY 3.0). Things: Grocery Store (MIT); strange
photos: parcels at doors (public domain).
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from workers.model.conse import Conse
from workers.model.heads import Floats
from workers.model.ports import Picture
from workers.model.shelf import Shelf
from workers.perceiving import SURE_LINE
from workers.train.rendered import screen, spoiled, spoken

RENDERED = 500  # sentences of a split that are read from screens, as many that are spoken
_UNSEEN = ("travel", "kitchen_and_dining", "work", "auto_and_commute", "home")  # CLINC150's domains for testing


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture's vector (dim,), what it shows in the space of words (d,), and the lines that were read in it."""

    vector: Floats
    shown: Floats
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """A product: its name, sentences that describe it, good photos and bad ones."""

    name: str
    sentences: tuple[str, ...]
    photos: tuple[Photo, ...]
    bad: tuple[Photo, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """One split; no topic, thing, sentence or photo is in two of them.

    `topics` maps a topic to its sentences; `strangers` are sentences that no topic is about; `screens` maps a sentence
    to a picture of it, `notes` to what was recognised of it with the recogniser's confidence.
    """

    topics: dict[str, tuple[str, ...]]
    strangers: tuple[str, ...]
    things: tuple[Thing, ...]
    strange: tuple[Photo, ...]
    screens: dict[str, Photo]
    notes: dict[str, tuple[str, float]]


def material(folder: Path, shelf: Shelf, work: Path, *, unseen: bool) -> Material:
    """One of the two splits: to train on, or `unseen`.

    Args:
        folder: the public data.
        shelf: the product's models.
        work: where what takes long is kept.
        unseen: which split.
    """
    work.mkdir(parents=True, exist_ok=True)
    topics, strangers = _topics(folder, unseen=unseen)
    dice = random.Random(11 + unseen)
    sentences = sorted(set(chain(strangers, *topics.values())))
    chosen = dice.sample(sentences, 2 * RENDERED)
    split = work / ("unseen" if unseen else "train")
    notes = split.with_suffix(".json")
    if not notes.exists():
        notes.write_text(json.dumps(_notes(chosen[RENDERED:], shelf, dice)), encoding="utf-8")
    eyes = _Eyes(shelf, Conse(shelf.text("en"), shelf.labels))
    screens = eyes.see([screen(sentence, dice) for sentence in chosen[:RENDERED]], Path(f"{split}-screens.npz"))
    doors = [_opened(path) for path in sorted((folder / "door_packages/images").glob("*.jpg"))[unseen::2]]
    return Material(
        topics,
        strangers,
        tuple(_things(folder / "grocery_store", eyes, split, dice, unseen=unseen)),
        tuple(eyes.see(doors, Path(f"{split}-doors.npz"))),
        dict(zip(chosen, screens, strict=False)),
        {sentence: (text, sure) for sentence, (text, sure) in json.loads(notes.read_text(encoding="utf-8")).items()},
    )


def _topics(folder: Path, *, unseen: bool) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    domains = json.loads((folder / "clinc150/domains.json").read_text(encoding="utf-8"))
    clinc = json.loads((folder / "clinc150/data_train_val.json").read_text(encoding="utf-8"))
    ours = {intent for domain, intents in domains.items() if (domain in _UNSEEN) == unseen for intent in intents}
    for sentence, intent in clinc["train"]:
        if intent in ours:
            found[intent].append(sentence)
    if not unseen:
        with (folder / "banking77/train.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found[f"bank {row['category']}"].append(row["text"])
    strangers = [sentence for sentence, _ in clinc["oos_val" if unseen else "oos_train"]]
    return {topic: tuple(dict.fromkeys(some)) for topic, some in found.items()}, tuple(strangers)


def _notes(sentences: list[str], shelf: Shelf, dice: random.Random) -> dict[str, tuple[str, float]]:
    found = {}
    for sentence in sentences:
        (heard,) = shelf.speech.transcribe([spoken(sentence, dice)])
        found[sentence] = (heard.text, heard.confidence)
    return found


def _things(folder: Path, eyes: _Eyes, split: Path, dice: random.Random, *, unseen: bool) -> list[Thing]:
    files: dict[int, list[Path]] = defaultdict(list)
    for line in (folder / "train_subset.txt").read_text(encoding="utf-8").splitlines():
        path, product, _ = line.split(",")
        files[int(product)].append(folder / path.strip())
    with (folder / "classes.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["Class ID (int)"]) % 2 == unseen]
    pictures = [_opened(path) for row in rows for path in files[int(row["Class ID (int)"])]]
    good = eyes.see(pictures, Path(f"{split}-things.npz"))
    bad = eyes.see([spoiled(Image.fromarray(one), dice) for one in pictures], Path(f"{split}-bad.npz"))
    found, at = [], 0
    for row in rows:
        many = len(files[int(row["Class ID (int)"])])
        told = (folder / row["Product Description Path (str)"].lstrip("/")).read_text(encoding="utf-8").strip()
        sentences = tuple(one for one in re.split(r"(?<=[.!?])\s+", told) if one)
        name = row["Class Name (str)"].replace("-", " ").lower()
        found.append(Thing(name, sentences, tuple(good[at : at + many]), tuple(bad[at : at + many])))
        at += many
    return found


@dataclass(frozen=True, slots=True)
class _Eyes:
    """Looks at pictures as the product does."""

    shelf: Shelf
    conse: Conse

    def see(self, pictures: list[Picture], kept: Path) -> list[Photo]:
        """Vector, words and lines of each; looked at once, then `kept`."""
        if not kept.exists():
            seen = [self.shelf.image.encode([picture]) for picture in pictures]
            shown = [self.conse.vector(one.labels[0]) for one in seen if one.labels is not None]
            lines = [
                json.dumps([line.text for line in self.shelf.reader.read(picture) if line.confidence >= SURE_LINE])
                for picture in pictures
            ]
            vectors = np.concatenate([one.vectors for one in seen])
            np.savez(kept, vectors=vectors, shown=np.stack(shown), lines=np.array(lines))
        with np.load(kept, allow_pickle=False) as arrays:
            rows = zip(arrays["vectors"], arrays["shown"], arrays["lines"].tolist(), strict=True)
            return [Photo(vector, shown, tuple(json.loads(lines))) for vector, shown, lines in rows]


def _opened(path: Path) -> Picture:
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
