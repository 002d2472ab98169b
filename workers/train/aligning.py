"""Trains a projection from what is seen, or heard, into the space of words, on pairs that the operator has.

CLIP's symmetric InfoNCE (Radford et al. 2021, https://arxiv.org/abs/2103.00020): in a batch of pairs each source is to
find its text among all texts, each text its source. A batch holds an entry once, since two pairs of one entry would be
each other's wrong answers. Only the matrix and the temperature are trained, the encoders stay as they are.

Whether it is used, held-out pairs decide: photos of entries that were trained on, and entries of which no photo was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch.nn.functional import cross_entropy, dropout, normalize

from workers.model.alignment import projected
from workers.model.heads import Floats, Integers
from workers.train import results as told
from workers.train.strategies import Drawer, Teller

FOLDS = 4  # of which the first tells when to stop, the next ones measure
MEASURED = (1, 2)
SURE = 0.05  # the probability of so many better ones by chance, from which on below it is not chance


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a projection is trained.

    `scale` multiplies cosines to begin with; `rate` of learning, `decay` of weights; `left_out` is the share of a
    source's numbers that a step does without; `batch` entries a step, `steps` at most; every `look` steps the held-out
    loss is looked at, `patience` looks without getting better end it.
    """

    scale: float = 20.0
    rate: float = 1e-3
    decay: float = 1.0
    left_out: float = 0.3
    batch: int = 64
    steps: int = 300
    look: int = 25
    patience: int = 3


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Sources (n, d) with the entries they are of (n,), and the texts (m, words) of all entries, `text_of` (m,).

    `base` (n, words) is where each source stands in the space of words without any training.
    """

    sources: Floats
    base: Floats
    owner: Integers
    texts: Floats
    text_of: Integers

    def only(self, chosen: NDArray[np.bool_]) -> Pairs:
        """Some of the sources; all texts stay."""
        return replace(self, sources=self.sources[chosen], base=self.base[chosen], owner=self.owner[chosen])

    def ranks(self, matrix: Floats | None = None) -> Integers:
        """(n,) how many entries are nearer to each source than its own, by the nearest of their texts."""
        known = np.unique(self.text_of)
        points = normalised(self.base) if matrix is None else projected(self.sources, self.base, matrix)
        near = points @ self.texts.T
        best = np.stack([near[:, self.text_of == entry].max(axis=1) for entry in known], axis=1)
        own = best[np.arange(len(self.owner)), np.searchsorted(known, self.owner)]
        return np.asarray((best > own[:, None]).sum(axis=1), dtype=np.int64)


def fit(
    pairs: Pairs, recipe: Recipe, seed: int, held: Pairs | None = None, tell: Teller | None = None
) -> tuple[Floats, int]:
    """The matrix (d, words), and after how many steps it was best on `held`; without that, all steps are made."""
    dice = np.random.default_rng(seed)
    source, base = torch.from_numpy(pairs.sources), torch.from_numpy(pairs.base)
    texts = torch.from_numpy(pairs.texts)
    matrix = torch.nn.Parameter(torch.from_numpy(_start(pairs)))
    scale = torch.nn.Parameter(torch.tensor(float(np.log(recipe.scale))))
    adam = torch.optim.AdamW(
        [{"params": [matrix], "weight_decay": recipe.decay}, {"params": [scale], "weight_decay": 0.0}], lr=recipe.rate
    )
    entries, most = np.unique(pairs.owner), int(pairs.text_of.max()) + 1
    seen_by, said_by = Drawer.of(pairs.owner, most), Drawer.of(pairs.text_of, most)
    best, kept, at, worse = np.inf, matrix.detach().clone(), 0, 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for step in range(1, recipe.steps + 1):
            some = dice.permutation(entries)[: recipe.batch]  # each once
            rows, said = seen_by.draw(some, dice), said_by.draw(some, dice)
            seen = dropout(source[rows], recipe.left_out) @ matrix + base[rows]
            loss = contrast(normalize(seen, dim=1), texts[said], scale.exp())
            adam.zero_grad()
            loss.backward()
            adam.step()
            if tell is not None:
                tell(step, loss=float(loss.detach()))
            if held is None or step % recipe.look:
                continue
            ranks = held.ranks(matrix.detach().numpy())
            now = float(np.log1p(ranks).mean())
            if tell is not None:
                tell(step, held_out=True, accuracy=float((ranks == 0).mean()))
            worse = 0 if now < best else worse + 1
            if now < best:
                best, kept, at = now, matrix.detach().clone(), step
            if worse >= recipe.patience:
                break
    if held is None:
        return np.asarray(matrix.detach().numpy()), recipe.steps
    return np.asarray(kept.numpy()), at


def contrast(seen: torch.Tensor, said: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Symmetric InfoNCE of matching rows, both (b, words) and L2-normalised."""
    near = scale * seen @ said.T
    truth = torch.arange(len(near))
    return (cross_entropy(near, truth) + cross_entropy(near.T, truth)) / 2


def aligned(
    pairs: Pairs, recipe: Recipe | None = None, seed: int = 0, tell: Teller | None = None
) -> tuple[Floats | None, told.Aligned]:
    """A matrix where it finds held-out entries better than what is there without it, else None; then what decided.

    Args:
        pairs: of all entries that have any.
        recipe: how it is trained.
        seed: of order, dropout, and what is held out.
        tell: told of the steps of the training in which it is decided when to stop.
    """
    recipe = recipe or Recipe()
    entries, many = len(np.unique(pairs.owner)), len(pairs.owner)
    if entries < 2:
        why = "ConSE tells what photos show: there are no two entries with photos to learn from"
        return None, told.Aligned(False, why, many, entries)
    dice = np.random.default_rng([seed, 1])
    by_photo, by_entry = _folds(pairs.owner, dice)
    first = by_photo == 0 if (by_photo == 0).any() else by_entry == 0
    _, steps = fit(pairs.only(~first), recipe, seed, pairs.only(first), tell)
    found = replace(recipe, steps=max(steps, recipe.look))
    photos, strangers = (list(_measured(pairs, folds, found, seed)) for folds in (by_photo, by_entry))
    seen, unseen = (_compared(part) for part in (photos, strangers))
    result = told.Aligned(False, "", many, entries, found.steps, seen, unseen)
    if not proven(seen, unseen):
        return None, replace(
            result,
            why="ConSE tells what photos show: a projection trained on "
            f"{many} photos of {entries} entries is not proven better on held-out ones ({_said(seen, unseen)})",
        )
    matrix, _ = fit(pairs, found, seed)
    why = f"a projection trained on {many} photos of {entries} entries tells what photos show: {_said(seen, unseen)}"
    return matrix, replace(result, kept=True, why=why)


def proven(seen: told.Retrieved, unseen: told.Retrieved) -> bool:
    """Whether a projection is better, and spoils nothing for entries that it saw no photo of."""
    judge = seen if seen.held else unseen
    worse = unseen.later > unseen.sooner or _fewer_first(seen) or _fewer_first(unseen)
    return better(judge.sooner, judge.later) and not worse


def better(sooner: int, later: int) -> bool:
    """Whether so many were found sooner, so many later, that chance does not explain it (one-sided sign test)."""
    return sooner + later > 0 and bool(binomtest(sooner, sooner + later, alternative="greater").pvalue < SURE)


def _fewer_first(one: told.Retrieved) -> bool:
    """Whether fewer find their entry at once: coming sooner but not first is no answer."""
    before, after = one.before.value, one.after.value
    return before is not None and after is not None and round(after * one.held) < round(before * one.held)


def normalised(vectors: Floats) -> Floats:
    """Rows of length 1; one of nothing stays nothing."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _start(pairs: Pairs) -> Floats:
    """Nothing, (d, words), where every source has a place in the space of words; else a first guess.

    A source whose place is nothing has no direction to begin with. The gradient there is so steep that Adam, which
    remembers the steepest, would hardly move for thousands of steps.
    """
    if pairs.base.any(axis=1).all():
        return np.zeros((pairs.sources.shape[1], pairs.texts.shape[1]), dtype=np.float32)
    known, where = np.unique(pairs.owner, return_inverse=True)
    meant = np.stack([pairs.texts[pairs.text_of == entry].mean(axis=0) for entry in known])
    return np.asarray(pairs.sources.T @ (meant - meant.mean(axis=0))[where] / len(pairs.owner), dtype=np.float32)


def _folds(owner: Integers, dice: np.random.Generator) -> tuple[Integers, Integers]:
    """Two folds a source: among those of its entry, -1 where it is the only one; and of its entry among all."""
    by_photo = np.full(len(owner), -1)
    for entry in np.unique(owner):
        rows = dice.permutation(np.flatnonzero(owner == entry))
        by_photo[rows] = np.arange(len(rows)) % FOLDS if len(rows) > 1 else -1
    known = dice.permutation(np.unique(owner))
    place = {entry: number % FOLDS for number, entry in enumerate(known)}
    return by_photo, np.array([place[entry] for entry in owner])


def _measured(pairs: Pairs, folds: Integers, recipe: Recipe, seed: int) -> Iterator[tuple[Integers, Integers]]:
    """Ranks of held-out sources without and with a projection that was trained on the others."""
    for fold in MEASURED:
        out = folds == fold
        rest = pairs.only(~out)
        if out.any() and len(np.unique(rest.owner)) > 1:
            held = pairs.only(out)
            yield held.ranks(), held.ranks(fit(rest, recipe, seed)[0])


def _compared(parts: list[tuple[Integers, Integers]]) -> told.Retrieved:
    before, after = (np.concatenate([part[side] for part in parts] or [np.zeros(0, np.int64)]) for side in (0, 1))

    def recall(ranks: Integers, top: int) -> told.Share:
        return told.Share.of(int((ranks < top).sum()), len(ranks))

    return told.Retrieved(
        len(before), recall(before, 1), recall(after, 1), recall(before, 5), recall(after, 5),
        int((after < before).sum()), int((after > before).sum()),
    )  # fmt: skip


def _said(seen: told.Retrieved, unseen: told.Retrieved) -> str:
    parts = []
    for one, what in ((seen, "held-out photos"), (unseen, "photos of held-out entries")):
        if one.held and one.before.value is not None and one.after.value is not None:
            parts.append(
                f"of {one.held} {what} {round(one.before.value * one.held)} find their entry by words with ConSE, "
                f"{round(one.after.value * one.held)} with it"
            )
    return "; ".join(parts) or "too few to hold any out"
