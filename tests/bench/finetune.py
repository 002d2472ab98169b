"""What fine-tuning the text encoder is worth, beside the frozen encoder in the same run.

    python -m tests.bench.finetune ../shared/data var/models WORK [--only "banking77 full"] [--share 0.25,0.5,1]
    python -m tests.bench.finetune ../shared/data var/models WORK --maps

Tasks and cuts are those of `tests/bench/text.py`: training and validation parts only. Each row goes through the
product's own adaptation, scoring, thresholds. Training on one core of a server processor (AVX-512 bf16) takes about 1
second for 100 phrases an epoch when nothing else runs: half a minute for five or ten phrases an entry, some minutes for
BANKING77, CLINC150; asking takes as long as in `tests/bench/text.py`. Folders stay in WORK, so that a row that was
trained once is only asked again.

`--maps` tries what costs nothing when questions are asked: the frozen vectors times a matrix that whitens the scatter
within entries (WCCN, Hatch et al. 2006), learned on the knowledge base itself or, once for all, on CLINC150.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import BadInput
from tests.bench.text import Pairs, Task, knowledge_of, ours, row, tasks
from workers.model import text as texts
from workers.model import tuned
from workers.model.encodings import Remembered, encoded
from workers.model.heads import Floats
from workers.model.metrics import accuracy, auroc
from workers.model.points import phrases_of
from workers.model.ports import TextEncoder
from workers.model.smalltalk import outside

MAPPED = ("5-shot", "10-shot", "hint3")


def trained(task: Task, models: Path, folder: Path, chosen: argparse.Namespace) -> str:
    """Fine-tune on what a task may learn from, unless the folder is there; what it cost."""
    from workers.train.finetune import Recipe, finetune

    recipe = Recipe(fewest=chosen.fewest, share=chosen.at)
    if chosen.loss:
        recipe = replace(recipe, loss=chosen.loss, group=1 if chosen.loss == "prototypes" else 4)
    for name in ("rate", "frozen", "scale"):
        if getattr(chosen, name) is not None:
            recipe = replace(recipe, **{name: getattr(chosen, name)})
    if not tuned.is_tuned(folder):
        said = phrases_of(knowledge_of(task.learn))  # they have no answers, so that all of it is spoken
        finetune(
            models / "text-en", said.texts, said.owner, outside()["en"], folder,
            epochs=chosen.epochs, seed=chosen.seed, device=chosen.device, recipe=recipe,
        )  # fmt: skip
    told = tuned.read(folder).told
    return (
        f"{told['seconds']:.0f} s, epoch {told['best']} of {told['epochs']}, held out {told['before']}->{told['after']}"
    )


class Mapped:
    """An encoder whose vectors go through a matrix."""

    def __init__(self, inner: TextEncoder, matrix: Floats, cache: Remembered) -> None:
        self.digest = f"mapped-{id(self)}"
        self.dim, self.languages = inner.dim, inner.languages
        self._inner, self._matrix, self._cache = inner, matrix, cache

    def encode(self, some: Sequence[str]) -> Floats:
        """Vectors of shape (len(some), dim), L2-normalised."""
        vectors = encoded(self._inner, some, self._cache) @ self._matrix
        length = np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9)
        return np.asarray(vectors / length, dtype=np.float32)


def whitened(pairs: Pairs, encoder: TextEncoder, cache: Remembered, shrink: float) -> Floats:
    """The matrix under which the scatter within entries is alike in all directions, but for `shrink` of it."""
    vectors = encoded(encoder, [text for text, _ in pairs], cache)
    labels = np.unique([label for _, label in pairs], return_inverse=True)[1]
    apart = np.concatenate([v - v.mean(axis=0) for i in range(labels.max() + 1) for v in [vectors[labels == i]]])
    scatter = apart.T @ apart / len(apart)
    scatter = (1 - shrink) * scatter + shrink * np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    values, axes = np.linalg.eigh(scatter)
    return np.asarray((axes * values**-0.5) @ axes.T, dtype=np.float32)


def maps(chosen: argparse.Namespace) -> None:
    """The table of matrices."""
    encoder, cache = texts.minilm(chosen.models / "text-en"), Remembered()
    every = list(tasks(chosen.data))
    other = next(task.learn for task in every if task.name == "clinc150")[::4]
    kinds: dict[str, tuple[float, Pairs | None]] = {
        "frozen": (0, None),
        "own, 0.5": (0.5, None),
        "own, 0.9": (0.9, None),
    }
    kinds |= {f"CLINC150, {shrink}": (shrink, other) for shrink in (0.3, 0.7)}
    for task in every:
        if any(part in task.name for part in MAPPED) and chosen.only in task.name:
            for name, (shrink, pairs) in kinds.items():
                asked: TextEncoder = encoder
                if shrink:
                    asked = Mapped(encoder, whitened(pairs or task.learn, encoder, cache, shrink), cache)
                cases, told = ours(task, asked, Remembered())
                print(row(f"{task.name[:22]:22s} {name:14s}", cases, told, None), flush=True)


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    options.add_argument("--only", default="")
    options.add_argument("--share", default="")
    options.add_argument("--epochs", type=int, default=4)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--device", default="cpu")
    options.add_argument("--loss", default="")
    options.add_argument("--rate", type=float)
    options.add_argument("--frozen", type=float)
    options.add_argument("--scale", type=float)
    options.add_argument("--fewest", type=float, default=0.0)
    options.add_argument("--maps", action="store_true")
    return options


def main() -> None:
    """Print the table."""
    chosen = arguments().parse_args()
    if chosen.maps:
        return maps(chosen)
    from workers.train.finetune import Recipe

    shares = [float(one) for one in chosen.share.split(",") if one] or [Recipe().share]
    encoder, cache = texts.minilm(chosen.models / "text-en"), Remembered()
    for task in tasks(chosen.data):
        if chosen.only not in task.name:
            continue
        cases, told = ours(task, encoder, cache)
        print(row(f"{task.name:22s} frozen    ", cases, told, None), flush=True)
        before = accuracy(cases), auroc(cases)
        for share in shares:
            chosen.at = share
            marks = (
                task.name,
                share,
                chosen.epochs,
                chosen.seed,
                chosen.loss,
                chosen.rate,
                chosen.frozen,
                chosen.scale,
            )
            folder = chosen.work / "-".join(str(mark or "") for mark in marks).replace(" ", "-")
            try:
                cost = trained(task, chosen.models, folder, chosen)
            except BadInput as problem:
                print(f"{task.name:22s} {problem}", flush=True)
                continue
            cases, told = ours(task, tuned.load(folder), Remembered())
            print(row(f"{task.name:22s} tuned {share:4.2f}", cases, told, None), cost, flush=True)
            gain = 100 * (accuracy(cases) - before[0])
            apart = 100 * ((auroc(cases) or 0) - (before[1] or 0))
            print(f"{'':22s} accuracy {gain:+.1f}, AUROC {apart:+.1f}", flush=True)
    return None


if __name__ == "__main__":
    main()
