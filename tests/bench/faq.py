"""How often a question finds its entry where entries have no training queries: one question, perhaps an answer.

    python -m tests.bench.faq ../shared/data var/models WORK

The demo shop (68 entries, one question with its answer each; what stands there as variants is asked instead, and the
written text cases), then HINT3 (ODbL), BANKING77 (CC BY 4.0) and CLINC150 (CC BY 3.0), where an entry has one sentence
and no answer, drawn at random. R@1 is the share of first places, MRR the mean of 1 / place among the five best. The
floor is the cosine of TF-IDF over words and letters to the question, or to question and answer.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.knowledge.entries import NONE
from core.knowledge.files import load
from tests.bench.asked import Row, Told, ask, lost, share, slug
from workers.model.phrases import sentences

MOST = 600  # questions of a set
FIVE = 5
Pairs = list[tuple[str, str]]


def reciprocal(ranked: Sequence[str], right: str) -> float:
    """1 / place of the right entry among the five best, else 0."""
    return next((1 / place for place, one in enumerate(ranked[:FIVE], 1) if one == right), 0.0)


def floor(entries: Sequence[Row], asked: Pairs, *, answers: bool) -> list[list[str]]:
    """The five entries nearest by TF-IDF to each question."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    words = make_union(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), letters)
    told = [f"{one['question']} {one.get('answer', '') if answers else ''}" for one in entries]
    rows = words.fit_transform(told)
    cosine = (words.transform([text for text, _ in asked]) @ rows.T).toarray()
    return [[str(entries[i]["id"]) for i in np.argsort(-row, kind="stable")[:FIVE]] for row in cosine]


def demo() -> tuple[list[Row], Pairs]:
    """The demo shop without its variants, and what they ask."""
    knowledge = load(Path(__file__).parents[2] / "bot/demo")
    entries: list[Row] = [
        {"id": entry.id, "question": entry.question, "answer": " ".join(sentences(entry.answer_in("en", "en")))}
        for entry in knowledge.live
    ]
    asked = [(text, entry.id) for entry in knowledge.live for text in entry.variants]
    asked += [(c.text, c.expect) for c in knowledge.cases if c.text and not (c.photo or c.voice or c.history)]
    return entries, [(text, id) for text, id in asked if id != NONE]


def drawn(rows: Pairs, dice: random.Random) -> tuple[list[Row], Pairs]:
    """One sentence an intent as its question, the others asked."""
    rows = list(dict.fromkeys((text, slug(intent)) for text, intent in rows))
    dice.shuffle(rows)
    first = {intent: text for text, intent in reversed(rows)}
    entries: list[Row] = [{"id": intent, "question": text} for intent, text in sorted(first.items())]
    return entries, [(text, intent) for text, intent in rows if first[intent] != text]


def sets(data: Path) -> dict[str, tuple[list[Row], Pairs]]:
    """Every set by name."""
    dice = random.Random(8)
    found = {"demo shop": demo()}
    for bot in ("curekart", "powerplay11", "sofmattress"):
        with (data / f"hint3/v1/train/{bot}_train.csv").open(encoding="utf-8") as file:
            found[f"HINT3 {bot}"] = drawn([(row["sentence"], row["label"]) for row in csv.DictReader(file)], dice)
    with (data / "banking77/train.csv").open(encoding="utf-8") as file:
        found["BANKING77"] = drawn([(row["text"], row["category"]) for row in csv.DictReader(file)], dice)
    clinc = json.loads((data / "clinc150/data_train_val.json").read_text(encoding="utf-8"))
    found["CLINC150"] = drawn([(text, intent) for text, intent in clinc["val"]], dice)
    return found


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    options.add_argument("--only", default="")
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    print(
        "| set | entries, questions | R@1 | MRR | TF-IDF R@1 | MRR | adapt s | ms a question |\n" + "| --- " * 8 + "|"
    )
    for name, (entries, asked) in sets(chosen.data).items():
        if chosen.only.casefold() not in name.casefold():
            continue
        asked = asked if len(asked) <= MOST else random.Random(9).sample(asked, MOST)
        cases: list[Row] = [{"text": text, "expect": id} for text, id in asked]
        forms = [(name, False)]
        if any(one.get("answer") for one in entries):
            forms = [(f"{name}, answers not read", False), (f"{name}, answers read", True)]
        before: Told | None = None
        for form, answers in forms:
            bare = [dict(one) if answers else {**one, "answer": ""} for one in entries]
            found = ask(chosen.work / "faq", chosen.models, bare, cases)
            mrr = np.mean(
                [
                    reciprocal([id for id, _ in line["top"]], id)
                    for line, (_, id) in zip(found.lines, asked, strict=True)
                ]
            )
            ranked = floor(entries, asked, answers=answers)
            pairs = list(zip(ranked, asked, strict=True))
            theirs = np.mean([some[0] == id for some, (_, id) in pairs])
            print(
                f"| {form} | {len(entries)}, {len(asked)} | {share(found.right)} | {mrr:.3f} | {100 * theirs:.1f} "
                f"| {np.mean([reciprocal(some, id) for some, (_, id) in pairs]):.3f} | {found.seconds:.1f} "
                f"| {found.milliseconds:.1f} |",
                flush=True,
            )
            if before is not None:
                print(f"  reading answers gains {lost(found.right, before.right)} points of R@1")
            before = found


if __name__ == "__main__":
    main()
