"""How well questions are understood, on held-out parts of public data, beside TF-IDF with logistic regression.

    python -m tests.bench.text ../shared/data var/models [--multilingual] [--only banking]
    python -m tests.bench.text ../shared/data var/models --form MODEL/forms/FOLDER    # of `polydesk optimise`

The official test sets are not here: BANKING77 and HWU64 are asked the validation cut of Zhang et al. 2021, CLINC150 its
validation part and `oos_val`; HINT3 has training sets only, so 30 % of the intents are left out as out of scope and a
quarter of the other sentences is held out, three times. AUROC judges `confidence`, in against out of scope.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.knowledge.entries import NONE, Entry, KnowledgeBase
from workers.model import optimised
from workers.model import text as texts
from workers.model.adapt import adapt
from workers.model.encodings import Remembered, encoded
from workers.model.heard import Said, hear
from workers.model.metrics import Case, accuracy, auroc, risk_coverage
from workers.model.ports import TextEncoder
from workers.model.scoring import score, score_all

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Task:
    """Sentences with their intents to learn from, to ask; questions out of scope."""

    name: str
    learn: Pairs
    ask: Pairs
    strange: list[str]


def tasks(folder: Path) -> Iterator[Task]:
    """Every task, cheap ones first."""
    cuts = folder / "intent_fewshot_oos"

    def cut(name: str, part: str) -> Pairs:
        lines = [(cuts / name / part / kind).read_text(encoding="utf-8").splitlines() for kind in ("seq.in", "label")]
        return list(zip(*lines, strict=True))

    for bot in ("curekart", "powerplay11", "sofmattress"):
        with (folder / f"hint3/v1/train/{bot}_train.csv").open(encoding="utf-8") as file:
            rows = [(row["sentence"], row["label"]) for row in csv.DictReader(file)]
        intents = sorted({label for _, label in rows})
        for seed in range(3):
            dice = random.Random(seed)
            left = set(dice.sample(intents, int(len(intents) * 0.3)))
            known = [row for row in rows if row[1] not in left]
            dice.shuffle(known)
            split = int(len(known) * 0.75)
            learned = {label for _, label in known[:split]}
            asked = [row for row in known[split:] if row[1] in learned]
            yield Task(f"hint3 {bot} {seed}", known[:split], asked, [text for text, label in rows if label in left])
    for name in ("BANKING77", "HWU64"):
        for shots in (1, 5, 10):
            learn = cut(name, f"train_{max(shots, 5)}")
            if shots == 1:
                learn = list({label: (text, label) for text, label in reversed(learn)}.values())
            yield Task(f"{name.lower()} {shots}-shot", learn, cut(name, "valid"), [])
    with (folder / "banking77/train.csv").open(encoding="utf-8") as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    held = {_bare(text) for text, _ in cut("BANKING77", "valid")}
    asked = [row for row in rows if _bare(row[0]) in held]
    yield Task("banking77 full", [row for row in rows if _bare(row[0]) not in held], asked, [])
    clinc = json.loads((folder / "clinc150/data_train_val.json").read_text(encoding="utf-8"))
    strange = [text for text, _ in clinc["oos_val"]]
    yield Task("clinc150", [(t, i) for t, i in clinc["train"]], [(t, i) for t, i in clinc["val"]], strange)


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def knowledge_of(pairs: Pairs) -> KnowledgeBase:
    """A knowledge base without answers: an entry an intent."""
    intents: dict[str, list[str]] = {}
    for text, intent in pairs:
        intents.setdefault(intent, []).append(text)
    entries = tuple(Entry(id=i, question=some[0], answer={}, variants=tuple(some[1:])) for i, some in intents.items())
    return KnowledgeBase(title="bench", entries=entries)


def ours(task: Task, encoder: TextEncoder, cache: Remembered) -> tuple[list[Case], dict[str, float]]:
    """Adapt, ask everything; cases with what else is worth telling."""
    knowledge = knowledge_of(task.learn)
    asked = [*task.ask, *((text, NONE) for text in task.strange)]
    encoded(encoder, [text for text, _ in task.learn], cache)
    started = time.perf_counter()
    adapted = adapt(knowledge, text=encoder, cache=cache)
    seconds = time.perf_counter() - started
    heard = hear([Said(text=text) for text, _ in asked], encoder, adapted.spelling)
    scored = [one for at in range(0, len(heard), 64) for one in score_all(adapted, heard[at : at + 64], talk=False)]
    single = []
    for one in heard[:200]:
        started = time.perf_counter()
        score(adapted, one, talk=False)
        single.append(time.perf_counter() - started)
    cases = [
        Case(
            expect, one.candidates[0].entry, one.confidence, "answer" if one.confidence >= one.answer_at else "clarify"
        )
        for (_, expect), one in zip(asked, scored, strict=True)
    ]
    return cases, {"adapt": seconds, "ms": 1000 * float(np.median(single)), "answer_at": scored[0].answer_at}


def floor(task: Task) -> list[Case]:
    """TF-IDF over words and letters with logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    few = len(task.learn) > 5000
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=3 if few else 1)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2 if few else 1)
    model = make_pipeline(make_union(words, letters), LogisticRegression(C=10, max_iter=30 if few else 100))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit([text for text, _ in task.learn], [label for _, label in task.learn])
    asked = [*task.ask, *((text, NONE) for text in task.strange)]
    chances = model.predict_proba([text for text, _ in asked])
    names = model.classes_[chances.argmax(axis=1)]
    sure = chances.max(axis=1)
    return [
        Case(expect, str(name), float(p), "answer") for (_, expect), name, p in zip(asked, names, sure, strict=True)
    ]


def row(name: str, cases: Sequence[Case], told: dict[str, float], baseline: Sequence[Case] | None) -> str:
    """One line of the table."""

    def both(some: Sequence[Case]) -> str:
        area = auroc(some)
        return (
            f"{100 * accuracy(some):5.1f} {100 * area:5.1f}"
            if area is not None
            else f"{100 * accuracy(some):5.1f}     -"
        )

    answered = [case for case in cases if case.decision == "answer"]
    wrong = sum(case.entry != case.expect for case in answered)
    share = len(answered) / len(cases)
    floors = both(baseline) if baseline is not None else "           "
    return (
        f"{name:22s} {both(cases)}   {floors}   {told['adapt']:6.1f} {told['ms']:6.2f}   {told['answer_at']:.2f} "
        f"{100 * share:5.1f} {100 * wrong / max(len(answered), 1):5.1f}   {risk_coverage(cases).area:.3f}"
    )


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("--only", default="")
    options.add_argument("--multilingual", action="store_true")
    options.add_argument("--no-floor", action="store_true")
    options.add_argument("--form", type=Path)
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    encoder = (
        texts.multilingual(chosen.models / "text-multi")
        if chosen.multilingual
        else texts.minilm(chosen.models / "text-en")
    )
    encoder = optimised.text(chosen.form) if chosen.form else encoder
    cache = Remembered()
    print(f"{'':22s} {'ours':^11s}   {'floor':^11s}   {'adapt':>6s} {'score':>6s}   {'':4s} {'answered':>8s}")
    print(
        f"{'':22s} {'acc':>5s} {'auroc':>5s}   {'acc':>5s} {'auroc':>5s}   {'s':>6s} {'ms':>6s}   "
        f"{'at':4s} {'%':>5s} wrong   AURC"
    )
    hint: list[tuple[float, float]] = []
    for task in tasks(chosen.data):
        if chosen.only not in task.name:
            continue
        cases, told = ours(task, encoder, cache)
        print(row(task.name, cases, told, None if chosen.no_floor else floor(task)), flush=True)
        if task.name.startswith("hint3"):
            hint.append((accuracy(cases), auroc(cases) or 0.0))
    if hint:
        mean = np.mean(hint, axis=0)
        print(f"{'hint3, mean':22s} {100 * mean[0]:5.1f} {100 * mean[1]:5.1f}")


if __name__ == "__main__":
    main()
