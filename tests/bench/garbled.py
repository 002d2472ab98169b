"""What is gained by comparing voice notes by how they sound, in the place of how they are spelt.

    python -m tests.bench.garbled ../shared/data var/models WORK

Sentences of BANKING77 (CC BY 4.0) and CLINC150 (CC BY 3.0) in synthesised voices and noise of 5 to 30 dB, as the
product's recogniser wrote them for `workers.train.gate` and `tests.bench.gate`, which have to have filled the folder
WORK, asked in knowledge bases of 3, 10 and 30 other phrases an intent. Both ways see the same transcripts.
`tests/bench/orders.py` and `tests/bench/spoken.py` have the same comparison.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench.text import Pairs, knowledge_of
from workers.model import text as texts
from workers.model.adapt import Adapted, adapt, voiced
from workers.model.encodings import Remembered
from workers.model.heard import Said, hear
from workers.model.ports import TextEncoder
from workers.model.scoring import score_all

SHOTS = (3, 10, 30)
MADE_BY = {"workers.train.gate": "train", "tests.bench.gate": "unseen"}  # the parts of WORK
Flags = NDArray[np.bool_]


def sentences(folder: Path) -> Iterator[tuple[str, Pairs]]:
    """Training sentences with their intents, by data set."""
    with (folder / "banking77/train.csv").open(encoding="utf-8") as file:
        yield "BANKING77", [(row["text"], row["category"]) for row in csv.DictReader(file)]
    clinc = json.loads((folder / "clinc150/data_train_val.json").read_text(encoding="utf-8"))
    yield "CLINC150", [(text, intent) for text, intent in clinc["train"]]


def transcripts(work: Path) -> dict[str, str]:
    """What the recogniser wrote of each sentence; ends with a sentence for people where WORK does not hold it."""
    found: dict[str, str] = {}
    for module, name in MADE_BY.items():
        file = work / f"{name}.json"
        if not file.is_file():
            sys.exit(f"{work} holds no {file.name}: fill it first, with `python -m {module} DATA MODELS {work}`")
        kept = json.loads(file.read_text(encoding="utf-8"))
        found |= {sentence: transcript for sentence, (transcript, _) in kept.items()}
    return found


def right(adapted: Adapted, asked: Pairs, encoder: TextEncoder) -> Flags:
    """Whether each transcript finds its entry, (n,)."""
    ready = hear([Said(transcript=text) for text, _ in asked], encoder, adapted.spelling)
    found = [one for at in range(0, len(ready), 64) for one in score_all(adapted, ready[at : at + 64], talk=False)]
    firsts = [one.candidates[0].entry if one.candidates else "" for one in found]
    return np.array([first == intent for first, (_, intent) in zip(firsts, asked, strict=True)])


def both(learn: Pairs, asked: Pairs, encoder: TextEncoder, cache: Remembered) -> tuple[Flags, Flags]:
    """Right by letters, right by sounds."""
    knowledge = knowledge_of(learn)
    plain = adapt(knowledge, text=encoder, cache=cache)
    return right(plain, asked, encoder), right(voiced(plain, knowledge, text=encoder, cache=cache), asked, encoder)


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    heard = transcripts(chosen.work)
    encoder, cache = texts.minilm(chosen.models / "text-en"), Remembered()
    won = lost = asked_in_all = 0
    print("| sentences, phrases an intent | asked | by letters | by sounds | won | lost |\n" + "| --- " * 6 + "|")
    for name, known in sentences(chosen.data):
        asked = [(heard[text], intent) for text, intent in known if text in heard]
        for shots in SHOTS:
            phrases: dict[str, list[str]] = {}
            for text, intent in random.Random(shots).sample(known, len(known)):
                some = phrases.setdefault(intent, [])
                if text not in heard and len(some) < shots:
                    some.append(text)
            learn = [(text, intent) for intent, some in phrases.items() for text in some]
            letters, sounds = both(learn, asked, encoder, cache)
            better, worse = int((sounds & ~letters).sum()), int((letters & ~sounds).sum())
            won, lost, asked_in_all = won + better, lost + worse, asked_in_all + len(asked)
            shares = f"{100 * letters.mean():.1f} | {100 * sounds.mean():.1f}"
            print(f"| {name}, {shots} | {len(asked)} | {shares} | {better} | {worse} |", flush=True)
    print(f"| all | {asked_in_all} | | | {won} | {lost} |")


if __name__ == "__main__":
    main()
