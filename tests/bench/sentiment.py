"""How well strained words are told from calm ones, on sentences that were kept apart.

    python -m tests.bench.sentiment ../shared/data var/models [--read N]

`strained.yaml` beside this file: sentences of our own, written before training. False alarms are counted on requests of
CLINC150 (validation part) and BANKING77, which are calm but for a few; `--read N` prints the N messages of BANKING77
that sound most strained, to be read by a person. The floor is TF-IDF with logistic regression on the same examples; the
second floor the signs of the spelling alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np
import yaml
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from core.waiting import STRAINED_FROM
from workers.model import sentiment
from workers.model.shelf import MINILM, MULTILINGUAL, Shelf
from workers.train.sentiment import examples


def told(name: str, truth: np.ndarray, p: np.ndarray) -> str:
    """UAR at a half, then what is found and what is falsely found from STRAINED_FROM on, with 95 % of bootstraps."""
    dice = np.random.default_rng(0)
    drawn = [dice.integers(0, len(truth), len(truth)) for _ in range(2000)]
    areas = [roc_auc_score(truth[i], p[i]) for i in drawn if 0 < truth[i].sum() < len(i)]
    low, high = np.percentile(areas, [2.5, 97.5])
    half = 50 * ((p[truth] > 0.5).mean() + (p[~truth] <= 0.5).mean())
    found, false = 100 * (p[truth] >= STRAINED_FROM).mean(), 100 * (p[~truth] >= STRAINED_FROM).mean()
    return (
        f"{name:34s} AUROC {100 * roc_auc_score(truth, p):5.1f} [{100 * low:.1f}, {100 * high:.1f}]  UAR {half:5.1f}  "
        f"from {STRAINED_FROM}: found {found:5.1f} %, false {false:5.1f} %  (of {truth.sum()} and {(~truth).sum()})"
    )


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("--read", type=int, default=0)
    return options


def main() -> None:
    wanted = arguments().parse_args()
    head = sentiment.load()
    kept = yaml.safe_load(Path(__file__).with_name("strained.yaml").read_text(encoding="utf-8"))
    clinc = json.loads((wanted.data / "clinc150" / "data_train_val.json").read_text())
    with (wanted.data / "banking77" / "train.csv").open(newline="") as file:
        bank = [row["text"] for row in csv.DictReader(file)]
    calm = {"CLINC150 val": [text for text, _ in clinc["val"]], "BANKING77 train": bank}
    some = examples(wanted.data)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(some.texts)
    floor = LogisticRegression(C=10, class_weight="balanced", max_iter=2000)
    floor.fit(words.transform(some.texts), some.strained, sample_weight=some.counts)
    spelt = LogisticRegression(class_weight="balanced")
    spelt.fit([sentiment.signs(text) for text in some.texts], some.strained, sample_weight=some.counts)
    for language, both in kept.items():
        texts = [*both["strained"], *both["calm"]]
        truth = np.arange(len(texts)) < len(both["strained"])
        if language == "en":
            print(told("en, floor: TF-IDF + LR", truth, floor.predict_proba(words.transform(texts))[:, 1]))
            signs = spelt.predict_proba([sentiment.signs(text) for text in texts])[:, 1]
            print(told("en, floor: spelling alone", truth, signs))
        for name in (MINILM, MULTILINGUAL) if language == "en" else (MULTILINGUAL,):
            encoder = Shelf(wanted.models, text=name, device="cpu").text("")
            began = time.perf_counter()
            p = np.array(head.strained(encoder.digest, texts, encoder.encode(texts)), dtype=float)
            spent = 1000 * (time.perf_counter() - began) / len(texts)
            print(told(f"{language}, {name} ({spent:.1f} ms a text)", truth, p))
            if language == "en":
                wrong = [
                    (round(float(q), 2), text) for q, t, text in zip(p, truth, texts, strict=True) if (q > 0.5) != t
                ]
                print("\n".join(f"    {q:.2f}  {text[:100]}" for q, text in wrong))
    encoder = Shelf(wanted.models, text=MINILM, device="cpu").text("en")
    for name, texts in calm.items():
        p = np.array(head.strained(encoder.digest, texts, encoder.encode(texts)), dtype=float)
        print(f"{name}: {len(texts)} messages, {100 * (p >= STRAINED_FROM).mean():.2f} % strained from {STRAINED_FROM}")
        if name.startswith("BANK"):
            print(*(f"    {p[i]:.2f}  {texts[i]}" for i in np.argsort(-p)[: wanted.read]), sep="\n")


if __name__ == "__main__":
    main()
