"""How often a spoken order finds the right drink of ten, clean and in noise.

    python -m tests.bench.orders ../shared/data var/models WORK [--phrases 40] [--spoken 10]

Picovoice's speech-to-intent benchmark (Apache-2.0): an entry a drink, its variants drawn from the benchmark's grammar;
asked are the 18 real recordings, then as many orders a drink as `--spoken`, drawn from the same grammar, by synthesised
voices (`tests/bench/voices.py`). Noise lies 12 dB below: of the real ones people talking (synthesised) and machines.

Two floors read the same transcripts: TF-IDF with logistic regression; what answers, with phrases compared by letters in
the place of sounds (`tests/bench/garbled.py`).
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.bench.asked import Row, Told, ask, share, slug
from tests.bench.garbled import both
from tests.bench.text import Task, floor
from tests.bench.voices import keep, noisy, say
from workers.media import audio
from workers.model import text as texts
from workers.model.encodings import Remembered
from workers.model.metrics import accuracy

BELOW = 12.0  # decibels
_CHOICE = re.compile(r"\[([^\]]*)\]")
_SLOT = re.compile(r"\$(\w+):\w+")


def order(grammar: dict[str, Any], drink: str, dice: random.Random) -> str:
    """A sentence of the grammar that orders this drink."""
    form = dice.choice(grammar["expressions"]["orderDrink"])
    form = _CHOICE.sub(lambda found: dice.choice(found[1].split(",")).strip(), form)

    def fill(found: re.Match[str]) -> str:
        return drink if found[1] == "coffeeDrink" else str(dice.choice(grammar["slots"][found[1]]))

    return _SLOT.sub(fill, form)


def heard(found: Told) -> list[str]:
    """What was understood of each order."""
    return [line["transcript"] for line in found.lines]


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    options.add_argument("--phrases", type=int, default=40)
    options.add_argument("--spoken", type=int, default=10)
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    folder = chosen.data / "picovoice_s2i"
    grammar = yaml.safe_load((folder / "coffee_maker.yaml").read_text(encoding="utf-8"))["context"]
    dice = random.Random(4)
    drinks: list[str] = grammar["slots"]["coffeeDrink"]
    phrases = {drink: [order(grammar, drink, dice) for _ in range(chosen.phrases)] for drink in drinks}
    entries: list[Row] = [{"id": slug(drink), "question": drink, "variants": phrases[drink]} for drink in drinks]
    labels = json.loads((folder / "label.json").read_text(encoding="utf-8"))
    real = [
        (slug(labels[file.name]["slots"]["coffeeDrink"].strip()), audio.decode(file.read_bytes()).wave)
        for file in sorted((folder / "speech").rglob("*.wav"))
    ]
    known = {text for some in phrases.values() for text in some}
    fresh = [
        (slug(drink), text)
        for drink in drinks
        for text in (order(grammar, drink, dice) for _ in range(chosen.spoken))
        if text not in known
    ]
    made = [(drink, say(text, dice)) for drink, text in fresh]

    def cases(name: str, waves: Sequence[tuple[str, Any]]) -> list[Row]:
        return [
            {"voice": str(keep(chosen.work / f"orders-{name}" / f"{number}.wav", wave)), "expect": drink}
            for number, (drink, wave) in enumerate(waves)
        ]

    learn = [(text, slug(drink)) for drink, some in phrases.items() for text in (drink, *some)]
    encoder, cache = texts.minilm(chosen.models / "text-en"), Remembered()
    print(
        "| orders | count | the right drink | by letters | TF-IDF + LR | adapt s | ms a question |\n"
        + "| --- " * 7
        + "|"
    )
    for kind, waves in (("real", real), ("synthesised", made)):
        for name, mixed in (
            (f"{kind}, clean", waves),
            (f"{kind}, noise 12 dB below", [(drink, noisy(wave, BELOW, dice)) for drink, wave in waves]),
        ):
            found = ask(chosen.work / "orders", chosen.models, entries, cases(slug(name), mixed))
            said = [(text, drink) for text, (drink, _) in zip(heard(found), mixed, strict=True)]
            base, (letters, _) = floor(Task(name, learn, said, [])), both(learn, said, encoder, cache)
            print(
                f"| {name} | {len(mixed)} | {share(found.right)} | {100 * letters.mean():.1f} "
                f"| {100 * accuracy(base):.1f} | {found.seconds:.1f} | {found.milliseconds:.0f} |",
                flush=True,
            )
            for line in found.lines:
                if line["entry"] != line["expect"]:
                    print(f"  {line['expect']} taken for {line['entry']}: {line['transcript']!r}", flush=True)


if __name__ == "__main__":
    main()
