"""Trains the head that reads whether words are strained.

    python -m workers.train.sentiment ../shared/data var/models

Logistic regression with a ridge over the vectors of both built-in text encoders, with signs of the spelling. It learns
from sentences of our own (`strained.yaml`), and from neutral requests of CLINC150 (Larson et al. 2019, CC BY 3.0), as
they are or with a strained or calm clause of ours put before or after them. The ridge is chosen by folds over whole
pairs and clauses, so that none of a fold was seen.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from core.errors import BadInput, Broken
from workers.model import sentiment
from workers.model.ports import TextEncoder
from workers.model.sentiment import SentimentHead, Weights, features
from workers.model.shelf import MINILM, MULTILINGUAL, Shelf

OURS = Path(__file__).with_name("strained.yaml")
RIDGES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
_FOLDS = 5
_REQUESTS = 1200  # of CLINC150 that stay as they are
_EACH = 8  # requests that every clause is joined with
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Texts, whether each is strained, its fold, how much it counts; (n,) each."""

    texts: tuple[str, ...]
    strained: NDArray[np.bool_]
    folds: NDArray[np.int64]
    counts: Numbers


def examples(data: Path, seed: int = 0) -> Examples:
    """What is learned from; the same for the same files.

    Raises:
        BadInput: CLINC150 is not there.
    """
    ours = yaml.safe_load(OURS.read_text(encoding="utf-8"))
    try:
        clinc = json.loads((data / "clinc150" / "data_train_val.json").read_text())["train"]
    except (OSError, ValueError, KeyError) as problem:
        raise BadInput(f"{data} holds no clinc150/data_train_val.json: {problem}") from problem
    dice = np.random.default_rng(seed)
    requests = [str(text) for text, _ in clinc]
    dice.shuffle(requests)
    rows: list[tuple[str, bool, int, float]] = []
    for i, pair in enumerate(ours["pairs"]):
        rows += [(pair["calm"], False, i, 4.0), (pair["strained"], True, i, 4.0)]
    for i in range(max(len(ours["strained"]), len(ours["calm"]))):
        rows += [(one, kind == "strained", i, 2.0) for kind in ("strained", "calm") for one in ours[kind][i : i + 1]]
    rows += [(text, False, i, 0.5) for i, text in enumerate(requests[:_REQUESTS])]
    left = iter(requests[_REQUESTS:])
    for place in ("tails", "leads"):
        for kind in ("strained", "calm"):
            for i, clause in enumerate(ours[place][kind]):
                for _ in range(_EACH):
                    whole = f"{next(left)}, {clause}" if place == "tails" else f"{clause} {next(left)}"
                    rows.append((whole, kind == "strained", i, 0.5))
    texts, strained, groups, counts = zip(*rows, strict=True)
    return Examples(texts, np.array(strained), np.array(groups) % _FOLDS, np.array(counts))


def fit(seen: Numbers, some: Examples, rows: NDArray[np.bool_], ridge: float) -> Weights:
    """Logistic regression on some rows, both kinds weighing the same together."""
    from sklearn.linear_model import LogisticRegression

    weigh = some.counts[rows].copy()
    for kind in (False, True):
        own = some.strained[rows] == kind
        weigh[own] *= 0.5 * rows.sum() / weigh[own].sum()
    # scikit-learn's C stands before a sum over the rows.
    made = LogisticRegression(C=1 / (ridge * rows.sum()) * 10, max_iter=2000, tol=1e-6)
    made.fit(seen[rows], some.strained[rows], sample_weight=weigh)
    return Weights(np.asarray(made.coef_[0], dtype=np.float64), float(made.intercept_[0]))


def left_out(seen: Numbers, some: Examples, ridge: float) -> Numbers:
    """Logits (n,) of heads that saw nothing of the row's fold."""
    logits = np.zeros(len(seen))
    for fold in range(_FOLDS):
        asked = some.folds == fold
        made = fit(seen, some, ~asked, ridge)
        logits[asked] = seen[asked] @ made.weight + made.bias
    return logits


def loss(logits: Numbers, some: Examples) -> float:
    """The mean logarithmic loss of our own sentences; composed ones only help to learn."""
    own = some.counts >= 1
    signed = np.where(some.strained, -logits, logits)[own]
    return float(np.average(np.logaddexp(0, signed), weights=some.counts[own]))


def train(some: Examples, encoders: Sequence[TextEncoder]) -> SentimentHead:
    """A head for these encoders, with what is told about it."""
    weights: dict[str, Weights] = {}
    told: dict[str, object] = {}
    for encoder in encoders:
        seen = features(some.texts, encoder.encode(some.texts))
        tried = {ridge: left_out(seen, some, ridge) for ridge in RIDGES}
        ridge = min(tried, key=lambda one: loss(tried[one], some))
        weights[encoder.digest] = fit(seen, some, np.ones(len(seen), bool), ridge)
        own = some.counts >= 1
        right = (tried[ridge] > 0) == some.strained
        told[encoder.digest] = {
            "ridge": ridge,
            "folds": {"loss": round(loss(tried[ridge], some), 3), "right": round(float(right[own].mean()), 3)},
        }
    about = {
        "texts": "sentences of our own (workers/train/strained.yaml); CLINC150 (Larson et al. 2019, CC BY 3.0)",
        "count": len(some.texts),
        "encoders": told,
    }
    return SentimentHead(weights, about)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on a folder of data; 0 when the head is written, 2 for a wrong folder, 1 for other trouble."""
    parser = argparse.ArgumentParser(prog="python -m workers.train.sentiment", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with clinc150")
    parser.add_argument("models", type=Path, help="the folder of prepared models")
    parser.add_argument("--out", type=Path, default=sentiment.SHIPPED, help="the checkpoint to write")
    wanted = parser.parse_args(arguments)
    try:
        some = examples(wanted.data)
        encoders = [Shelf(wanted.models, text=name, device="cpu").text("") for name in (MINILM, MULTILINGUAL)]
        head = train(some, encoders)
    except (BadInput, Broken) as problem:
        print(problem, file=sys.stderr)
        return 2 if isinstance(problem, BadInput) else 1
    sentiment.save(wanted.out, head)
    print(json.dumps(head.about, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
