"""Fine-tunes a sentence encoder on the phrases of a knowledge base.

Phrases are drawn to a learned prototype of their entry, away from those of all others, by a softmax over scaled cosines
(Wang et al. 2018, https://arxiv.org/abs/1801.09414; two other losses are there to compare). The upper layers are
trained; what comes out is half way back to the frozen encoder (WiSE-FT, Wortsman et al. 2021,
https://arxiv.org/abs/2109.01903), so that questions unlike any phrase stay where they were. The folder that is written
loads like the built-in encoder (`workers.model.tuned`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from core.errors import BadInput
from workers.model import hub
from workers.model.adapt import FAMILIAR
from workers.model.heads import Floats, Integers
from workers.train.sentences import Sentences, State, Tokens
from workers.train.tuning import Best, Checkpoints, fingerprint, write

LOSSES = ("prototypes", "contrast", "ranking")
_CENTRE = 16  # phrases of an entry, at most, that its centre is the mean of when held-out phrases are asked
_HELD = 20  # phrases held out, below which nothing can be read from them


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is trained; kept with the weights.

    `loss` is one of LOSSES; `rate` the learning rate of the layers, `pull` of the prototypes; `scale` multiplies
    cosines; `batch` phrases a step, of which `group` at a time are of one entry; `beside` sentences out of scope join
    each batch; `frozen` is the share of layers, from the bottom, that stay; `share` how far the way to the trained
    weights is gone; one in `held` phrases is held out; training ends after `patience` epochs without getting better;
    with less than `fewest` phrases an entry, on average, there is none.
    """

    loss: str = "prototypes"
    rate: float = 5e-5
    pull: float = 2e-3
    decay: float = 0.01
    warmup: float = 0.1
    scale: float = 20.0
    batch: int = 64
    group: int = 1
    beside: int = 8
    frozen: float = 0.5
    share: float = 0.5
    held: int = 10
    patience: int = 2
    fewest: float = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: `step` of `steps` in `epoch` of `epochs`, each from 1.

    `loss` is the mean over the epoch so far; `held_out` the accuracy on held-out phrases, None until the epoch's end or
    where there are too few.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    held_out: float | None = None


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of it.

    `before` and `after` are the accuracies on the `held` phrases (their numbers), None where too few were held out;
    `epochs` were trained, the weights are those after `best`; `seconds` of this call.
    """

    folder: Path
    digest: str
    epochs: int
    best: int
    before: float | None
    after: float | None
    held: tuple[int, ...]
    seconds: float


def finetune(
    encoder: Path,
    phrases: Sequence[str],
    owners: Sequence[int] | Integers,
    outside: Sequence[str],
    out: Path,
    *,
    epochs: int = 4,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] | None = None,
    recipe: Recipe | None = None,
    languages: frozenset[str] = frozenset({"en"}),
) -> Tuned:
    """Train, then write a folder that `POLYDESK_TEXT_MODEL` may name.

    Each epoch ends with a checkpoint beside `out`; the same call goes on from there, to the same result.

    Args:
        encoder: a folder of a BERT with mean pooling, weights as safetensors; the prepared `text-en` is one.
        phrases: what customers say.
        owners: (n,) the number of the entry that each phrase belongs to.
        outside: sentences that belong to no entry; may be empty.
        out: the folder to write; one that is there is replaced at the end.
        epochs: how often every phrase is seen, at most.
        seed: of order, dropout, which phrases are held out.
        device: `auto`, `cpu` or a torch device; on a graphics card batches run in half precision (bfloat16).
        progress: told after every step.
        say: told in a sentence when a checkpoint cannot be gone on from.
        recipe: how it is trained.
        languages: ISO 639-1 codes the encoder was trained for.

    Raises:
        BadInput: fewer than two entries; fewer phrases an entry than the recipe's `fewest`; an encoder of another
            architecture; no gain on the phrases held out. Nothing was written; the frozen encoder is the better one.
        Broken: the encoder cannot be read, the device cannot be used, a checkpoint can be neither read nor deleted.
    """
    started = time.monotonic()
    recipe = recipe or Recipe()
    owner = _numbered(phrases, owners, recipe.fewest)
    tell = progress or (lambda _progress: None)
    sentences = Sentences(encoder, hub.device(device), recipe.frozen)
    mark = fingerprint(encoder, [list(phrases), owner.tolist(), list(outside), asdict(recipe), epochs, seed])
    kept = Checkpoints(out, mark, say)
    held = _held_out(owner, recipe.held, seed)
    run = _Run(sentences, recipe, list(phrases), owner, list(outside), held, epochs, seed)
    best = run.train(kept, tell)
    if best.before is not None and best.after is not None and best.after <= best.before:
        kept.clear()
        raise BadInput(
            f"fine-tuning did not help: of the {len(held)} phrases held out {best.before:.1%} are understood without "
            f"it, {best.after:.1%} with it; the text encoder is left as it is"
        )
    sentences.load(run.between(best.state))
    told: dict[str, object] = {
        "recipe": asdict(recipe), "seed": seed, "phrases": len(phrases), "entries": int(owner.max()) + 1,
        "epochs": best.epochs, "best": best.epoch, "held": len(held), "before": best.before, "after": best.after,
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    digest = write(encoder, sentences.state(), out, languages, sentences.longest, told)
    kept.clear()
    seconds = time.monotonic() - started
    return Tuned(out, digest, best.epochs, best.epoch, best.before, best.after, tuple(int(i) for i in held), seconds)


def _numbered(phrases: Sequence[str], owners: Sequence[int] | Integers, fewest: float) -> Integers:
    """The owners (n,), numbered without gaps."""
    if len(phrases) != len(owners):
        raise BadInput(f"{len(phrases)} phrases, but owners of {len(owners)}")
    names, owner = np.unique(np.asarray(owners, dtype=np.int64), return_inverse=True)
    if len(names) < 2:
        raise BadInput(f"fine-tuning tells entries apart, so it needs at least two with phrases; there is {len(names)}")
    if len(phrases) < fewest * len(names):
        raise BadInput(
            f"fine-tuning needs {fewest:g} phrases an entry on average, here are {len(phrases) / len(names):.1f} "
            f"({len(phrases)} for {len(names)} entries): with fewer the encoder is better left as it is"
        )
    return np.asarray(owner, dtype=np.int64)


def _held_out(owner: Integers, one_in: int, seed: int) -> Integers:
    """Phrases to judge by: one in so many of each entry that has as many; none at all where that makes too few."""
    dice = np.random.default_rng([seed, 0])
    chosen = [np.zeros(0, np.int64)]
    for entry in range(int(owner.max()) + 1):
        mine = np.flatnonzero(owner == entry)
        chosen.append(dice.choice(mine, len(mine) // one_in, replace=False))
    held = np.sort(np.concatenate(chosen))
    return held if len(held) >= _HELD else held[:0]


class _Run:
    """One training: what stays the same over its epochs."""

    def __init__(
        self,
        sentences: Sentences,
        recipe: Recipe,
        phrases: list[str],
        owner: Integers,
        outside: list[str],
        held: Integers,
        epochs: int,
        seed: int,
    ) -> None:
        self._sentences, self._recipe, self._owner, self._held = sentences, recipe, owner, held
        self._epochs, self._seed = epochs, seed
        self._tokens = sentences.tokenise(phrases)
        self._train = np.setdiff1d(np.arange(len(owner)), held)
        self._steps = max(1, round(len(self._train) / recipe.batch))
        self._frozen: State = {name: value.clone() for name, value in sentences.trained().items()}
        known = self._known()
        self._beside = self._strangers(sentences.tokenise(outside), known)
        centres = torch.from_numpy(_centres(known))
        self._prototypes = torch.nn.Parameter(centres.to(sentences.device))
        self._none = torch.nn.Parameter(torch.tensor(0.5, device=sentences.device))
        self._adam = torch.optim.AdamW(
            [
                {"params": list(sentences.parameters()), "lr": recipe.rate, "weight_decay": recipe.decay},
                {"params": [self._prototypes, self._none], "lr": recipe.pull, "weight_decay": 0.0},
            ]
        )
        self._rates = (recipe.rate, recipe.pull)

    def between(self, trained: State) -> State:
        """Weights part of the way from the frozen to the trained ones."""
        share = self._recipe.share
        return {name: was + share * (trained[name].to(was.device) - was) for name, was in self._frozen.items()}

    def train(self, kept: Checkpoints, tell: Callable[[Progress], None]) -> Best:
        """Train until it gets no better; goes on from a checkpoint if there is one."""
        best = kept.load(self._parts(), self._adam)
        if best is None:
            before, loss = self._judge(self._frozen)
            best = Best(before=before, after=before, loss=loss, state=self._frozen, epoch=0, epochs=0)
        while best.epochs < self._epochs and best.epochs - best.epoch < self._recipe.patience:
            mean = self._epoch(best.epochs + 1, tell)
            trained = {name: value.clone() for name, value in self._sentences.trained().items()}
            after, loss = self._judge(self.between(trained))
            self._sentences.load(trained)
            best = best.next(after, loss, trained)
            kept.save(best, self._parts(), self._adam)
            tell(Progress(best.epochs, self._epochs, self._steps, self._steps, mean, after))
        return best

    def _parts(self) -> State:
        return {**self._sentences.trained(), "prototypes": self._prototypes.data, "none": self._none.data}

    def _epoch(self, epoch: int, tell: Callable[[Progress], None]) -> float:
        """Every phrase once; the mean loss."""
        total = 0.0
        dice = np.random.default_rng([self._seed, epoch])
        with torch.random.fork_rng():  # dropout draws from the one generator of the process
            torch.manual_seed(self._seed * 10_007 + epoch)
            for step, rows in enumerate(self._batches(dice), 1):
                self._pace((epoch - 1) * self._steps + step)
                loss = self._loss(rows, dice)
                self._adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self._sentences.parameters(), 1.0)
                self._adam.step()
                total += float(loss.detach())
                if step < self._steps:
                    tell(Progress(epoch, self._epochs, step, self._steps, total / step))
        return total / self._steps

    def _pace(self, step: int) -> None:
        """Learning rates rise to begin with, then fall to nothing in a straight line."""
        total = self._steps * self._epochs
        warm = max(1, round(self._recipe.warmup * total))
        part = min(step / warm, (total - step + 1) / max(total - warm, 1))
        for group, rate in zip(self._adam.param_groups, self._rates, strict=True):
            group["lr"] = rate * part

    def _batches(self, dice: np.random.Generator) -> Iterator[Integers]:
        """Rows of each step; those of one entry come in groups of the recipe's size."""
        mixed = dice.permutation(self._train)
        size = self._recipe.group
        if size > 1:
            mixed = mixed[np.argsort(self._owner[mixed], kind="stable")]
            cuts = np.flatnonzero(np.diff(self._owner[mixed])) + 1
            groups = [some[at : at + size] for some in np.split(mixed, cuts) for at in range(0, len(some), size)]
            mixed = np.concatenate([groups[i] for i in dice.permutation(len(groups))])
        yield from np.array_split(mixed, self._steps)

    def _loss(self, rows: Integers, dice: np.random.Generator) -> Tensor:
        beside = dice.integers(len(self._beside), size=self._recipe.beside if self._beside else 0)
        tokens = [*(self._tokens[i] for i in rows), *(self._beside[i] for i in beside)]
        vectors = self._sentences.vectors(tokens)
        truth = torch.from_numpy(self._owner[rows]).to(vectors.device)
        if self._recipe.loss == "prototypes":
            none = len(self._prototypes)
            truth = torch.cat([truth, truth.new_full((len(beside),), none)])
            return prototypes(vectors, truth, self._prototypes, self._none, self._recipe.scale)
        truth = torch.cat([truth, -1 - torch.arange(len(beside), device=truth.device)])  # each like nothing else
        kind = contrast if self._recipe.loss == "contrast" else ranking
        return kind(vectors, truth, self._recipe.scale)

    def _known(self) -> list[Floats]:
        """Vectors of some phrases of each entry, those in training only."""
        rows = [self._train[self._owner[self._train] == i][:_CENTRE] for i in range(int(self._owner.max()) + 1)]
        vectors = self._sentences.encode([self._tokens[i] for i in np.concatenate(rows)])
        return np.split(vectors, np.cumsum([len(some) for some in rows])[:-1])

    def _strangers(self, outside: Tokens, known: list[Floats]) -> Tokens:
        """Those sentences out of scope that are about other matters than this knowledge base."""
        if not outside:
            return []
        near = (self._sentences.encode(outside) @ np.concatenate(known).T).max(axis=1)
        return [tokens for tokens, cosine in zip(outside, near, strict=True) if cosine < FAMILIAR]

    def _judge(self, state: State) -> tuple[float | None, float]:
        """Accuracy with mean negative log-likelihood on the phrases held out, by the nearest centre."""
        if not len(self._held):
            return None, 0.0
        self._sentences.load(state)
        centres = normalize(torch.from_numpy(_centres(self._known())), dim=1)
        asked = torch.from_numpy(self._sentences.encode([self._tokens[i] for i in self._held]))
        truth = torch.from_numpy(self._owner[self._held])
        near = self._recipe.scale * (asked @ centres.T)
        right = (near.argmax(dim=1) == truth).double().mean()
        return float(right), float(torch.nn.functional.cross_entropy(near, truth))


def _centres(known: list[Floats]) -> Floats:
    """The mean vector of each entry's, (entries, dim)."""
    return np.stack([vectors.mean(axis=0) for vectors in known])


def prototypes(vectors: Tensor, truth: Tensor, centres: Tensor, none: Tensor, scale: float) -> Tensor:
    """Cosine softmax: vectors (n, dim) to learned prototypes (k, dim); truth k means none of them, at cosine `none`."""
    near = vectors @ normalize(centres, dim=1).T
    return torch.nn.functional.cross_entropy(scale * torch.cat([near, none.expand(len(near), 1)], dim=1), truth)


def contrast(vectors: Tensor, truth: Tensor, scale: float) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, https://arxiv.org/abs/2004.11362) of vectors (n, dim)."""
    near = (scale * vectors @ vectors.T).fill_diagonal_(-1e9)
    same = (truth[:, None] == truth[None]).float().fill_diagonal_(0)
    friends = same.sum(dim=1)
    return -((torch.log_softmax(near, dim=1) * same).sum(dim=1) / friends.clamp(min=1))[friends > 0].sum() / max(
        int((friends > 0).sum()), 1
    )


def ranking(vectors: Tensor, truth: Tensor, scale: float) -> Tensor:
    """Multiple-negatives ranking (Henderson et al. 2017, https://arxiv.org/abs/1705.00652).

    A vector's positive is the next one of its entry, its negatives are all of other entries.
    """
    same = (truth[:, None] == truth[None]).fill_diagonal_(False)
    rows = torch.nonzero(same.any(dim=1))[:, 0]
    far = torch.arange(len(truth), device=truth.device)
    ahead = (far[None] - far[:, None]) % len(truth)  # how many places on
    chosen = torch.where(same, ahead, len(truth)).argmin(dim=1)[rows]
    near = (scale * vectors @ vectors.T).fill_diagonal_(-1e9)
    taken = same.clone()
    taken[rows, chosen] = False
    return torch.nn.functional.cross_entropy(near.masked_fill(taken, -1e9)[rows], chosen, reduction="sum") / max(
        len(rows), 1
    )
