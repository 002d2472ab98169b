"""What is lost when a screenshot shows the words instead of their being typed.

    python -m tests.bench.screenshots ../shared/data var/models WORK [--count 200] [--phrases 10]

CLINC150 (CC BY 3.0) as in `tests/bench/spoken.py`; a sentence stands on a phone's screen among a clock, a title and
buttons, light or dark, two in five photographed from another screen (`workers/train/rendered.py`). The floor, TF-IDF
with logistic regression, gets all that was read.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from PIL import Image

from tests.bench.asked import Row, ask, lost, share
from tests.bench.spoken import base
from tests.bench.text import Task, floor
from workers.model.metrics import accuracy
from workers.train.rendered import screen


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--phrases", type=int, default=10)
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    entries, learn, questions = base(chosen.data, chosen.phrases, chosen.count)
    dice = random.Random(6)
    ways: dict[str, list[Row]] = {"typed": [{"text": text, "expect": intent} for text, intent in questions]}
    ways["screenshot"] = []
    chosen.work.mkdir(parents=True, exist_ok=True)
    for number, (text, intent) in enumerate(questions):
        file = (chosen.work / f"screen-{number}.png").resolve()
        Image.fromarray(screen(text, dice)).save(file)
        ways["screenshot"].append({"photo": str(file), "expect": intent})
    print("| way | count | right | points lost | TF-IDF + LR | ms a question |\n" + "| --- " * 6 + "|")
    typed: list[bool] = []
    for way, cases in ways.items():
        found = ask(chosen.work / "screens", chosen.models, entries, cases, photos=way == "screenshot")
        typed = typed or found.right
        words = [" ".join(line["ocr"]) or text for line, (text, _) in zip(found.lines, questions, strict=True)]
        asked = [(text, intent) for text, (_, intent) in zip(words, questions, strict=True)]
        print(
            f"| {way} | {len(cases)} | {share(found.right)} | {lost(typed, found.right)} "
            f"| {100 * accuracy(floor(Task(way, learn, asked, []))):.1f} | {found.milliseconds:.0f} |",
            flush=True,
        )
        for line, (text, _), before in zip(found.lines, questions, typed, strict=True):
            if before and line["entry"] != line["expect"]:
                print(f"  {text!r} read as {' | '.join(line['ocr'])!r}: {line['entry']}", flush=True)


if __name__ == "__main__":
    main()
