"""What is lost when the same words are spoken instead of typed.

    python -m tests.bench.spoken ../shared/data var/models WORK [--count 300] [--phrases 10]

CLINC150 (CC BY 3.0): an entry an intent, ten training phrases each; sentences of the validation part, typed, spoken by
synthesised voices (`tests/bench/voices.py`), and with noise 12 dB below the voice. The floor reads the same words; `by
letters` is what answers without comparing sounds (`tests/bench/garbled.py`).
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from tests.bench.asked import Row, ask, lost, share, slug
from tests.bench.garbled import both
from tests.bench.text import Pairs, Task, floor
from tests.bench.voices import keep, noisy, say
from workers.model import text as texts
from workers.model.encodings import Remembered
from workers.model.metrics import accuracy

BELOW = 12.0  # decibels


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    options.add_argument("--count", type=int, default=300)
    options.add_argument("--phrases", type=int, default=10)
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    entries, learn, questions = base(chosen.data, chosen.phrases, chosen.count)
    dice = random.Random(5)
    waves = [say(text, dice) for text, _ in questions]
    ways: dict[str, list[Row]] = {"typed": [{"text": text, "expect": intent} for text, intent in questions]}
    for way, mixed in (("spoken", waves), ("spoken, noise 12 dB below", [noisy(one, BELOW, dice) for one in waves])):
        ways[way] = [
            {"voice": str(keep(chosen.work / f"spoken-{slug(way)}" / f"{number}.wav", one)), "expect": intent}
            for number, (one, (_, intent)) in enumerate(zip(mixed, questions, strict=True))
        ]
    encoder, cache = texts.minilm(chosen.models / "text-en"), Remembered()
    print("| way | count | right | points lost | by letters | TF-IDF + LR | ms a question |\n" + "| --- " * 7 + "|")
    typed: list[bool] = []
    for way, cases in ways.items():
        found = ask(chosen.work / "spoken", chosen.models, entries, cases)
        typed = typed or found.right
        words = [line["transcript"] or text for line, (text, _) in zip(found.lines, questions, strict=True)]
        asked = [(text, intent) for text, (_, intent) in zip(words, questions, strict=True)]
        letters, _ = both(learn, asked, encoder, cache)
        print(
            f"| {way} | {len(cases)} | {share(found.right)} | {lost(typed, found.right)} | {100 * letters.mean():.1f} "
            f"| {100 * accuracy(floor(Task(way, learn, asked, []))):.1f} | {found.milliseconds:.0f} |",
            flush=True,
        )


def base(data: Path, phrases: int, count: int) -> tuple[list[Row], Pairs, Pairs]:
    """Entries of CLINC150, what they were learned from, and questions."""
    clinc = json.loads((data / "clinc150/data_train_val.json").read_text(encoding="utf-8"))
    said: dict[str, list[str]] = {}
    for text, intent in clinc["train"]:
        some = said.setdefault(slug(intent), [])
        if len(some) < phrases:
            some.append(text)
    entries: list[Row] = [{"id": id, "question": some[0], "variants": some[1:]} for id, some in said.items()]
    questions = random.Random(3).sample([(text, slug(intent)) for text, intent in clinc["val"]], count)
    return entries, [(text, id) for id, some in said.items() for text in some], questions


if __name__ == "__main__":
    main()
